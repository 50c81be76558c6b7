"""How an answer looks while it grows and when it has ended.

`RichAnswer` redraws Markdown in place with a line of small print under it, and what was thought
folded above; `PlainAnswer` prints what is new. Both show the deltas as a preview and take the truth
from the end. They know events and a `Screen`; `follow.py` feeds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from wiz_kernel_ext.commands.notices import ending, one_each
from wiz_kernel_ext.commands.service_tables import live_speed, speed
from wiz_kernel_ext.commands.throughput import Throughput
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.screen import Drawing, Screen, Slot
from wiz_kernel_ext.notebook.views.pace import Pace
from wiz_kernel_ext.notebook.views.thoughts import BEGUN, ENDED, thoughts
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress, Thinking

INTERRUPTED = "(interrupted)"
FOOTER_INTERVAL_S = 0.5


class AnswerView(Protocol):
    """What follows an operation draws with."""

    def begin(self) -> None:
        """Draw that it has begun."""

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Draw what is new."""

    def end(self, answer: Answer) -> None:
        """Draw the whole answer, whatever was drawn before."""

    def fail(self, error: WizError, *, alone: bool = False) -> None:
        """Draw that there will be no more; `alone` if no cell draws the error itself."""


class RichAnswer:
    """An answer in a notebook; `about` names its session, `operation_id` while it runs."""

    def __init__(
        self, screen: Screen, about: str, operation_id: str, clock: Callable[[], float]
    ) -> None:
        self._screen = screen
        self._about = about
        self._operation_id = operation_id
        self._pace = Pace(clock)
        self._clock = clock
        self._throughput = Throughput(clock)
        self._n_tokens = 0
        self._footer_due_s = 0.0
        self._text = ""
        self._thinking = ""
        self._thoughts: Slot | None = None
        self._thoughts_open = False
        self._notices: list[str] = []

    def begin(self) -> None:
        """Open the two places: the text and, under it, the small print."""
        self._body = self._screen.show(Drawing(plain="", markdown=""))
        self._foot = self._screen.show(self._footer("…"))

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Draw the text as Markdown and how fast it comes, or how far the work before it is."""
        progress = None
        for event in events:
            if isinstance(event, Delta):
                self._text += event.text
                self._n_tokens += event.n_tokens
            elif isinstance(event, Thinking):
                self._thinking += event.text
                self._n_tokens += event.n_tokens
            elif isinstance(event, Progress):
                progress = event
            elif isinstance(event, Notice):
                self._notices.append(event.words)
        if any(isinstance(event, Thinking) for event in events):
            self._think()
        if any(isinstance(event, Delta) for event in events):
            if self._thoughts_open:
                self._draw_thoughts(is_open=False)
            if self._pace.due(2 * len(self._text.encode())):
                self._draw(self._text)
            self._tell_speed()
        elif progress is not None and not self._text:
            self._foot.update(self._footer(stage(progress)))

    def end(self, answer: Answer) -> None:
        """Draw the answer and what it took."""
        if answer.thinking or self._thinking:
            self._thinking = answer.thinking or self._thinking
            self._draw_thoughts(is_open=False)
        self._draw(marked(answer))
        self._foot.update(self._footer(took(answer), ended=True))

    def fail(self, error: WizError, *, alone: bool = False) -> None:
        """Keep the text there is, and say what happened to the rest."""
        if self._thoughts is not None:
            self._draw_thoughts(is_open=False)
        self._draw(self._text)
        what = " ".join(error._render_traceback_()) if alone else type(error).__name__
        self._foot.update(self._footer(what, ended=True))

    def _think(self) -> None:
        """Draw what is thought, open until the answer begins."""
        if self._text:
            self._draw_thoughts(is_open=False)
            return
        if self._pace.due(2 * len(self._thinking.encode())):
            self._draw_thoughts(is_open=True)
        self._tell_speed()

    def _draw_thoughts(self, *, is_open: bool) -> None:
        """They stand above the answer: the places there are move down by one."""
        drawing = thoughts(self._thinking, is_open=is_open)
        if self._thoughts is None:
            self._thoughts, self._body = self._body, self._foot
            self._draw(self._text)
            self._foot = self._screen.show(self._footer("…"))
        self._thoughts_open = is_open
        self._thoughts.update(drawing)

    def _tell_speed(self) -> None:
        self._throughput.take(Progress(stage="answer", done=self._n_tokens))
        if self._clock() >= self._footer_due_s:
            self._footer_due_s = self._clock() + FOOTER_INTERVAL_S
            self._foot.update(self._footer(live_speed(self._n_tokens, self._throughput.per_s)))

    def _draw(self, text: str) -> None:
        self._body.update(Drawing(plain=text, markdown=text))

    def _footer(self, state: str, *, ended: bool = False) -> Drawing:
        parts = [state, self._about, *one_each(self._notices)]
        if not ended:
            parts.append(go_on(self._operation_id))
        return Drawing.small(" · ".join(part for part in parts if part))


class PlainAnswer:
    """An answer in a terminal."""

    def __init__(self, screen: Screen, about: str) -> None:
        self._screen = screen
        self._about = about
        self._text = ""
        self._thinks = False
        self._notices: list[str] = []
        self._waits = False

    def begin(self) -> None:
        """Nothing to draw yet."""

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Print the new text, and what should be known."""
        for event in events:
            if isinstance(event, Delta):
                self._answer_begins()
                self._text += event.text
                self._screen.write(event.text)
            elif isinstance(event, Thinking):
                if not self._thinks:
                    self._screen.write(f"{BEGUN}\n")
                self._thinks = True
                self._screen.write(event.text)
            elif isinstance(event, Notice):
                n_said = len(one_each(self._notices))
                self._notices.append(event.words)
                if len(one_each(self._notices)) > n_said:
                    self._screen.write(f"[{event.words}]\n")
            elif isinstance(event, Progress) and event.text and not self._waits:
                self._waits = True
                self._screen.write(f"[{event.words}]\n")

    def end(self, answer: Answer) -> None:
        """Print what the deltas left out, and what it took."""
        self._answer_begins()
        if answer.startswith(self._text):
            self._screen.write(answer[len(self._text) :])
        else:
            self._screen.write(f"\n{answer}")
        self._screen.write(f"\n[{took(answer)} · {self._about}]\n")

    def fail(self, error: WizError, *, alone: bool = False) -> None:
        """End the line; the error itself is the cell's."""
        if self._text or self._thinks:
            self._screen.write("\n")

    def _answer_begins(self) -> None:
        if self._thinks:
            self._thinks = False
            self._screen.write(f"\n{ENDED}\n")


def go_on(operation_id: str) -> str:
    """How to go on watching in another cell, where this output's kernel or page has gone."""
    return f"if this stands still: %wiz_attach {operation_id}"


def marked(answer: Answer) -> str:
    """The Markdown of an answer: JSON as code; one that was interrupted says so, outside of it."""
    if answer.shape == "json":
        return answer._repr_markdown_()
    if answer.finish_reason not in ("cancelled", "interrupted"):
        return str(answer)
    text = str(answer)
    fences = sum(line.lstrip().startswith("```") for line in text.splitlines())
    closing = "\n```" if fences % 2 else ""
    return f"{text}{closing}\n\n*{INTERRUPTED}*".lstrip()


def took(answer: Answer) -> str:
    """What an answer took, and how it ended if not by itself."""
    n_tokens, end = answer.usage.n_tokens, ending(answer)
    # What is kept of an answer whose end never came has no counts.
    known = n_tokens or not end
    count = speed(n_tokens, answer.timings.generation_s) if known else ""
    return " · ".join(part for part in (count, end) if part)


def stage(progress: Progress) -> str:
    """A stage in a few words, or in its own."""
    if progress.text:
        return progress.words
    name = {
        "load": "loading the model",
        "context": "loading the model",
        "prompt": "reading the prompt",
        "summary": "summing up what does not fit",
    }.get(progress.stage, progress.stage)
    return f"{name} {progress.done / progress.total:.0%}" if progress.total else name
