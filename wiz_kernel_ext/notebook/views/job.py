"""How work on a model file looks: a bar with speed and time left, one line when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from wiz_kernel_ext.commands.model_tables import verification_line
from wiz_kernel_ext.commands.throughput import Throughput, told
from wiz_kernel_ext.notebook.screen import Drawing, Screen
from wiz_kernel_ext.notebook.views.answer import go_on
from wiz_kernel_ext.notebook.views.pace import Pace
from wiz_kernel_ext.protocol.events import AnyEvent, Notice, Progress
from wiz_kernel_ext.protocol.hub import Verification

STAGES = {
    "download": "downloading",
    "verify": "verifying",
    "convert": "converting",
    "quantize": "quantizing",
}


class WorkView:
    """The one output of a download, conversion, quantizing or verification of `title`."""

    def __init__(
        self, screen: Screen, title: str, operation_id: str, clock: Callable[[], float]
    ) -> None:
        self._screen = screen
        self._title = title
        self._operation_id = operation_id
        self._pace = Pace(clock)
        self._throughput = Throughput(clock)
        self._notices: list[str] = []

    def begin(self) -> None:
        """Draw that it has begun."""
        self._slot = self._screen.show(self._drawing("…", None))

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Draw how far it is; a terminal is not told each step."""
        progress = None
        for event in events:
            if isinstance(event, Progress):
                progress = event
            elif isinstance(event, Notice):
                self._notices.append(event.words)
        if progress is None:
            return
        self._throughput.take(progress)
        if self._screen.rich and self._pace.due(0):
            stage = STAGES.get(progress.stage, progress.stage)
            state = f"{stage} {told(progress, self._throughput.per_s)}"
            share = progress.done / progress.total if progress.total else None
            self._slot.update(self._drawing(state, share))

    def end(self, outcome: Any) -> None:
        """Draw what came of it: a path, or what verifying found."""
        if isinstance(outcome, Verification):
            self._lines(verification_line(outcome) if not outcome.bad else "damaged")
        else:
            self._lines(f"{self._title}: {outcome}")

    def say(self, what: str) -> None:
        """Draw how else it ended, in a word; an error itself is the cell's."""
        self._lines(f"{self._title}: {what}")

    def _lines(self, line: str) -> None:
        lines = [line, *self._notices]
        self._slot.update(
            Drawing(plain="\n".join(lines), html="<br>".join(escape(line) for line in lines))
        )

    def _drawing(self, state: str, share: float | None) -> Drawing:
        value = "" if share is None else f' value="{share:.3f}"'
        about = " · ".join([state, *self._notices, go_on(self._operation_id)])
        return Drawing(
            plain=f"{self._title}: {about}",
            html=f"{escape(self._title)} <progress{value}></progress> "
            f'<small style="opacity:.7">{escape(about)}</small>',
        )
