"""Parts of an answer, and what splits one into them: what is common to all families. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

Part = tuple[bool, str]
"""Whether a text is thinking, and the text."""


class Splitter(ABC):
    """Splits one answer."""

    @property
    @abstractmethod
    def is_thinking(self) -> bool:
        """Whether what comes now is thinking."""

    @property
    @abstractmethod
    def has_answer(self) -> bool:
        """Whether the thinking was closed, or there was none."""

    @abstractmethod
    def push(self, text: str) -> list[Part]:
        """Take more text and return the parts that are sure now."""

    @abstractmethod
    def flush(self) -> list[Part]:
        """The rest, when the answer has ended."""

    @abstractmethod
    def expected(self) -> str:
        """The marks that may come now: of tokens that print nothing, those in it are to be read."""

    @abstractmethod
    def goes_on_after(self, mark: str) -> bool:
        """Whether `mark`, which ends an answer elsewhere, ends only a part of it here."""


class StagedSplitter(Splitter):
    """A splitter that is at a stage, each with a method that takes what it can of what is held.

    `_held` is text whose part is not sure yet, up to `_read_to` known to hold no mark.
    """

    _at: Any
    _held = ""
    _read_to = 0

    @abstractmethod
    def _take(self, is_end: bool) -> list[Part]:
        """Take what is sure at this stage, or go on to the next one."""

    def _parts(self, *, is_end: bool) -> list[Part]:
        """All that is sure: every stage has its turn until none gets any further."""
        parts: list[Part] = []
        while True:
            before = self._at, len(self._held), self._read_to
            parts += self._take(is_end)
            if (self._at, len(self._held), self._read_to) == before:
                return joined(parts)


def part(is_thinking: bool, text: str) -> list[Part]:
    """A part, if there is anything in it."""
    return [(is_thinking, text)] if text else []


def joined(parts: list[Part]) -> list[Part]:
    """Neighbours of one kind as one."""
    together: list[Part] = []
    for is_thinking, text in parts:
        if together and together[-1][0] == is_thinking:
            together[-1] = is_thinking, together[-1][1] + text
        else:
            together.append((is_thinking, text))
    return together
