"""What trying an engine came to, and where that is kept: one file beside the data.

A file that cannot be read is no verdict, one that cannot be written costs the next one a try.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.json_file import JsonFile

T = TypeVar("T")

log = logging.getLogger(__name__)

N_KEPT = 32

Outcome = Literal["right", "wrong", "died", "hung", "refused"]


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way tried: how it ended, at which stage, and the last lines it said.

    `signal` is the name of what killed it, `words` what it answered or complained of.
    """

    way: Way
    outcome: Outcome
    stage: str = ""
    signal: str = ""
    words: str = ""
    log: list[str] = []

    @property
    def is_lasting(self) -> bool:
        """Whether it would end like this again: not where memory, or a file, was missing."""
        return self.outcome != "refused" and self.signal not in ("SIGKILL", "SIGTERM")


def verdict_key(build: str, processor: str, *, sockets_first: bool) -> str:
    """What a verdict is about, from the digests of build and processor."""
    return f"{build}-{processor}{'-sockets-first' if sockets_first else ''}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of a build on a processor, in order; the last one is right, or none is."""

    build: str
    processor: str
    sockets_first: bool
    trials: list[Trial]

    @property
    def key(self) -> str:
        """What it is about."""
        return verdict_key(self.build, self.processor, sockets_first=self.sockets_first)

    @property
    def way(self) -> Way | None:
        """How the engine is to be used; None if it cannot be."""
        last = self.trials[-1]
        return last.way if last.outcome == "right" else None

    @property
    def is_plain(self) -> bool:
        """Whether the engine is right as it is."""
        return self.trials[0].outcome == "right"

    @property
    def is_lasting(self) -> bool:
        """Whether it is worth keeping."""
        return all(trial.is_lasting for trial in self.trials)


class Kept(msgspec.Struct):
    """The file: digests of builds by their stamps, and verdicts by what they are about."""

    digests: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}


class VerdictFile:
    """The verdicts kept in `file`, of every build and processor that shares this home."""

    def __init__(self, file: Path) -> None:
        self._file = JsonFile(file, Kept)

    def read(self) -> Kept:
        """All there is; nothing where it cannot be read."""
        try:
            return self._file.read()
        except StoreError as error:
            log.warning("The verdict on the engine cannot be read: %s", error)
            return Kept()

    def keep(self, stamp: str, verdict: Verdict) -> None:
        """Keep a verdict and the digest of its build; the oldest ones go."""
        try:
            with self._file.changing() as kept:
                _put(kept.digests, stamp, verdict.build)
                _put(kept.verdicts, verdict.key, verdict)
        except StoreError as error:
            log.warning("The verdict on the engine cannot be kept: %s", error)


def _put(table: dict[str, T], name: str, value: T) -> None:
    """Put it last, and let go of the first of too many."""
    table.pop(name, None)
    table[name] = value
    for old in list(table)[:-N_KEPT]:
        del table[old]
