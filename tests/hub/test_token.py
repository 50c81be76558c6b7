"""A hub token given by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.hub_user import TOKEN, HubUser, children
from tests.support.stand_in_hub import StandInHub
from wiz_kernel_ext import surroundings
from wiz_kernel_ext.children import child
from wiz_kernel_ext.errors import BadRequest, HubAccessDenied, OperationCancelled
from wiz_kernel_ext.hub.token import keep_token, token_file


def test_the_file_is_where_hugging_faces_tools_look() -> None:
    assert token_file({"HF_TOKEN_PATH": "/t", "HF_HOME": "/h"}) == Path("/t")
    assert token_file({"HF_HOME": "/h"}) == Path("/h/token")
    assert token_file({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/token")
    assert token_file({}) == Path("~/.cache/huggingface/token").expanduser()


def test_a_token_is_kept_for_its_owner_only_in_place_of_an_older_one(tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path / "hf")}
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("old")
    file = keep_token("  hf_new \n", environment)
    assert file.read_text() == "hf_new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["token"]


@pytest.mark.parametrize("token", ["", "  ", "two words", "naïve", "a\x00b"])
def test_what_is_no_token_is_not_kept(token: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        keep_token(token, {"HF_HOME": str(tmp_path)})
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HubAccessDenied, match="cannot be kept"):
        keep_token("hf_x", {"HF_HOME": str(tmp_path / "file" / "below")})


def environ_of(pid: int) -> str:
    """What a process was started with."""
    return Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize("protected", [True, False])
async def test_the_child_is_told_the_token_not_started_with_it(
    user: HubUser, hub: StandInHub, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    user.environment["HF_TOKEN"] = TOKEN
    hub.bytes_per_s = 1e5
    if not protected:
        monkeypatch.setattr(surroundings, "apart", lambda environ: (dict(environ), {}))
        monkeypatch.setattr(child, "without_secrets", dict)
    fetching = asyncio.ensure_future(user.fetch())
    await user.until_begun()
    started_with = [environ_of(one.pid) for one in children()]
    user.cancelled.set()
    with pytest.raises(OperationCancelled):
        await fetching
    assert started_with
    assert (TOKEN in "".join(started_with)) is not protected
    assert hub.asked[-1].authorization in (f"Bearer {TOKEN}", None)
    assert any(asked.authorization == f"Bearer {TOKEN}" for asked in hub.asked)


async def test_a_password_in_the_hubs_address_is_in_no_error(user: HubUser) -> None:
    user.environment["HF_ENDPOINT"] = "http://me:secret@127.0.0.1:9"
    error = await user.failure()
    assert "127.0.0.1:9" in error.message
    assert "secret" not in f"{error.info()}"
