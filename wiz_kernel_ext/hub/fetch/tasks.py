"""What the child that talks to the hub is told to do, one task a child, and what it finds."""

from __future__ import annotations

from typing import Literal

import msgspec

from wiz_kernel_ext.protocol.hub import RepoFile, RepoHit

SearchSort = Literal["downloads", "likes", "trendingScore", "lastModified", "createdAt"]


CONFIG = "config.json"


class Task(msgspec.Struct, frozen=True, kw_only=True, tag_field="task"):
    """Base of every task."""

    @property
    def title(self) -> str:
        """What is done, in words that "was cancelled" may follow."""
        return "Asking the hub"


class Download(Task, frozen=True, kw_only=True, tag="download"):
    """Fetch files of one commit into the cache; the result is the path of the first.

    It is given up after `patience_s` without a new byte; `limit_bytes_per_s` bounds the speed.
    """

    repo: str
    files: list[str]
    revision: str | None = None
    limit_bytes_per_s: float | None = None
    patience_s: float = 300.0

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"The download of {self.files[0]} of {self.repo}"


class Search(Task, frozen=True, kw_only=True, tag="search"):
    """Find repositories with GGUF files; the result is a list of `Found`."""

    text: str
    limit: int = 20
    sort: SearchSort = "downloads"
    with_files: bool = False

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"The search for {self.text!r}"


class ListRepo(Task, frozen=True, kw_only=True, tag="list"):
    """The files of a repository at one commit; the result is a `RepoContents`.

    With `skeleton`, the header of one model is written there: the one of `file` or `quant`, else
    the one its name alone means, else the smallest. Where there is none, but a checkpoint, its
    configuration is written beside it.
    """

    repo: str
    revision: str | None = None
    quant: str | None = None
    file: str | None = None
    skeleton: str | None = None

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"Looking at {self.repo}"


class AskUpstream(Task, frozen=True, kw_only=True, tag="upstream"):
    """The checksums that files of repositories have on the hub's main branch now.

    The result maps repository to path to checksum: "" for a file that is gone; a repository that
    could not be asked is missing.
    """

    files: dict[str, list[str]]


class ReadCollection(Task, frozen=True, kw_only=True, tag="collection"):
    """The model repositories of a collection on the hub; the result is their names."""

    slug: str


class DeleteFiles(Task, frozen=True, kw_only=True, tag="delete"):
    """Delete files of a repository from the cache; the result is the bytes freed.

    `paths` are paths of snapshots. Nothing is deleted while `only_ask` is set.
    """

    repo: str
    paths: list[str]
    only_ask: bool = True

    @property
    def title(self) -> str:
        """See `Task`."""
        return f"Deleting from the cache of {self.repo}"


class DiscardParts(Task, frozen=True, kw_only=True, tag="discard"):
    """Delete what came so far of files that are not whole; the result is the bytes freed."""

    repo: str
    files: list[str]
    revision: str | None = None


class Reach(Task, frozen=True, kw_only=True, tag="reach"):
    """Whether the hub answers, or knows whose the token is; the result: endpoint and user."""

    with_token: bool = False


AnyTask = (
    Download | Search | ListRepo | AskUpstream | ReadCollection | DeleteFiles | DiscardParts | Reach
)


class Order(msgspec.Struct, frozen=True):
    """A task, and what the environment of who asks says; see `surroundings`."""

    task: AnyTask
    environment: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Order({self.task!r}, …)"


class RepoContents(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All files of a repository at one commit."""

    commit: str
    files: list[RepoFile]
    gated: bool = False
    private: bool = False
    licence: str = ""
    from_cache: bool = False


class Found(msgspec.Struct, frozen=True):
    """A repository that a search found, with its files where they were asked for."""

    hit: RepoHit
    contents: RepoContents | None = None
