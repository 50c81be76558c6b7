"""An answer as a panel shows it while it is written: its text, a line under it, its end. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.notices import one_each
from wiz_kernel_ext.commands.service_tables import live_speed
from wiz_kernel_ext.commands.throughput import Throughput
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.views.answer import stage, took
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.events import (
    AnyEvent,
    Delta,
    Notice,
    Progress,
    StateChanged,
    Thinking,
)

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation


class AnswerStream:
    """The answer of operation `id` to `prompt`; `text` is what there is of it.

    `thinking` is what its model thought before.

    Once it has ended, `failed` is None or says why there is no answer; then the question can be
    asked again.
    """

    def __init__(self, id: str, prompt: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = id
        self.prompt = prompt
        self.text = ""
        self.thinking = ""
        self.small = ""
        self.failed: dict[str, Any] | None = None
        self.is_running = True
        self._throughput = Throughput(clock)
        self._n_tokens = 0
        self._progress: Progress | None = None
        self._notices: list[str] = []
        self._state = "queued"
        self._tell(self._doing())

    def take(self, events: Sequence[AnyEvent]) -> None:
        """What has happened since."""
        for event in events:
            if isinstance(event, Delta):
                self.text += event.text
                self._n_tokens += event.n_tokens
            elif isinstance(event, Thinking):
                self.thinking += event.text
                self._n_tokens += event.n_tokens
            elif isinstance(event, Progress):
                self._progress = event
            elif isinstance(event, Notice):
                self._notices.append(event.words)
            elif isinstance(event, StateChanged):
                self._state = event.state
        if self._n_tokens:
            self._throughput.take(Progress(stage="answer", done=self._n_tokens))
        self._tell(self._doing())

    def end(self, operation: Operation) -> None:
        """Take its end; call it once the operation has ended."""
        try:
            answer = operation.result()
        except WizError as error:
            self.fail(error)
            return
        self.is_running = False
        self._tell(took(answer))

    def fail(self, error: WizError) -> None:
        """There is no answer."""
        cancelled = error.code == "operation_cancelled"
        self.is_running = False
        self._tell("interrupted" if cancelled else "not answered")
        self.failed = {
            "id": self.id,
            "prompt": self.prompt,
            "small": self.small,
            "problem": None if cancelled else described(error),
        }

    def shown(self) -> dict[str, Any]:
        """All but the text: the question, the line under the answer, how far the reading is."""
        step, fraction = self._progress, None
        if self.is_running and step is not None and step.total and not self._n_tokens:
            fraction = step.done / step.total
        return {
            "id": self.id,
            "prompt": self.prompt,
            "running": self.is_running,
            "small": self.small,
            "fraction": fraction,
        }

    def _doing(self) -> str:
        if self._n_tokens:
            return live_speed(self._n_tokens, self._throughput.per_s)
        if self._progress is not None:
            return stage(self._progress)
        return "waiting for its turn" if self._state == "queued" else "…"

    def _tell(self, text: str) -> None:
        self.small = " · ".join(part for part in (text, *one_each(self._notices)) if part)
