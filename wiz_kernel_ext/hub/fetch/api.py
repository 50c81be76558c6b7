"""What the hub's API answers, each value being what it should, or left out, or a typed error.

Not by HfApi: that takes half of the child's start to import, and its searches try for 23 seconds
where there is no network.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from huggingface_hub import constants
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from wiz_kernel_ext.hub.fetch.bounds import misbehaved
from wiz_kernel_ext.hub.fetch.http import question_timeouts_s, session

_MAX_FILES = 20_000


def found_by(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The repositories that a search finds."""
    return _tables(_answer("models", params), "a search")


def anybody() -> None:
    """Ask something that needs no token, without one."""
    _answer("models", {"limit": 1}, token=False)


def user_name() -> str:
    """Whose the token is; empty where that is not told."""
    return text(table(_answer("whoami-v2", {})).get("name"))


def repository(repo: str, revision: str | None) -> dict[str, Any]:
    """What is known of a repository at a revision, with its files."""
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    found = _answer(f"models/{repo}{at}", {"blobs": True})
    if not isinstance(found, dict):
        raise misbehaved(f"{repo} with what is no repository")
    return found


def files_of(info: dict[str, Any]) -> list[dict[str, Any]]:
    """The files of a repository, those with a name."""
    files = _tables(info.get("siblings") or [], "the files of a repository")
    return [file for file in files[:_MAX_FILES] if text(file.get("rfilename"))]


def checksums_at(repo: str, commit: str) -> dict[str, str]:
    """The checksums of all files of a commit, by path."""
    return {
        file["rfilename"]: text(table(file.get("lfs")).get("sha256")) or text(file.get("blobId"))
        for file in files_of(repository(repo, commit))
    }


def checksums_of(repo: str, paths: list[str]) -> dict[str, str]:
    """The checksums that some paths of the main branch have now."""
    found = _answer(f"models/{repo}/paths-info/main", {}, {"paths": paths, "expand": False})
    return {
        text(file.get("path")): text(table(file.get("lfs")).get("oid")) or text(file.get("oid"))
        for file in _tables(found, f"the files of {repo}")
    }


def models_in(slug: str) -> list[str]:
    """The names of the models of a collection."""
    items = _tables(table(_answer(f"collections/{slug}", {})).get("items"), "a collection")
    names = [text(item.get("id")) for item in items if item.get("type") == "model"]
    return [name for name in names if name]


def table(value: Any) -> dict[str, Any]:
    """`value` where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """`value` where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """`value` where it is a count that can be, else 0."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 < value < 2**63 else 0


def _tables(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise misbehaved(f"{what} with what is no list")
    return [one for one in value if isinstance(one, dict)]


def _answer(
    path: str,
    params: dict[str, Any],
    body: dict[str, Any] | None = None,
    *,
    token: bool | None = None,
) -> Any:
    answer = session().request(
        "GET" if body is None else "POST",
        f"{constants.ENDPOINT}/api/{path}",
        params=params,
        json=body,
        headers=build_hf_headers(token=token),
        timeout=question_timeouts_s(),
    )
    hf_raise_for_status(answer)
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise misbehaved("with what is no JSON") from None
