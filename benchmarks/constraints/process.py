"""The bench's side of the line: asks with a schema, and an end to what does not come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.engine.contenders import Kind
from benchmarks.engine.contenders.process import (
    Contender,
    ContenderFailed,
    OursContender,
    Setup,
)
from tests.corpora.schemas.case import Schema
from tests.corpora.schemas.verdicts import Outcome

FAILED = Outcome(ending="crashed")
HUNG = Outcome(ending="hung")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A text to go on from, in `n` tokens at most, and what the answer is to be."""

    text: str
    schema: Schema | None = None
    n: int = 200
    temperature: float = 0.0
    seed: int = 13


@dataclass(frozen=True)
class Got:
    """What came of asks that were sent together; seconds are until the last was there."""

    outcomes: list[Outcome]
    first_s: float
    seconds: float

    @property
    def n_tokens(self) -> int:
        """Of all of them."""
        return sum(outcome.n_tokens for outcome in self.outcomes)


class Asked:
    """A contender that is started again where it died, and ended where it hangs."""

    def __init__(self, kind: Kind, setup: Setup) -> None:
        self.name = kind.name
        self._contender = (OursContender if kind.role == "ours" else Contender)(kind, setup)

    def start(self) -> float:
        """Seconds until the model is loaded; raises ContenderFailed."""
        return self._contender.start()

    def close(self) -> None:
        """End all of it."""
        self._contender.close()

    def ask(self, asks: Sequence[Ask], limit_s: float) -> Got:
        """What came within `limit_s`; after that, and after a crash, it is started again."""
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            for process in self._contender.processes():
                with suppress(Exception):  # it is gone already
                    process.kill()

        timer = threading.Timer(limit_s, end)
        started = time.perf_counter()
        timer.start()
        try:
            found = self._contender._ordered({"work": {"asks": [asdict(ask) for ask in asks]}})
        except ContenderFailed:
            # Its last words are of no use: what counts is that it came to this.
            timer.cancel()
            timer.join()
            self._contender.start()
            ending = HUNG if is_late.is_set() else FAILED
            return Got([ending] * len(asks), 0.0, time.perf_counter() - started)
        finally:
            timer.cancel()
        outcomes = [_outcome(answer, found["seconds"]) for answer in found["answers"]]
        return Got(outcomes, found["answers"][0].get("first_s", 0.0), found["seconds"])


def _outcome(answer: dict[str, Any], seconds: float) -> Outcome:
    if "refusal" in answer:
        return Outcome(refusal=answer["refusal"], seconds=seconds)
    return Outcome(
        text=answer["text"],
        is_incomplete=not answer["is_whole"],
        n_tokens=answer["n_tokens"],
        seconds=seconds,
    )
