"""The names of models on a hub: every form people write, read into one.

    user/repo            user/repo:QUANT       user/repo/path/file.gguf     (each with @revision
    hf:…  hf://…  hf.co/…  huggingface.co/…    https://…/user/repo/resolve/…        after the repo)

Knows no files and no network. A text that looks like a local path is none of these, and a name
that could write outside a directory is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.surroundings import public

_FORMS = "Forms: user/repo, user/repo:Q4_K_M, user/repo/file.gguf, each with @revision after repo."
_NAME = re.compile(
    r"([^/@:#]+/[^/@:#]+)(?::([^/@:#]+))?(?:@(refs/[^/@:#]+/[^/@:#]+|[^/@:#]+))?"
    r"(?:/(.+?)|:([^/@:#]+))?(?:#((?!.*\.gguf$)[^#]+))?"
)
_HOSTS = frozenset({"hf.co", "huggingface.co", "www.huggingface.co"})
_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+-]{0,198}[A-Za-z0-9_+-])?")
_PLAIN_REF = re.compile(r"refs/[^/]+/[^/]+")
_QUANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_LONGEST_PATH = 1024
_LONGEST_PART_BYTES = 255


@dataclass(frozen=True)
class ModelName:
    """A model on a hub: a repository, and of its models one by `quant` or by `file`, or neither.

    `revision` is a branch, tag or commit; None is the main branch.
    """

    repo: str
    revision: str | None = None
    quant: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        """The canonical form, which parses to this name again."""
        revision = self.revision or ""
        if not _PLAIN_REF.fullmatch(revision):
            revision = quote(revision, safe="")
        at = f"@{revision}" if revision else ""
        of = f"/{self.file}" if self.file else f":{self.quant}" if self.quant else ""
        return f"{self.repo}{at}{of}"


def parse_name(text: str, *, hosts: Collection[str] = ()) -> ModelName:
    """The name that `text` is; `hosts` are more hosts whose web addresses count (mirrors).

    Raises BadRequest, saying what is wrong with it.
    """
    text = text.strip()
    if len(text) > _LONGEST_PATH or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise _bad(text, "it is too long or has control characters")
    if "://" in text and not text.startswith("hf://"):
        return _from_address(text, _HOSTS | {host.lower() for host in hosts if host})
    path = text
    for prefix in ("hf://models/", "hf://", "hf:", *(f"{host}/" for host in _HOSTS)):
        if path.lower().startswith(prefix):
            path = path[len(prefix) :]
            break
    return _from_path(path, text)


def make_name(
    repo: str, file: str | None = None, revision: str | None = None, quant: str | None = None
) -> ModelName:
    """The name with these parts, each checked; raises BadRequest naming the one that cannot be."""
    parts = repo.split("/")
    if len(parts) != 2 or not all(_REPO_PART.fullmatch(part) for part in parts):
        raise _bad(repo, "a repository is called user/repo", "repo")
    if "--" in repo or ".." in repo or repo.endswith(".git"):
        raise _bad(repo, "no repository can be called that", "repo")
    if revision is not None and (not _REVISION.fullmatch(revision) or _climbs(revision)):
        raise _bad(revision, "it is no branch, tag or commit", "revision")
    if quant is not None and not _QUANT.fullmatch(quant):
        raise _bad(quant, "it is no quantization", "quant")
    if file is not None:
        check_file_path(file)
    return ModelName(repo, None if revision == "main" else revision, quant, file)


def check_file_path(path: str) -> None:
    """Raise BadRequest unless `path` is relative, plain, and stays below where it is put.

    Windows' rules are held everywhere: a cache may lie on a shared disk.
    """
    what = ""
    if not path or len(path) > _LONGEST_PATH or "\\" in path or ":" in path:
        what = "it is empty, too long, or has a backslash or colon"
    elif any(ord(char) < 32 or ord(char) == 127 for char in path):
        what = "it has control characters"
    elif path.startswith(("/", "~")) or _climbs(path):
        what = "it leads out of the repository"
    elif any(
        _DEVICES.fullmatch(part)
        or part.endswith((".", " "))
        or len(part.encode("utf-8", "surrogatepass")) > _LONGEST_PART_BYTES
        for part in path.split("/")
    ):
        what = "a part of it cannot be a file's name everywhere"
    if what:
        raise _bad(path, what, "file")


def is_path(text: str) -> bool:
    """Whether `text` can only mean a local file, there or not."""
    return (
        text.startswith((".", "/", "~", "\\"))
        or bool(_DRIVE.match(text))
        or (text.lower().endswith(".gguf") and text.count("/") < 2 and ":" not in text)
    )


def at_commit(name: ModelName, commit: str) -> ModelName:
    """The same model, pinned."""
    return replace(name, revision=commit)


def _from_path(path: str, text: str) -> ModelName:
    match = _NAME.fullmatch(path.strip("/"))
    if match is None:
        raise _bad(text, "a model on the hub is called user/repo")
    repo, early, revision, file, tag, branch = match.groups()
    if (early and (tag or file)) or (revision and branch):
        raise _bad(text, "it says twice which one")
    quant = early or tag
    if quant and quant.lower().endswith(".gguf"):
        file, quant = quant, None
    return make_name(repo, file, unquote(revision or branch or "") or None, quant)


def _from_address(text: str, hosts: Collection[str]) -> ModelName:
    try:
        address = urlsplit(text)
        host = (address.netloc.rpartition("@")[2]).lower()
    except ValueError:
        raise _bad(text, "it is no web address") from None
    if address.scheme not in ("http", "https") or host not in hosts:
        raise _bad(
            text, f"only addresses of {', '.join(sorted(hosts))} are read; others can be fetched"
            " with a browser and loaded from the disk"
        )  # fmt: skip
    parts = [part for part in address.path.split("/") if part]
    if parts[:1] == ["api"] and parts[1:2] == ["models"]:
        parts = parts[2:]
    if len(parts) < 2:
        raise _bad(text, "it names no repository")
    repo, rest = "/".join(parts[:2]), parts[2:]
    if not rest:
        return make_name(repo)
    view, rest = rest[0], [unquote(part) for part in rest[1:]]
    if view not in ("resolve", "blob", "raw", "tree"):
        if view in ("discussions", "commits", "settings", "revision"):
            return make_name(repo)
        raise _bad(text, "it is no address of a file or repository")
    if rest[:1] == ["refs"] and len(rest) >= 3:
        rest = ["/".join(rest[:3]), *rest[3:]]
    file = "/".join(rest[1:]) or None
    if view == "tree" and file is not None and not file.lower().endswith(".gguf"):
        file = None
    return make_name(repo, file, rest[0] if rest else None)


def _climbs(path: str) -> bool:
    return any(part in ("", ".", "..") for part in path.split("/"))


def _bad(text: str, why: str, field: str = "model") -> BadRequest:
    return BadRequest(
        f"{public(text[:200])!r} is no name of a model: {why}.", hint=_FORMS, field=field
    )
