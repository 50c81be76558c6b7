"""An answer on its way to the page: numbered pieces of text, progress, and how it ended. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.service_tables import speed
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.views.answer import stage, took
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress, StateChanged

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation


class AnswerStream:
    """The answer of operation `id` to `prompt`; a page that has pieces 0 to n-1 waits for n."""

    def __init__(self, id: str, prompt: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = id
        self.prompt = prompt
        self.text = ""
        self._clock = clock
        self._n_pieces = 0
        self._n_tokens = 0
        self._first_s: float | None = None
        self._progress: Progress | None = None
        self._notices: list[str] = []
        self._state = "queued"

    def take(self, events: Sequence[AnyEvent]) -> Iterator[dict[str, Any]]:
        """What to tell the page of `events`: at most one piece."""
        text = ""
        for event in events:
            if isinstance(event, Delta):
                text += event.text
                self._n_tokens += event.n_tokens
            elif isinstance(event, Progress):
                self._progress = event
            elif isinstance(event, Notice):
                self._notices.append(event.words)
            elif isinstance(event, StateChanged):
                self._state = event.state
        if text and self._first_s is None:
            self._first_s = self._clock()
        self.text += text
        number = self._n_pieces
        self._n_pieces += 1
        yield {"kind": "piece", "id": self.id, "n": number, "text": text, **self._about()}

    def snapshot(self, view: str | None = None) -> dict[str, Any]:
        """All there is of it; the next piece has the number `n`."""
        return {
            "kind": "whole",
            "view": view,
            "id": self.id,
            "prompt": self.prompt,
            "text": self.text,
            "n": self._n_pieces,
            **self._about(),
        }

    def end(self, operation: Operation) -> dict[str, Any]:
        """What to tell of the end; call it once the operation has ended."""
        try:
            answer = operation.result()
        except WizError as error:
            return self.fail(error)
        return {"kind": "ended", "id": self.id, "small": self._with_notices(took(answer))}

    def fail(self, error: WizError) -> dict[str, Any]:
        """What to tell of an end without an answer; the question can be asked again."""
        cancelled = error.code == "operation_cancelled"
        return {
            "kind": "ended",
            "id": self.id,
            "small": self._with_notices("interrupted" if cancelled else "not answered"),
            "prompt": self.prompt,
            "problem": None if cancelled else described(error),
        }

    def _about(self) -> dict[str, Any]:
        """What stands under it: a line and, before the first word, how far the reading is."""
        step, fraction = self._progress, None
        if step is not None and step.total and self._first_s is None:
            fraction = step.done / step.total
        return {"small": self._small(), "fraction": fraction}

    def _small(self) -> str:
        if self._first_s is not None:
            return self._with_notices(speed(self._n_tokens, self._clock() - self._first_s))
        if self._progress is not None:
            return self._with_notices(stage(self._progress))
        return self._with_notices("waiting for its turn" if self._state == "queued" else "…")

    def _with_notices(self, text: str) -> str:
        return " · ".join(part for part in (text, *self._notices) if part)
