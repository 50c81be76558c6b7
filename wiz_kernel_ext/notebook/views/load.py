"""How loading a model looks: a bar while it lasts, two lines when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from wiz_kernel_ext.commands.notices import one_each
from wiz_kernel_ext.commands.service_tables import described
from wiz_kernel_ext.commands.throughput import Throughput, told
from wiz_kernel_ext.notebook.screen import Drawing, Screen
from wiz_kernel_ext.notebook.views.pace import Pace
from wiz_kernel_ext.protocol.events import AnyEvent, Notice, Progress
from wiz_kernel_ext.protocol.results import Loaded, SessionInfo

STAGES = {
    "find": "asking the hub",
    "context": "making room for its conversations",
    "engine": "the engine failed: other ways to use it are tried",
}


class LoadView:
    """The one output of `%wiz_load`."""

    def __init__(self, screen: Screen, model: str, clock: Callable[[], float]) -> None:
        self._screen = screen
        self._model = model
        self._pace = Pace(clock)
        self._throughput = Throughput(clock)
        self._notices: list[str] = []

    def begin(self) -> None:
        """Draw an empty bar."""
        self._slot = self._screen.show(self._state(Progress(stage="load", done=0.0, total=1.0)))

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Draw how far it is; a terminal is not told each step."""
        self._notices += [event.words for event in events if isinstance(event, Notice)]
        for event in events:
            if isinstance(event, Progress) and event.stage == "download":
                self._throughput.take(event)
        steps = [event for event in events if isinstance(event, Progress)]
        if steps and self._screen.rich and self._pace.due(0):
            self._slot.update(self._state(steps[-1]))

    def end(self, loaded: Loaded, session: str) -> None:
        """Draw what is loaded, in two lines, and what should be known of it."""
        self._lines(described(loaded), session)

    def say(self, what: str) -> None:
        """Draw how else it ended, in a word; an error itself is the cell's."""
        self._lines(f"{self._model}: {what}")

    def _lines(self, *lines: str) -> None:
        lines += tuple(one_each(self._notices))
        self._slot.update(
            Drawing(plain="\n".join(lines), html="<br>".join(escape(line) for line in lines))
        )

    def _state(self, step: Progress) -> Drawing:
        if step.text:
            text = f"{self._model}: {step.words}"
            return Drawing(plain=text, html=escape(text))
        if step.stage == "download":
            text = f"Downloading {self._model}: {told(step, self._throughput.per_s)}"
            share = f' value="{step.done / step.total:.3f}"' if step.total else ""
            return Drawing(plain=text, html=f"{escape(text)} <progress{share}></progress>")
        if step.total:
            bar = f'<progress value="{step.done / step.total:.3f}"></progress>'
            return Drawing(
                plain=f"Loading {self._model} …", html=f"Loading {escape(self._model)} {bar}"
            )
        text = f"Loading {self._model} … {STAGES.get(step.stage, step.stage)}"
        return Drawing(plain=text, html=escape(text))


def about_session(session: SessionInfo, *, known: bool) -> str:
    """A session by name, with its adapters; the first time also whether it is new or continued."""
    used = [one.rpartition("/")[2] for one in session.adapters]
    name = f"session {' + '.join([session.name, *used])}"
    if known:
        return name
    if not session.n_messages:
        return f"{name} (new)"
    return f"{name} (continued, {session.n_messages} messages)"
