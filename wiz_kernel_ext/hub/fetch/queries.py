"""Looks at the hub without fetching models: search, listings, headers, checksums, collections."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, parse_datetime

from wiz_kernel_ext.errors import (
    AmbiguousModel,
    BadRequest,
    GgufInvalid,
    HubAccessDenied,
    HubNotFound,
)
from wiz_kernel_ext.gguf_file.header import read_header
from wiz_kernel_ext.gguf_file.skeleton import write_skeleton
from wiz_kernel_ext.gguf_file.source import RangeSource
from wiz_kernel_ext.hub.fetch import api
from wiz_kernel_ext.hub.fetch.bounds import MAX_ANSWER_BYTES, MAX_BYTES, misbehaved
from wiz_kernel_ext.hub.fetch.failures import ENDPOINT, Subject
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
    found = asked(partial(api.found_by, params), Subject(), say)
    hits = [hit for hit in map(_hit, found[: task.limit]) if hit is not None]
    if found and not hits:
        raise misbehaved("this search with nothing that could be a repository")
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
        asked(api.anybody, Subject(), say)
        return {"endpoint": ENDPOINT}
    return {"endpoint": ENDPOINT, "user": asked(api.user_name, Subject(), say)}


def list_repo(task: ListRepo, say: Say) -> RepoContents:
    """The files of a repository, with sizes and checksums, at the commit its revision is at."""
    subject = Subject(task.repo, revision=task.revision)
    info = asked(partial(api.repository, task.repo, task.revision), subject, say)
    contents = RepoContents(
        commit=api.text(info.get("sha")),
        files=[
            RepoFile(
                path=api.text(file["rfilename"]),
                size_bytes=api.number(file.get("size")),
                sha256=api.text(api.table(file.get("lfs")).get("sha256")),
            )
            for file in api.files_of(info)
        ],
        gated=bool(info.get("gated")),
        private=bool(info.get("private")),
        licence=_licence(info.get("tags")),
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
        request = partial(_range, url, offset, size_bytes)
        return asked(request, subject, say, n_bytes=offset + size_bytes)

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

    def checksums(repo: str) -> tuple[str, dict[str, str]]:
        request = partial(api.checksums_of, repo, task.files[repo])
        found = asked(request, Subject(repo), say)
        return repo, {path: found.get(path, "") for path in task.files[repo]}

    answers: dict[str, dict[str, str]] = {}
    with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
        for job in [pool.submit(checksums, repo) for repo in task.files]:
            with contextlib.suppress(HubAccessDenied, HubNotFound):
                repo, found = job.result()
                answers[repo] = found
    return answers


def read_collection(task: ReadCollection, say: Say) -> list[str]:
    """The models of a collection on the hub."""
    return asked(partial(api.models_in, task.slug), Subject(task.slug), say)


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
    timeout = question_timeouts_s()
    # A server that ignores ranges sends it all.
    bound = {MAX_BYTES: offset + size_bytes + MAX_ANSWER_BYTES}
    with session().stream("GET", url, headers=headers, timeout=timeout, extensions=bound) as answer:
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


def _hit(model: dict[str, Any]) -> RepoHit | None:
    """A repository that was found; None where that could be none."""
    try:
        repo = make_name(api.text(model.get("id"))).repo
    except BadRequest:
        return None
    facts, modified = api.table(model.get("gguf")), api.text(model.get("lastModified"))
    return RepoHit(
        repo=repo,
        downloads=api.number(model.get("downloads")),
        likes=api.number(model.get("likes")),
        n_params=api.number(facts.get("total")),
        n_ctx_train=api.number(facts.get("context_length")),
        architecture=api.text(facts.get("architecture")),
        licence=_licence(model.get("tags")),
        gated=bool(model.get("gated")),
        updated_at=_time(modified),
        page=f"{ENDPOINT}/{repo}",
    )


def _time(text: str) -> float:
    try:
        return parse_datetime(text).timestamp() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _licence(tags: Any) -> str:
    for tag in map(api.text, tags if isinstance(tags, list) else []):
        if tag.startswith("license:"):
            return tag.removeprefix("license:")
    return ""
