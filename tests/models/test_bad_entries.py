"""One entry that cannot be read, or is no text, hides itself: in every place that is scanned."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.hub.conftest import SMALL
from tests.models.test_library import A, Home
from tests.models.test_library import home as home
from tests.support.hub_user import HubUser
from tests.support.ordinary_user import folder_to_close, ordinary_user
from wiz_kernel_ext import folders
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.hub.offline import cached_hits
from wiz_kernel_ext.json_file import JsonFile
from wiz_kernel_ext.models.library_file import LibraryFile
from wiz_kernel_ext.notebook.magics.completion import model_files
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import places, remove_stale

NO_UTF8 = os.fsdecode(b"caf\xe9-Q8_0.gguf")
LAYER = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "c" * 64}


def good_entries(home: Home) -> set[str]:
    """One good model in every place; their names."""
    home.put("models/mine-Q8_0.gguf")
    home.put_in_hub("u/r", "m-Q4_K_M.gguf", A, "main")
    studio = home.put("home/.lmstudio/models/pub/repo/s.gguf")
    cpp = home.put("home/.cache/llama.cpp/x.gguf")
    home.put("home/.ollama/models/blobs/sha256-" + "c" * 64)
    manifest = json.dumps({"layers": [LAYER]}).encode()
    home.put("home/.ollama/models/manifests/registry.ollama.ai/library/tiny/8b", manifest)
    return {"demo", "mine-Q8_0.gguf", "u/r:Q4_K_M", str(studio), str(cpp), "ollama:tiny:8b"}


def bad_entries(home: Home) -> None:
    """Names that are no text, links to nowhere and in a circle, and files that make no sense."""
    manifest = json.dumps({"layers": [LAYER]}).encode()
    hub = home.user.home / "hub"
    ollama = "home/.ollama/models/manifests"
    for place in (
        "models",
        os.fsdecode(b"models/fold\xe9r"),
        "home/.lmstudio/models",
        "home/.cache/llama.cpp",
        f"{hub}/models--u--r/snapshots/{A}",
        os.fsdecode(os.fsencode(hub) + b"/models--u--\xe9/snapshots/" + A.encode()),
    ):
        home.put(f"{place}/{NO_UTF8}")
        (home.folder / place / "nowhere.gguf").symlink_to("gone")
        (home.folder / place / "circle.gguf").symlink_to("circle.gguf")
        (home.folder / place / "folder.gguf").mkdir()
    home.put(f"{hub}/models--u--r/refs/" + os.fsdecode(b"br\xe9nch"), A.encode())
    home.put(f"{hub}/models--u--r/refs/odd", b"\xff\xfe")
    home.put(f"{hub}/models--a--file", b"no folder")
    home.put(f"{hub}/models--u--r/snapshots/{'d' * 40}", b"no folder")
    home.put(f"{ollama}/alone", manifest)
    home.put(f"{ollama}/registry.ollama.ai/library/tiny/" + os.fsdecode(b"\xe9"), manifest)
    home.put(f"{ollama}/registry.ollama.ai/library/deep/1b", b"[" * 200_000)
    home.put(f"{ollama}/registry.ollama.ai/library/list/1b", b'{"layers": [[]]}')
    home.put(f"{ollama}/registry.ollama.ai/library/text/1b", b"\xff")


async def test_bad_entries_of_every_place_hide_themselves_only(home: Home) -> None:
    good = good_entries(home)
    bad_entries(home)
    listed = await home.listed()
    assert set(listed) == good
    # It can be sent, which is where names that are no text were noticed.
    msgspec.msgpack.encode(list(listed.values()))
    for name, model in listed.items():
        assert home.library.resolve(name) == Path(model.path)
    hits = cached_hits("", home.user.environment)
    assert [hit.hit.repo for hit in hits] == ["u/r"]
    msgspec.msgpack.encode(hits)


async def test_without_the_protection_one_such_name_hides_all(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_entries(home)
    bad_entries(home)
    monkeypatch.setattr(folders, "is_text", lambda name: True)
    with pytest.raises(UnicodeEncodeError):
        msgspec.msgpack.encode(list((await home.listed()).values()))


@pytest.fixture
def shared(hub: object) -> Iterator[Home]:
    """A home that an ordinary user may read."""
    with folder_to_close() as folder:
        yield Home(folder, HubUser(folder / "hf", "http://127.0.0.1:9"))


def test_what_permissions_keep_from_us_hides_itself_only(shared: Home) -> None:
    good = good_entries(shared)
    hub = shared.user.home / "hub"
    closed = [
        shared.put("models/closed/x.gguf").parent,
        shared.put("home/.lmstudio/models/closed/x.gguf").parent,
        shared.put(f"{hub}/models--u--closed/snapshots/{A}/m-Q8_0.gguf").parents[2],
        shared.put(f"{hub}/models--u--r/refs/closed/ref", A.encode()).parent,
        shared.put("home/.ollama/models/manifests/closed/x").parent,
    ]
    listable = shared.put("models/listable/y.gguf").parent
    secret = shared.put("models/secret.gguf")
    shared.put(f"{hub}/models--u--r/refs/secret", A.encode()).chmod(0)
    for folder in closed:
        folder.chmod(0)
    listable.chmod(0o744)  # its names can be read, what they name cannot
    listable.chmod(0o444)
    secret.chmod(0)
    with ordinary_user():
        listed = {model.name: model for model in shared.library.models()}
        assert shared.library.resolve("u/r:Q4_K_M") == Path(listed["u/r:Q4_K_M"].path)
        files = [Path(path).name for path in model_files(shared.folder / "models")]
    secret.chmod(0o644)
    with ordinary_user():
        again = {model.name: model for model in shared.library.models()}
    assert not again["secret.gguf"].problem
    assert set(listed) == {*good, "secret.gguf"}
    assert "may not be read" in listed["secret.gguf"].problem
    assert {"mine-Q8_0.gguf", "secret.gguf"} <= set(files)


def test_a_library_file_that_may_not_be_read_hides_the_users_names_only(shared: Home) -> None:
    good = good_entries(shared)
    shared.library.set_alias("small", "demo")
    (shared.folder / "data" / "library.json").chmod(0)
    with ordinary_user():
        assert {model.name for model in shared.library.models()} == good
        assert shared.library.resolve("demo") == model_path()
        assert shared.library.resolve("mine-Q8_0").name == "mine-Q8_0.gguf"  # type: ignore[union-attr]


def test_a_bad_entry_of_the_library_file_costs_itself(home: Home) -> None:
    kept = {
        "aliases": {"good": "demo", "bad": 3, "worse": "\ud800"},
        "default": ["no name"],
        "used": {"/a": 1.0, "/b": "yesterday"},
        "facts": {"/a": {"size_bytes": 1, "changed_at": 2.0}, "/b": "?"},
        "unknown": 1,
    }
    file = home.put("data/library.json", json.dumps(kept).encode())
    assert home.library.aliases() == {"good": "demo"}
    home.library.set_alias("new", "demo")
    found = JsonFile(file, LibraryFile).read()
    assert (found.aliases, found.default) == ({"good": "demo", "new": "demo"}, None)
    assert (found.used, set(found.facts)) == ({"/a": 1.0}, {"/a"})
    assert json.loads((file.parent / "library.json.unreadable").read_bytes()) == kept


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null"])
def test_a_library_file_that_is_none_is_put_aside_whole(home: Home, data: bytes) -> None:
    home.put("data/library.json", data)
    assert home.library.aliases() == {}
    assert (home.folder / "data" / "library.json.unreadable").read_bytes() == data


def test_bad_entries_of_the_runtime_and_log_directories_hide_themselves_only(
    tmp_path: Path,
) -> None:
    where = places(Settings(runtime_dir=tmp_path / "r", data_dir=tmp_path / "d"))
    where.create()
    where.worker_logs.mkdir()
    logs = [where.worker_log("1"), where.worker_log("2")]
    for number, log in enumerate(logs):
        log.write_bytes(SMALL)
        os.utime(log, (number, number))
    where.worker_log("3").symlink_to("gone")
    where.worker_log("4").mkdir()
    where.worker_log(os.fsdecode(b"\xe9")).write_bytes(b"")
    assert where.logs_of_workers() == logs
    (where.socket_dir / "a.sock").mkdir()  # cannot be removed as a socket
    (where.socket_dir / "b.sock").symlink_to("gone")
    (where.socket_dir / os.fsdecode(b"\xe9.sock")).write_bytes(b"")
    left = where.socket_dir / "c.sock"
    left.write_bytes(b"")
    remove_stale(where)
    assert not left.exists()


def test_completion_leaves_out_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").touch()
    (tmp_path / NO_UTF8).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.gguf").touch()
    assert [Path(file).name for file in model_files(tmp_path)] == ["a.gguf", "b.gguf"]
