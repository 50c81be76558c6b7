"""What trying an engine came to, and where that is kept: one file beside the data.

A file that cannot be read is no verdict, one that cannot be written costs the next one a try.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import msgspec

from wiz_kernel_ext.engine.way import Way

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


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of a build on a processor, in order; the last one is right, or none is."""

    build: str
    processor: str
    sockets_first: bool
    trials: list[Trial]

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


class _Kept(msgspec.Struct):
    """The file: digests of builds by their stamps, and verdicts by what they are about."""

    digests: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}


class VerdictFile:
    """The verdicts kept in `file`, of every build and processor that shares this home."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def digest(self, stamp: str) -> str | None:
        """The digest of the build with that stamp, if it was worked out before."""
        return self._read().digests.get(stamp)

    def known(self, build: str, processor: str, *, sockets_first: bool) -> Verdict | None:
        """The verdict there is."""
        return self._read().verdicts.get(_key(build, processor, sockets_first))

    def keep(self, stamp: str, verdict: Verdict) -> None:
        """Keep a verdict and the digest of its build; the oldest ones go."""
        kept = self._read()
        key = _key(verdict.build, verdict.processor, verdict.sockets_first)
        for table, name, value in (
            (kept.digests, stamp, verdict.build),
            (kept.verdicts, key, verdict),
        ):
            table.pop(name, None)
            table[name] = value  # type: ignore[assignment]
            for old in list(table)[:-N_KEPT]:
                del table[old]
        self._write(msgspec.json.encode(kept))

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _Kept()

    def _write(self, data: bytes) -> None:
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.chmod(0o600)
            temporary.replace(self._file)
        except OSError as error:
            log.warning("The verdict on the engine cannot be kept: %s", error)
            temporary.unlink(missing_ok=True)


def _key(build: str, processor: str, sockets_first: bool) -> str:
    return f"{build}-{processor}{'-sockets-first' if sockets_first else ''}"
