"""What one answer's model thinks: told apart as it comes, told, counted, and ended when it is time.

Holds its own state; the sequence feeds it, and reads what is to be forced from it. The engine's
thread is the only one to touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wiz_kernel_ext.engine.coalescer import Coalescer
from wiz_kernel_ext.engine.reasoning.families import Family
from wiz_kernel_ext.engine.reasoning.parts import Part
from wiz_kernel_ext.engine.reasoning.splitter import splitter_of
from wiz_kernel_ext.engine.runaway import Runaway
from wiz_kernel_ext.protocol.events import AnyEvent, Notice, Thinking

UNANSWERED = (
    "All that was written is thinking: the answer itself never began. `--think N` closes it after "
    "N tokens, `--think off` leaves it out."
)
LOOPING = "The thinking was closed: {}."


@dataclass(frozen=True, kw_only=True)
class Reasoning:
    """How a prompt's answer is to be told apart; the same for all answers to it.

    `is_open`: the prompt ends within the thinking. After `budget` tokens, and where it repeats
    itself (but for `allow_repeats`), the tokens `shut` close it. `marks` are texts of tokens that
    print nothing, of those that stand in the family's marks.
    """

    family: Family
    is_open: bool
    shut: tuple[int, ...]
    budget: int | None = None
    marks: Mapping[int, str] = field(default_factory=dict)
    allow_repeats: bool = False


class ThinkingApart:
    """Reads one answer along; `n_tokens` of it were thinking, the marks not counted."""

    def __init__(self, reasoning: Reasoning, on_event: Callable[[AnyEvent], object]) -> None:
        self._reasoning = reasoning
        self._on_event = on_event
        self._splitter = splitter_of(reasoning.family, is_open=reasoning.is_open)
        self._coalescer = Coalescer(Thinking)
        self._runaway = None if reasoning.allow_repeats else Runaway()
        self._text: list[str] = []
        self._is_due = False
        self._is_shut = False
        self.n_tokens = 0
        self.was_thinking = False

    @property
    def is_thinking(self) -> bool:
        """Whether what comes now is thinking."""
        return self._splitter.is_thinking

    @property
    def text(self) -> str:
        """What was thought so far."""
        return "".join(self._text)

    def mark(self, token: int) -> bytes:
        """What a token that prints nothing stands for, where that may come now."""
        text = self._reasoning.marks.get(token, "")
        return text.encode() if text in self._splitter.expected() else b""

    def goes_on_after(self, token: int) -> bool:
        """Whether `token`, which ends an answer elsewhere, only closes the thinking here."""
        text = self._reasoning.marks.get(token)
        return text is not None and self._splitter.goes_on_after(text)

    def take(self, text: str, now: float) -> str | None:
        """Take one token's text and return what is the answer's; None for one of the thinking."""
        self.was_thinking = self.is_thinking
        thought, answer = self._told_apart(self._splitter.push(text))
        counts = self.was_thinking and self.is_thinking and not self._is_shut
        self.n_tokens += counts
        if counts or thought:
            self._add(thought, now)
        if not self.is_thinking and (rest := self._coalescer.flush()):
            self._on_event(rest)
        return None if self.was_thinking and not answer else answer

    def due(self) -> list[int]:
        """The tokens that close the thinking now, if it is time; they are asked for once."""
        budget = self._reasoning.budget
        is_spent = budget is not None and self.n_tokens >= budget
        return self.shut() if is_spent or self._is_due else []

    def shut(self) -> list[int]:
        """The tokens that close the thinking, if it is open; they are asked for once."""
        if self._is_shut or not self.is_thinking:
            return []
        self._is_shut = True
        return list(self._reasoning.shut)

    def flush(self, *, is_whole: bool) -> str:
        """The rest of the answer, when it has ended; `is_whole`: nobody broke it off."""
        was_thinking = self.is_thinking
        thought, answer = self._told_apart(self._splitter.flush())
        self._text.append(thought)
        if event := self._coalescer.flush(thought):
            self._on_event(event)
        if is_whole and was_thinking and not self._splitter.has_answer:
            self._on_event(Notice(text=UNANSWERED))
        return answer

    def _add(self, thought: str, now: float) -> None:
        self._text.append(thought)
        if event := self._coalescer.add(thought, now):
            self._on_event(event)
        if self._runaway and (what := self._runaway.push(thought)):
            self._runaway, self._is_due = None, True
            self._on_event(Notice(text=LOOPING.format(what)))

    @staticmethod
    def _told_apart(parts: list[Part]) -> tuple[str, str]:
        thought = "".join(text for is_thinking, text in parts if is_thinking)
        return thought, "".join(text for is_thinking, text in parts if not is_thinking)
