"""What is said to the child and by it: one order in, any number of lines out, as lines of JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from wiz_kernel_ext.errors import ErrorInfo
from wiz_kernel_ext.protocol.hub import RepoFile, RepoHit

SearchSort = Literal["downloads", "likes", "trending_score", "last_modified", "created_at"]


class Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """Base of every order."""


class Download(Order, frozen=True, kw_only=True, tag="download"):
    """Fetch files of one commit into the cache; the result is the path of the first.

    It is given up after `patience_s` without a new byte; `limit_bytes_per_s` bounds the speed.
    """

    repo: str
    files: list[str]
    revision: str | None = None
    limit_bytes_per_s: float | None = None
    patience_s: float = 300.0


class Search(Order, frozen=True, kw_only=True, tag="search"):
    """Find repositories with GGUF files; the result is a list of `Found`."""

    text: str
    limit: int = 20
    sort: SearchSort = "downloads"
    with_files: bool = False


class ListRepo(Order, frozen=True, kw_only=True, tag="list"):
    """The files of a repository at one commit; the result is a `RepoContents`.

    With `skeleton`, the header of one model is written there: the one of `file` or `quant`, else
    the one its name alone means, else the smallest.
    """

    repo: str
    revision: str | None = None
    quant: str | None = None
    file: str | None = None
    skeleton: str | None = None


class AskUpstream(Order, frozen=True, kw_only=True, tag="upstream"):
    """The checksums that files of repositories have on the hub's main branch now.

    The result maps repository to path to checksum: "" for a file that is gone; a repository that
    could not be asked is missing.
    """

    files: dict[str, list[str]]


class ReadCollection(Order, frozen=True, kw_only=True, tag="collection"):
    """The model repositories of a collection on the hub; the result is their names."""

    slug: str


class DeleteFiles(Order, frozen=True, kw_only=True, tag="delete"):
    """Delete files of a repository from the cache; the result is the bytes freed.

    `paths` are paths of snapshots. Nothing is deleted while `only_ask` is set.
    """

    repo: str
    paths: list[str]
    only_ask: bool = True


AnyOrder = Download | Search | ListRepo | AskUpstream | ReadCollection | DeleteFiles


class Ticked(msgspec.Struct, frozen=True, tag="ticked"):
    """How many bytes are here, of how many."""

    done: int
    total: int | None = None


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Something the asker's user should know."""

    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The end: the order's result."""

    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The end: why there is no result."""

    error: ErrorInfo


Line = Ticked | Noted | Done | Failed


class RepoContents(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All files of a repository at one commit."""

    commit: str
    files: list[RepoFile]
    gated: bool = False
    private: bool = False
    licence: str = ""


class Found(msgspec.Struct, frozen=True):
    """A repository that a search found, with its files where they were asked for."""

    hit: RepoHit
    contents: RepoContents | None = None
