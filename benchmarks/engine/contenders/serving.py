"""A contender's side of the line: one JSON object in, one out, until standard input ends.

The first says what to load (`{"load": {…}}`, the fields of `Setup`), each one after it what to
answer (`{"work": {"texts": […], "n": …, "limit_s": …}}`). An error is answered too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol


class Answering(Protocol):
    """A loaded model that answers an order's `work`, given as keywords.

    Of the engine's bench: `texts`, answered with `n` tokens each, for `limit_s` at most; told are
    `first_s`, `seconds` and `n_tokens` of all.
    """

    @property
    def answer(self) -> Callable[..., dict[str, Any]]:
        """What there is to tell of the work that was done."""
        ...


def serve(load: Callable[[dict[str, Any]], Answering]) -> None:
    """Do what comes, until nothing does."""
    # What a library prints is not to be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender: Answering | None = None
    for line in sys.stdin:
        order = json.loads(line)
        started = time.perf_counter()
        answer: dict[str, Any]
        try:
            if contender is None:
                contender = load(order["load"])
                answer = {"seconds": time.perf_counter() - started}
            else:
                answer = contender.answer(**order["work"])
        except Exception as error:  # the bench tells it and goes on without
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
