"""Looks at the hub without fetching models: search, listings, headers, checksums, collections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import constants, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, parse_datetime

from wiz_kernel_ext.errors import AmbiguousModel, GgufInvalid, HubAccessDenied, HubNotFound
from wiz_kernel_ext.gguf_file.header import read_header
from wiz_kernel_ext.gguf_file.skeleton import write_skeleton
from wiz_kernel_ext.gguf_file.source import RangeSource
from wiz_kernel_ext.hub.fetch.failures import Subject
from wiz_kernel_ext.hub.fetch.http import question_timeouts_s, session
from wiz_kernel_ext.hub.fetch.retrying import Say, asked
from wiz_kernel_ext.hub.fetch.tasks import (
    CONFIG,
    AskUpstream,
    Found,
    ListRepo,
    Reach,
    ReadCollection,
    RepoContents,
    Search,
)
from wiz_kernel_ext.models.names import make_name
from wiz_kernel_ext.models.repo_files import choose, sort_files, suggested
from wiz_kernel_ext.protocol.hub import RepoFile, RepoHit

_LISTED_AT_ONCE = 4
_MAX_HEADER_BYTES = 64 << 20
_MAX_FILES = 20_000
_MAX_CONFIG_BYTES = 1 << 20


def search(task: Search, say: Say) -> list[Found]:
    """Repositories with GGUF files that `task.text` finds, in the order asked for."""
    params = {
        **({"search": task.text} if task.text else {}),
        "filter": "gguf",
        "sort": task.sort,
        "limit": task.limit,
        "expand": ["gguf", "downloads", "likes", "gated", "tags", "lastModified"],
    }
    found = asked(partial(_json, "models", params), Subject(), say)[: task.limit]
    hits = [_hit(model) for model in found]
    if not task.with_files:
        return [Found(hit) for hit in hits]

    def contents(hit: RepoHit) -> Found:
        try:
            return Found(hit, list_repo(ListRepo(repo=hit.repo), say))
        except (HubAccessDenied, HubNotFound):
            # Found, but not shown to this user, or gone since: still a hit.
            return Found(hit)

    with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
        return list(pool.map(contents, hits))


def reach(task: Reach, say: Say) -> dict[str, str]:
    """The endpoint that answers and, with the token, its user's name."""
    if not task.with_token:
        asked(partial(_json, "models", {"limit": 1}, token=False), Subject(), say)
        return {"endpoint": constants.ENDPOINT}
    known = asked(partial(_json, "whoami-v2", {}), Subject(), say)
    name = known.get("name") if isinstance(known, dict) else None
    return {"endpoint": constants.ENDPOINT, "user": name if isinstance(name, str) else ""}


def list_repo(task: ListRepo, say: Say) -> RepoContents:
    """The files of a repository, with sizes and checksums, at the commit its revision is at."""
    path = f"models/{task.repo}"
    if task.revision:
        path += f"/revision/{quote(task.revision, safe='')}"
    subject = Subject(task.repo, revision=task.revision)
    info = asked(partial(_json, path, {"blobs": True}), subject, say)
    contents = RepoContents(
        commit=info.get("sha") or "",
        files=[
            RepoFile(
                path=file["rfilename"],
                size_bytes=file.get("size") or 0,
                sha256=(file.get("lfs") or {}).get("sha256") or "",
            )
            for file in (info.get("siblings") or [])[:_MAX_FILES]
        ],
        gated=bool(info.get("gated")),
        private=bool(info.get("private")),
        licence=_licence(info.get("tags") or []),
    )
    if task.skeleton:
        _write_skeleton(task, contents, Path(task.skeleton), say)
    return contents


def _write_skeleton(task: ListRepo, contents: RepoContents, into: Path, say: Say) -> None:
    found = sort_files(task.repo, task.revision, contents.files)
    if not found.models:
        _write_config(task, contents, into.with_name(CONFIG), say)
        return
    model = suggested(found.models) or found.models[0]
    if task.quant or task.file:
        # Where the name fits none or several, the asker says so, with what there is.
        with contextlib.suppress(HubNotFound, AmbiguousModel):
            name = make_name(task.repo, task.file, task.revision, task.quant)
            model = choose(name, found)
    file = model.files[0]
    subject = Subject(task.repo, file.path, task.revision)
    url = hf_hub_url(task.repo, file.path, revision=contents.commit or task.revision)

    def fetch(offset: int, size_bytes: int) -> bytes:
        return asked(partial(_range, url, offset, size_bytes), subject, say)

    source = _Kept(RangeSource(fetch, file.size_bytes or None))
    try:
        header = read_header(source, max_bytes=_MAX_HEADER_BYTES)
    except GgufInvalid as error:
        raise GgufInvalid(
            f"{subject} {error.message}",
            hint="Choose another file of the repository, or tell its owners.",
            repo=task.repo,
            file=file.path,
        ) from None
    write_skeleton(source, header, into)


def _write_config(task: ListRepo, contents: RepoContents, into: Path, say: Say) -> None:
    """The configuration of what is no GGUF: it tells whether it can be made one."""
    for file in contents.files:
        if file.path == CONFIG and 0 < file.size_bytes <= _MAX_CONFIG_BYTES:
            url = hf_hub_url(task.repo, CONFIG, revision=contents.commit or task.revision)
            subject = Subject(task.repo, CONFIG, task.revision)
            into.write_bytes(asked(partial(_range, url, 0, file.size_bytes), subject, say))


def ask_upstream(task: AskUpstream, say: Say) -> dict[str, dict[str, str]]:
    """The checksums that paths have now; asks nothing that writes into the cache."""
    from huggingface_hub import HfApi

    def checksums(repo: str) -> tuple[str, dict[str, str]]:
        request = partial(HfApi().get_paths_info, repo, task.files[repo])
        found = dict.fromkeys(task.files[repo], "")
        for info in asked(request, Subject(repo), say):
            lfs = getattr(info, "lfs", None)
            found[info.path] = lfs.sha256 if lfs else getattr(info, "blob_id", "")
        return repo, found

    answers: dict[str, dict[str, str]] = {}
    with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
        for job in [pool.submit(checksums, repo) for repo in task.files]:
            with contextlib.suppress(HubAccessDenied, HubNotFound):
                repo, found = job.result()
                answers[repo] = found
    return answers


def read_collection(task: ReadCollection, say: Say) -> list[str]:
    """The models of a collection on the hub."""
    from huggingface_hub import HfApi

    collection = asked(partial(HfApi().get_collection, task.slug), Subject(task.slug), say)
    return [item.item_id for item in collection.items if item.item_type == "model"]


class _Kept:
    """A source that keeps what was read, since the header is walked and then written."""

    def __init__(self, source: RangeSource) -> None:
        self._source = source
        self._data = bytearray()
        self.size_bytes = source.size_bytes

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See `Source`."""
        end = offset + size_bytes
        while len(self._data) < end:
            more = self._source.read(len(self._data), end - len(self._data))
            if not more:
                break
            self._data += more
        return bytes(self._data[offset:end])


def _range(url: str, offset: int, size_bytes: int) -> bytes:
    headers = build_hf_headers() | {
        "Accept-Encoding": "identity",
        "Range": f"bytes={offset}-{offset + size_bytes - 1}",
    }
    with session().stream("GET", url, headers=headers, timeout=question_timeouts_s()) as answer:
        if answer.status_code >= 400:
            hf_raise_for_status(answer)
        # A server that ignores ranges sends it all, from the beginning: read what is wanted.
        skip = offset if answer.status_code == 200 else 0
        data = bytearray()
        for piece in answer.iter_raw():
            data += piece
            if len(data) >= skip + size_bytes:
                break
    return bytes(data[skip : skip + size_bytes])


def _json(path: str, params: dict[str, Any], *, token: bool | None = None) -> Any:
    """What the hub's API answers; with `token` False, whoever asks.

    Not by HfApi: that takes half of the child's start to import, and its searches try for 23
    seconds where there is no network.
    """
    answer = session().get(
        f"{constants.ENDPOINT}/api/{path}",
        params=params,
        headers=build_hf_headers(token=token),
        timeout=question_timeouts_s(),
    )
    hf_raise_for_status(answer)
    return answer.json()


def _hit(model: dict[str, Any]) -> RepoHit:
    facts = model["gguf"] if isinstance(model.get("gguf"), dict) else {}
    modified = model.get("lastModified")
    return RepoHit(
        repo=model["id"],
        downloads=_number(model.get("downloads")),
        likes=_number(model.get("likes")),
        n_params=_number(facts.get("total")),
        n_ctx_train=_number(facts.get("context_length")),
        architecture=str(facts.get("architecture") or ""),
        licence=_licence(model.get("tags") or []),
        gated=bool(model.get("gated")),
        updated_at=parse_datetime(modified).timestamp() if modified else 0.0,
        page=f"{constants.ENDPOINT}/{model['id']}",
    )


def _licence(tags: Iterable[str]) -> str:
    for tag in tags:
        if tag.startswith("license:"):
            return tag.removeprefix("license:")
    return ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
