"""Every check, in situations that are really broken: each says what to do."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.support.homes import Home
from tests.support.hub_user import TOKEN
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.doctor import engine, hub, installation, machine, service, storage
from wiz_kernel_ext.doctor.checks import CHECKS, around_here, findings
from wiz_kernel_ext.doctor.finding import Around, Check, Finding
from wiz_kernel_ext.engine_check.cards import CARDS, Card
from wiz_kernel_ext.errors import WorkerDied

END_TIMEOUT_S = 30.0


def broken(around: Around) -> Iterator[Finding]:
    raise ZeroDivisionError("here")


@pytest.fixture
def around(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Around:
    """A home of its own, with a cache of its own and no token."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return around_here()


def only(check: Check, around: Around) -> Finding:
    (finding,) = check(around)
    return finding


def placed(around: Around, name: str, place: Path) -> Around:
    """The same with one place elsewhere."""
    there: dict[str, Any] = {name: place}
    return dataclasses.replace(around, where=dataclasses.replace(around.where, **there))


def test_in_a_sound_home_nothing_must_be_done(around: Around) -> None:
    asked = [check for check in CHECKS if check not in (hub.hub, hub.token, machine.memory)]
    found = list(findings(around, asked))
    assert [finding for finding in found if finding.state == "must"] == []
    assert {finding.about for finding in found} >= {"package", "libraries", "engine", "runtime"}
    assert not around.where.runtime_dir.exists()  # nothing was made


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on(around: Around) -> None:
    first, second = findings(around, [broken, machine.descriptors])
    assert first.state == "must"
    assert "ZeroDivisionError: here" in first.text
    assert second.about == "descriptors"


@pytest.mark.parametrize(
    ("check", "place", "variable"),
    [
        (storage.runtime, "runtime_dir", "WIZ_RUNTIME_DIR"),
        (storage.data, "data_dir", "WIZ_DATA_DIR"),
    ],
)
def test_a_place_that_cannot_be_written_or_is_a_file_names_the_variable(
    around: Around, check: Check, place: str, variable: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for bad in (Path("/proc/wiz"), tmp_path / "file" / "wiz"):
        found = next(check(placed(around, place, bad)))
        assert found.state == "must", found
        assert f"Set {variable}" in found.remedy
    cached = dataclasses.replace(around, environment={"HF_HOME": "/proc/wiz"})
    assert only(storage.cache, cached).state == "note"  # what is in it can be used


def test_a_place_that_others_can_write_is_told_with_the_command(around: Around) -> None:
    around.where.data_dir.mkdir(exist_ok=True)
    around.where.data_dir.chmod(0o777)
    found = only(storage.data, around)
    assert (found.state, found.remedy) == ("must", f"chmod 700 {around.where.data_dir}")


def test_a_disk_without_locks_or_whose_locks_keep_nobody_out_is_told(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", lambda handle, kind: None)
    assert "keeps nobody out" in next(storage.runtime(around)).text
    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(fcntl, "lockf", no_locks)
    for check in (storage.runtime, storage.data):
        found = next(check(around))
        assert "No locks available" in found.text
        assert found.state == "must"


def test_a_network_file_system_and_a_full_disk_are_told(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = [SimpleNamespace(mountpoint="/", fstype="nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounted)
    found = only(storage.data, around)
    assert (found.state, "network file system (nfs4)" in found.text) == ("note", True)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    assert only(storage.data, around).state == "must"
    assert only(storage.models, around).state == "note"


def test_a_path_too_long_for_sockets_is_told(around: Around) -> None:
    long = placed(around, "socket_dir", around.where.runtime_dir / ("x" * 100))
    assert [finding.about for finding in storage.runtime(long)] == ["runtime", "sockets"]


def test_few_descriptors_are_told_with_the_command(around: Around) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        found = only(machine.descriptors, around)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.state == "must"
    assert "ulimit -n 1024" in found.remedy
    assert only(machine.descriptors, around).state == "ok"


def test_little_memory_is_told(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(available_bytes=1000, limit="cgroup")
    monkeypatch.setattr(machine, "this_machine", lambda: there)
    found = only(machine.memory, around)
    assert found.state == "must"
    assert "cgroup" in found.text


def test_a_card_left_unused_and_instruction_sets_left_unused_are_told(
    around: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver").touch()
    (found,) = engine.for_cards(around, [Card("a card", (tmp_path / "driver",), ("cuda",))])
    assert found.state == "note"
    assert "-DGGML_CUDA=on" in found.remedy
    used = engine.used_sets()
    assert used, "the engine says which sets it uses"
    monkeypatch.setattr(engine, "used_sets", lambda: {"SSE3"})
    monkeypatch.setattr(
        engine, "this_processor", lambda: SimpleNamespace(features={"avx2", "asimd"})
    )
    found = only(engine.instruction_sets, around)
    assert found.state == "note"
    assert "AVX2" in found.text
    monkeypatch.setattr(engine, "used_sets", lambda: used)
    monkeypatch.undo()
    assert only(engine.instruction_sets, around).state == "ok"


def test_the_devices_are_told_and_a_card_that_the_engine_does_not_find(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = only(engine.devices, around)
    assert (found.state, found.text) == ("ok", "CPU")
    assert found.lines[0].startswith("CPU: ")
    assert " free (" in found.lines[0]
    built = SimpleNamespace(cards=lambda: {"cuda": "-DGGML_CUDA=on"})
    monkeypatch.setattr(engine, "engine_build", lambda: built)
    monkeypatch.setattr(engine, "cards_here", lambda environ: [CARDS[0]])
    found = only(engine.devices, around)
    assert (found.state, "finds no card" in found.text) == ("note", True)
    assert "driver" in found.remedy
    assert list(engine.devices(around, ["/bin/false"])) == []


def test_a_service_or_worker_that_is_stopped_is_told_with_what_ends_it(
    around: Around, client: Client
) -> None:
    client.load("demo")
    status = client.status()
    versions, running, worker = service.service(around)
    assert {versions.state, running.state, worker.state} == {"ok"}
    for pid, about, remedy in (
        (status.workers[0].pid, "worker", "--force"),
        (status.service.pid, "service", "`wiz stop`"),
    ):
        os.kill(pid, signal.SIGSTOP)
        try:
            found = [one for one in service.service(around) if one.state == "must"]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [one.about for one in found] == [about]
        assert "is stopped" in found[0].text
        assert remedy in found[0].remedy


def test_another_service_of_the_same_user_is_told(around: Around, home: Home) -> None:
    settings = dataclasses.replace(
        home.settings, name=f"{home.settings.name}-p9", data_dir=home.folder / "d9"
    )
    other = Client(settings)
    pid = other.status().service.pid
    found = only(service.others, around)
    assert f"pid {pid}" in found.text
    assert f"WIZ_SERVICE={settings.name} jupyter wiz stop" in found.remedy
    other.stop()
    other.close()
    assert list(service.others(around)) == []


def test_a_service_whose_connection_file_is_gone_is_told(around: Around, client: Client) -> None:
    client.status()
    kept = around.where.connection_file.read_bytes()
    around.where.connection_file.unlink()
    found = next(service.service(around))
    around.where.connection_file.write_bytes(kept)
    assert found.state == "must" or "answers" in found.text  # a service may put it back


def test_the_last_crash_is_told(around: Around, client: Client, slow_model: Path) -> None:
    assert list(service.last_crash(around)) == []
    client.load(str(slow_model))
    operation = client.send_prompt("x", max_tokens=2000)
    deadline = time.monotonic() + END_TIMEOUT_S
    while not client.status().workers[0].n_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(client.status().workers[0].pid, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        client.attach(operation.id).result()
    found = only(service.last_crash, around)
    assert found.state == "note"
    assert "SIGKILL" in found.text


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    with StandInHub({"wiz/models": Repository({})}) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in


def test_a_hub_that_answers_takes_the_token_or_refuses_it_and_never_shows_it(
    around: Around, stand_in: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only(hub.token, around).text == "none: public models need none"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    reached, taken = only(hub.hub, around), only(hub.token, around)
    assert (reached.state, taken.state) == ("ok", "ok")
    assert stand_in.url in reached.text
    assert "of HF_TOKEN: taken as somebody" in taken.text
    # Whether it answers whoever asks, is asked without it.
    sent = {asked.path: asked.authorization for asked in stand_in.asked}
    assert sent["/api/models"] is None
    assert sent["/api/whoami-v2"] == f"Bearer {TOKEN}"
    wrong = "hf_rejected"
    monkeypatch.setenv("HF_TOKEN", wrong)
    refused = only(hub.token, around)
    assert refused.state == "must"
    assert "token" in refused.text
    assert not any(word in str(one) for one in (taken, refused) for word in (TOKEN, wrong))


def test_a_hub_that_is_not_there_is_a_note_and_offline_mode_is_said(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        found = only(hub.hub, around)
    assert (found.state, "cannot be reached" in found.text) == ("note", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = only(hub.hub, around)
    assert (found.state, "offline mode is set" in found.text) == ("ok", True)


@pytest.mark.parametrize(
    ("version", "conditions", "kept"),
    [
        ("2.4.0", ">=2.4,<3", True),
        ("3.0", ">=2.4,<3", False),
        ("0.3.35", ">=0.3.36,<0.4", False),
        ("1.0", "", True),
        ("1.0", "~=0.9", True),  # not understood: not complained of
        ("2.0", "!=2.0", False),
    ],
)
def test_conditions_are_read_as_pip_writes_them(version: str, conditions: str, kept: bool) -> None:
    assert installation.fits(version, conditions) is kept


def test_what_is_kept_of_conversations_is_told_where_there_is_any(around: Around) -> None:
    assert list(storage.snapshots(around)) == []
    folder = around.where.snapshots_dir / "ana"
    folder.mkdir(parents=True)
    (folder / "f.kv").write_bytes(bytes(3_000_000))
    found = only(storage.snapshots, around)
    assert found.state == "ok"
    assert "2.9 MB of 1 " in found.text
    assert str(around.where.snapshots_dir) in found.text
