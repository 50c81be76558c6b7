"""What may not be read, written or deleted: what is said is what was done, and what to do next."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.conftest import SMALL
from tests.models.test_library import A, Home
from tests.support.hub_user import HubUser, children, content, names_below
from tests.support.ordinary_user import folder_to_close, ordinary_user
from tests.support.stand_in_hub import StandInHub
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.gguf_header import check_gguf
from wiz_kernel_ext.errors import DownloadFailed, NotPermitted, WizError, not_permitted
from wiz_kernel_ext.hub.deletion import remove
from wiz_kernel_ext.hub.inspection import inspect
from wiz_kernel_ext.making.quantize import quantize
from wiz_kernel_ext.models.identity import identify
from wiz_kernel_ext.models.locate import locate_model

NAME = "wiz/models/small.gguf"


@pytest.fixture
def shared(hub: StandInHub) -> Iterator[Home]:
    """A home of an ordinary user's, whom permissions bind."""
    with folder_to_close() as folder:
        yield Home(folder, HubUser(folder / "hf", hub.url))
    assert children() == []


def there(path: Path) -> bool:
    return path.exists()


def folders_below(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


async def test_rm_on_a_read_only_cache_deletes_nothing_and_says_so(shared: Home) -> None:
    path = Path(await shared.user.fetch("wiz/models", "small.gguf"))
    cache = shared.user.home / "hub"
    for folder in folders_below(cache):
        folder.chmod(0o555)
    with ordinary_user():
        assert (await shared.remove(NAME, only_ask=True)).freed_bytes == len(SMALL)
        with pytest.raises(NotPermitted, match="Nothing was deleted") as caught:
            await shared.remove(NAME)
    error = caught.value
    assert content(path) == SMALL
    assert error.details["freed_bytes"] == 0
    assert error.details["path"].endswith("small.gguf")
    assert "chmod u+w" in error.hint
    for folder in folders_below(cache):
        folder.chmod(0o755)
    with ordinary_user():
        assert (await shared.remove(NAME)).freed_bytes == len(SMALL)
    assert not there(path)


async def test_rm_where_only_the_weights_may_not_be_deleted_frees_nothing(shared: Home) -> None:
    path = Path(await shared.user.fetch("wiz/models", "small.gguf"))
    await shared.user.fetch("wiz/models", "dir/large.gguf")
    blobs = shared.user.cache / "blobs"
    blobs.chmod(0o555)
    with ordinary_user(), pytest.raises(NotPermitted) as caught:
        await shared.remove(NAME)
    blobs.chmod(0o755)
    assert caught.value.details["freed_bytes"] == 0
    assert str(blobs) in caught.value.message
    assert len(names_below(blobs)) == 2
    assert not there(path)  # its link went first


async def test_rm_of_parts_tells_which_went(shared: Home) -> None:
    parts = [shared.put(f"models/p/s-0000{n}-of-00002.gguf") for n in (1, 2)]
    parts[0].parent.chmod(0o555)
    with ordinary_user(), pytest.raises(NotPermitted, match="Nothing was deleted") as caught:
        await shared.remove("p/s-00001-of-00002.gguf")
    assert caught.value.details["left"] == [str(part) for part in parts]
    assert all(part.exists() for part in parts)
    parts[0].parent.chmod(0o755)
    with ordinary_user():
        freed = (await shared.remove("p/s-00001-of-00002.gguf")).freed_bytes
    assert freed == 2 * len(SMALL)


async def test_what_may_not_be_read_is_no_damaged_file(shared: Home) -> None:
    closed = shared.put("models/closed.gguf")
    inside = shared.put("models/folder/inside.gguf")
    closed.chmod(0)
    inside.parent.chmod(0)
    with ordinary_user():
        for look in (
            lambda: check_gguf(closed),
            lambda: check_gguf(inside),
            lambda: identify(inside),
            lambda: locate_model(str(inside)),
            lambda: shared.library.resolve(str(inside)),
        ):
            with pytest.raises(NotPermitted) as caught:
                look()
            assert caught.value.details["path"] in (str(closed), str(inside))
            assert "ownload" not in caught.value.hint and "ls -ld" in caught.value.hint
        for name in ("closed", str(closed)):
            found = shared.library.resolve(name)
            assert isinstance(found, Path)
            with pytest.raises(NotPermitted):
                await inspect(found, environment=shared.user.environment)
        listed = {model.name: model for model in shared.library.models()}
        assert "may not be read: Permission denied" in listed["closed.gguf"].problem
        with pytest.raises(NotPermitted):
            await shared.library.verify("closed.gguf")
        with pytest.raises(NotPermitted):
            await quantize(closed, shared.folder / "x.gguf", "Q8_0")


async def test_verifying_what_the_cache_may_not_show_is_typed(shared: Home) -> None:
    path = shared.put_in_hub("u/r", "m-Q8_0.gguf", A, "main")
    path.resolve().chmod(0)
    with ordinary_user(), pytest.raises((NotPermitted, PermissionError)) as caught:
        await shared.library.verify("u/r:Q8_0")
    assert isinstance(caught.value, OSError)
    error = not_permitted(caught.value)
    assert error is not None


async def test_what_may_not_be_written_is_said_before_the_work(shared: Home) -> None:
    source = write_tiny_gguf(shared.folder / "t-F16.gguf", Shape(width=256, quantization="F16"))
    target = shared.folder / "closed" / "small.gguf"
    target.parent.mkdir(mode=0o555)
    with ordinary_user():
        with pytest.raises(NotPermitted, match="may not write in its folder") as caught:
            await quantize(source, target, "Q8_0")
        assert caught.value.details["path"] == str(target)
        (shared.user.home).mkdir(mode=0o555)
        with pytest.raises(WizError) as refused:
            await shared.user.fetch("wiz/models", "small.gguf")
        assert isinstance(refused.value, DownloadFailed)
        assert "ermission denied" in refused.value.message
        assert "HF_HOME" in refused.value.hint
    await asyncio.sleep(0)


def test_only_what_is_not_allowed_becomes_that_error() -> None:
    for number, words in ((13, "Permission denied"), (1, "not permitted"), (30, "Read-only")):
        error = not_permitted(OSError(number, os.strerror(number), "/a/b"))
        assert error is not None
        assert words in error.message and error.details["path"] == "/a/b"
    assert not_permitted(OSError(2, "No such file", "/a")) is None
    odd = not_permitted(OSError(13, "Permission denied", os.fsdecode(b"/caf\xe9")))
    assert odd is not None
    odd.message.encode()


async def test_without_the_look_afterwards_rm_says_what_is_not_so(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wiz_kernel_ext.hub import deletion

    path = shared.put("models/m.gguf")
    path.parent.chmod(0o555)
    monkeypatch.setattr(deletion, "refuse_what_is_left", lambda *_: None)
    with ordinary_user():
        found = await remove(shared.library, "m.gguf", environment=shared.user.environment)
    assert path.exists() and found.allowed
