"""What a model thinks, told apart from what it answers, as its text comes. Pure: text in and out.

However the text is cut, the parts are the same. An opening mark counts at the very beginning of an
answer only, a closing one where it is not just spoken of (`mentions.py`); what comes behind is the
answer, whatever marks it names. White space around both parts is dropped, as the templates drop it
when they write a conversation down again. Text in which no thinking begins stays as it is, to the
letter.
"""

from __future__ import annotations

import enum
import re

from wiz_kernel_ext.engine.detokenizer import overlap
from wiz_kernel_ext.engine.reasoning.channels import ChannelSplitter
from wiz_kernel_ext.engine.reasoning.families import HARMONY, Family
from wiz_kernel_ext.engine.reasoning.mentions import Place
from wiz_kernel_ext.engine.reasoning.parts import Part, Splitter, StagedSplitter, part


def splitter_of(family: Family, *, is_open: bool) -> Splitter:
    """A splitter of the family; `is_open`: the prompt ends within the thinking."""
    if family.name == HARMONY:
        return ChannelSplitter(is_open=is_open)
    return MarkSplitter(family, is_open=is_open)


class _At(enum.Enum):
    START = "start"
    THINKING = "thinking"
    BETWEEN = "between"
    ANSWER = "answer"


class MarkSplitter(StagedSplitter):
    """For families with one mark before the thinking and one behind it."""

    def __init__(self, family: Family, *, is_open: bool) -> None:
        self._family = family
        self._at = _At.THINKING if is_open else _At.START
        self._place = Place()
        self._has_begun = False
        self._may_open_again = True
        self._answer_openings = [family.answer_opening] if family.answer_opening else []
        self._tail: re.Pattern[str] | None = None

    @property
    def is_thinking(self) -> bool:
        return self._at is _At.THINKING

    @property
    def has_answer(self) -> bool:
        return self._at is not _At.THINKING

    def expected(self) -> str:
        family = self._family
        if self._at is _At.START:
            return family.opening + "".join(self._answer_openings)
        if self._at is _At.THINKING:
            return family.closing + ("" if self._has_begun else family.opening)
        return "".join(self._answer_openings) if self._at is _At.BETWEEN else ""

    def goes_on_after(self, mark: str) -> bool:
        return self.is_thinking and mark == self._family.closing

    def push(self, text: str) -> list[Part]:
        if self._at is _At.ANSWER and self._tail is None:
            return [(False, text)] if text else []
        self._held += text
        return self._parts(is_end=False)

    def flush(self) -> list[Part]:
        parts = self._parts(is_end=True)
        held, self._held = self._held, ""
        if self._at is _At.THINKING:
            return [*parts, *part(True, held.rstrip())]
        if self._at is _At.START:
            return [*parts, *part(False, held)]
        if self._at is _At.ANSWER and self._tail and held.rstrip().endswith(self._ending):
            held = held.rstrip().removesuffix(self._ending).rstrip()
        return [*parts, *part(False, held)]

    @property
    def _ending(self) -> str:
        return self._family.answer_closing

    def _take(self, is_end: bool) -> list[Part]:
        take = {
            _At.START: self._start,
            _At.THINKING: self._think,
            _At.BETWEEN: self._between,
            _At.ANSWER: self._answer,
        }[self._at]
        return take(is_end)

    def _start(self, is_end: bool) -> list[Part]:
        text = self._held.lstrip()
        marks = [self._family.opening, *self._answer_openings]
        for mark in marks:
            if text.startswith(mark):
                self._held = text[len(mark) :]
                self._at = _At.THINKING if mark == self._family.opening else _At.BETWEEN
                if self._at is _At.BETWEEN:
                    self._answer_began()
                return []
        if not any(mark.startswith(text) for mark in marks):
            self._at = _At.ANSWER
        return []

    def _think(self, is_end: bool) -> list[Part]:
        family = self._family
        if not self._has_begun:
            self._held = text = self._held.lstrip()
            if self._may_open_again and text.startswith(family.opening):
                self._held, self._may_open_again = text[len(family.opening) :], False
                return []
            if not is_end and (
                not text or (self._may_open_again and family.opening.startswith(text))
            ):
                return []
            self._has_begun = True
        at = self._held.find(family.closing, self._read_to)
        if at < 0:
            end = len(self._held) - overlap(self._held, family.closing)
            return self._thought(end)
        place = self._place.after(self._held[:at])
        behind = self._held[at + len(family.closing) :][:1]
        quotes = place.open_quotes()
        if not behind and quotes and not is_end:
            return self._thought(at)
        if place.is_paired(family.opening, family.closing) or (behind and behind in quotes):
            self._read_to = at + len(family.closing)
            return []
        parts = self._thought(at)
        self._held = self._held.lstrip()[len(family.closing) :]
        self._at, self._read_to = _At.BETWEEN, 0
        return parts

    def _thought(self, end: int) -> list[Part]:
        """Let go of the thinking up to `end`, but for the white space it ends with."""
        text = self._held[:end].rstrip()
        self._held = self._held[len(text) :]
        self._read_to = max(0, self._read_to - len(text))
        self._place = self._place.after(text)
        return part(True, text)

    def _between(self, is_end: bool) -> list[Part]:
        self._held = text = self._held.lstrip()
        for mark in self._answer_openings:
            if text.startswith(mark):
                self._held = text[len(mark) :]
                self._answer_began()
                return []
        if text and not any(mark.startswith(text) for mark in self._answer_openings):
            self._at = _At.ANSWER
        return []

    def _answer_began(self) -> None:
        """The mark before the answer has come: the one behind it may."""
        self._answer_openings = []
        if self._ending:
            self._tail = re.compile(rf"\s*(?:{_beginnings(self._ending)})?\Z")

    def _answer(self, is_end: bool) -> list[Part]:
        end = len(self._held)
        if self._tail is not None:
            found = self._tail.search(self._held)
            end = found.start() if found else end
        text, self._held = self._held[:end], self._held[end:]
        return part(False, text)


def _beginnings(mark: str) -> str:
    """A pattern for any beginning of `mark`, and for all of it with white space behind it."""
    pattern = rf"{re.escape(mark[-1])}\s*"
    for character in reversed(mark[:-1]):
        pattern = rf"{re.escape(character)}(?:{pattern})?"
    return pattern
