"""Several Python environments, several versions, one without an engine: one service for all."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Environment, edit, finished, make_environment
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import PackageGone, ServiceStartFailed

LOAD = 'client.load_model("demo"); client.create_context(); client.initialize_session()\n'
LATER = """
from wiz_kernel_ext import WizError
try:
    client.status()
except WizError as error:
    print(repr(error))
"""
ASK = LOAD + 'assert client.prompt("Hello", temperature=0)\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def with_engine(folder: Path) -> Environment:
    return make_environment(folder / "engine")


@pytest.fixture(scope="module")
def without(folder: Path) -> Environment:
    return make_environment(folder / "without", engine=False)


@pytest.fixture(scope="module")
def newer(folder: Path) -> Environment:
    """A later version that speaks the same protocol, and has a field that others do not know."""
    made = make_environment(folder / "newer", version="99.0")
    requests = made.package / "protocol" / "requests.py"
    target = 'target = "service:status"\n'
    edit(requests, target, target + "    effort: int = 0\n")
    return made


@pytest.fixture(scope="module")
def next_protocol(folder: Path) -> Environment:
    return make_environment(folder / "next", version="100.0", protocol=100)


@pytest.fixture(scope="module")
def next_without(folder: Path) -> Environment:
    return make_environment(folder / "next-without", version="100.0", protocol=100, engine=False)


def end_service(home: Home) -> None:
    for service in home.services():
        service.terminate()
        service.wait(10)


def test_two_environments_one_without_an_engine_share_one_service_and_one_copy_of_the_weights(
    home: Home, with_engine: Environment, without: Environment, client: Client
) -> None:
    first = with_engine.run(home, ASK).last
    second = without.run(home, ASK).last
    assert (second["pid"], second["workers"]) == (first["pid"], first["workers"])
    assert client.status().service.pid == first["pid"]
    assert len(home.services()) == len(home.workers()) == 1
    end_service(home)
    # It is started again where there is an engine, whoever asks.
    third = without.run(home, ASK).last
    assert third["executable"] == with_engine.python
    assert home.places.environment_file.stat().st_mode & 0o077 == 0


def test_a_model_that_another_environment_has_loaded_is_not_deleted(
    home: Home, with_engine: Environment, without: Environment
) -> None:
    file = home.folder / "d" / "models" / "mine.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(model_path().read_bytes())
    with_engine.run(home, 'client.load_model("mine")')
    refused = without.run(
        home, "try: client.remove_model('mine')\nexcept Exception as error: print(repr(error))"
    )
    assert "Conflict" in refused.out[0]
    assert file.exists()


def test_without_any_engine_a_load_says_what_to_do_and_an_environment_with_one_takes_over(
    home: Home, with_engine: Environment, without: Environment
) -> None:
    code = "try: client.load_model('demo')\nexcept Exception as e: print(e.hint)\nclient.models()"
    alone = without.run(home, code)
    assert "pip install llama-cpp-python" in alone.out[0]
    taken = with_engine.run(home, ASK).last
    assert taken["pid"] != alone.last["pid"]
    assert without.run(home, ASK).last["workers"] == taken["workers"]


def test_a_newer_version_shares_a_busy_service_and_replaces_a_free_one_for_good(
    home: Home, with_engine: Environment, newer: Environment
) -> None:
    old = with_engine.run(home, LOAD).last
    code = (
        "from wiz_kernel_ext.protocol.requests import GetStatus\n"
        "try: client.request(GetStatus(effort=1))\n"
        "except Exception as error: print(error, error.hint)\n"
    )
    shared = newer.run(home, LOAD + code)
    assert shared.last["workers"] == old["workers"]
    assert "effort" in shared.out[0]
    assert "older" in shared.out[0]
    assert "client.stop()" in shared.out[0]
    with_engine.run(home, "client.unload_model('demo')")
    new = newer.run(home).last
    assert (new["version"], new["pid"] != old["pid"]) == ("99.0", True)
    assert with_engine.run(home, ASK).last["pid"] == new["pid"]
    end_service(home)
    assert with_engine.run(home).last["version"] == "99.0"


def test_an_older_protocol_finishes_its_answer_and_is_replaced_and_its_clients_go_apart(
    home: Home, with_engine: Environment, next_protocol: Environment, client: Client
) -> None:
    client.load_model("demo")
    client.create_context()
    client.initialize_session(session="kept")
    answer = client.send_prompt("Count from 1 to 100.", temperature=0, max_tokens=200)
    next(iter(answer))
    new = next_protocol.run(home, ASK)
    assert "is older" in new.err
    assert answer.result().finish_reason in ("stop", "length")
    assert (new.last["version"], len(home.services())) == ("100.0", 1)
    kept = next_protocol.run(home, "print(client.session('kept').messages[1].content)")
    assert "\n".join(kept.out) == str(answer.result())
    # What the older one had is kept where the newer one is; the older client has its own.
    apart = with_engine.run(home, ASK + "Client().status()")
    assert apart.err.count("is newer") == 1
    assert apart.last["database"] != new.last["database"]
    assert next_protocol.run(home).last["pid"] == new.last["pid"]
    assert with_engine.run(home).last["pid"] == apart.last["pid"]
    assert len(home.services()) == 2


def test_a_newer_protocol_without_an_engine_leaves_the_others_their_models(
    home: Home, with_engine: Environment, next_without: Environment
) -> None:
    old = with_engine.run(home, LOAD).last
    apart = next_without.run(home)
    assert f"{with_engine.python} -m pip install -U" in apart.err
    assert with_engine.run(home).last == old


def test_older_and_newer_that_come_at_the_same_instant_end_in_one_service_each_at_most(
    home: Home, with_engine: Environment, newer: Environment, next_protocol: Environment
) -> None:
    all_of_them = [with_engine, newer, next_protocol] * 2
    processes = [each.start(home, "client.models()\nprint(seen())") for each in all_of_them]
    seen = [finished(process) for process in processes]
    assert all(one.last["pid"] for one in seen)
    assert next_protocol.run(home).last["version"] == "100.0"
    deadline = time.monotonic() + 10
    while len(home.services()) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    names = [service.environ()["WIZ_SERVICE"] for service in home.services()]
    assert len(set(names)) == len(names) <= 2


def test_an_environment_that_no_longer_works_is_not_asked_to_start_it_again(
    home: Home, tmp_path: Path, client: Client
) -> None:
    broken = make_environment(tmp_path / "broken", version="99.0")
    broken.run(home)
    end_service(home)
    (broken.package / "service" / "app.py").unlink()
    assert client.status().service.version != "99.0"


def test_two_runtime_directories_never_have_one_database(home: Home, client: Client) -> None:
    service = client.status().service
    elsewhere = Client(replace(home.settings, runtime_dir=home.folder / "r2"))
    with pytest.raises(ServiceStartFailed, match="is in use by the service") as caught:
        elsewhere.status()
    assert f"{home.folder}/r." in caught.value.message
    assert "WIZ_RUNTIME_DIR" in caught.value.message
    assert client.status().service.pid == service.pid
    assert service.database == str(home.places.database_file)


def test_a_package_removed_under_its_service_and_its_notebook_is_told_as_such(
    home: Home, tmp_path: Path, client: Client
) -> None:
    gone = make_environment(tmp_path / "gone", version="99.0")
    begun = gone.start(home, "print(seen(), flush=True)\ninput()\n" + LATER)
    assert begun.stdout is not None
    begun.stdout.readline()
    shutil.rmtree(gone.package)
    with pytest.raises(PackageGone, match=r"not there any more|no longer installed") as caught:
        client.load("demo")
    assert "client.stop()" in caught.value.hint
    client.stop()
    out, err = begun.communicate("\n", timeout=60)
    assert begun.returncode == 0, err
    assert "PackageGone" in out


def test_a_magic_whose_package_was_removed_says_so(home: Home, tmp_path: Path) -> None:
    gone = make_environment(tmp_path / "gone", version="99.0")
    code = f"""
import shutil
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "wiz_kernel_ext")
shutil.rmtree({str(gone.package)!r})
for cell in ("%wiz_load demo", "%wiz_models"):
    print(repr(shell.run_cell(cell).error_in_exec))
"""
    said = [line for line in gone.run_code(home, code).stdout.splitlines() if "Gone(" in line]
    assert len(said) == 2


def test_a_worker_of_another_version_than_its_service_is_said(
    home: Home, tmp_path: Path, client: Client
) -> None:
    changing = make_environment(tmp_path / "changing", version="99.0")
    changing.run(home)
    edit(changing.package / "__init__.py", r'__version__ = ".*"', '__version__ = "99.1"')
    notices = client.load("demo").notices
    assert any("99.0" in notice and "99.1" in notice for notice in notices), notices
