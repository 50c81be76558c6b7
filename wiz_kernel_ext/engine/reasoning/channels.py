"""Thinking and answer of models that write messages into channels, one behind the other.

A message is `<|channel|>NAME<|message|>TEXT` and ends with `<|end|>`; the next begins with
`<|start|>assistant`. What is in the channel "analysis" is thinking, all else is for the reader.
Several messages of one kind are paragraphs of one text. Pure.
"""

from __future__ import annotations

import enum
import re

from wiz_kernel_ext.engine.detokenizer import overlap
from wiz_kernel_ext.engine.reasoning.mentions import Place
from wiz_kernel_ext.engine.reasoning.parts import Part, StagedSplitter, joined, part

START, CHANNEL, MESSAGE, END = "<|start|>", "<|channel|>", "<|message|>", "<|end|>"
RETURN, CALL = "<|return|>", "<|call|>"
_ENDS = (END, RETURN, CALL, START, CHANNEL)
_NAME = re.compile(re.escape(CHANNEL) + r"\s*(\w*)")
_MAX_HEADER = 200
ANALYSIS, FINAL = "analysis", "final"


class _At(enum.Enum):
    START = "start"
    HEADER = "header"
    BODY = "body"
    BETWEEN = "between"


class ChannelSplitter(StagedSplitter):
    """`is_open`: the prompt ends within a message of the channel "analysis"."""

    def __init__(self, *, is_open: bool) -> None:
        self._at = _At.BODY if is_open else _At.START
        self._channel = ANALYSIS if is_open else FINAL
        self._place = Place()
        self._is_new = True
        self._said: set[bool] = set()
        self._answer_began = False

    @property
    def is_thinking(self) -> bool:
        if self._at is _At.BODY:
            return self._channel == ANALYSIS
        return self._at is not _At.START and not self._answer_began

    @property
    def has_answer(self) -> bool:
        return self._answer_began or self._at is _At.START

    def expected(self) -> str:
        return "".join((MESSAGE, *_ENDS))

    def goes_on_after(self, mark: str) -> bool:
        return mark == END and not (self._at is _At.BODY and self._channel == FINAL)

    def push(self, text: str) -> list[Part]:
        self._held += text
        return self._parts(is_end=False)

    def flush(self) -> list[Part]:
        parts = self._parts(is_end=True)
        held, self._held = self._held, ""
        if self._at is _At.START:
            return [*parts, *part(False, held)]
        if self._at is _At.BODY:
            text = held.rstrip() if self.is_thinking else held
            return joined([*parts, *self._said_now(text)])
        return parts

    def _take(self, is_end: bool) -> list[Part]:
        take = {
            _At.START: self._start,
            _At.HEADER: self._header,
            _At.BODY: self._body,
            _At.BETWEEN: self._between,
        }[self._at]
        return take(is_end)

    def _start(self, is_end: bool) -> list[Part]:
        text = self._held.lstrip()
        if text.startswith((CHANNEL, START)):
            self._held, self._at = text, _At.HEADER
        elif not (CHANNEL.startswith(text) or START.startswith(text)):
            self._enter(FINAL, is_new=False)
        return []

    def _header(self, is_end: bool) -> list[Part]:
        at = self._held.find(MESSAGE)
        if at >= 0:
            name = _NAME.search(self._held[:at])
            self._held = self._held[at + len(MESSAGE) :]
            self._enter(name.group(1) if name else FINAL)
        elif len(self._held) > _MAX_HEADER:
            self._enter(FINAL)
        return []

    def _enter(self, channel: str, *, is_new: bool = True) -> None:
        self._at, self._channel, self._is_new = _At.BODY, channel, is_new
        self._place, self._read_to = Place(), 0
        self._answer_began |= channel != ANALYSIS

    def _body(self, is_end: bool) -> list[Part]:
        if self._is_new:
            self._held = self._held.lstrip()
        found = [(at, end) for end in _ENDS if (at := self._held.find(end, self._read_to)) >= 0]
        if not found:
            keep = max(overlap(self._held, end) for end in _ENDS)
            return self._let_go(len(self._held) - keep)
        at, mark = min(found)
        place = self._place.after(self._held[:at])
        behind = self._held[at + len(mark) :][:1]
        quotes = place.open_quotes()
        if not behind and quotes and not is_end:
            return self._let_go(at)
        if behind and behind in quotes:
            self._read_to = at + len(mark)
            return []
        text, self._held = self._held[:at].rstrip(), self._held[at:]
        parts = self._said_now(text)
        if mark in (START, CHANNEL):
            self._at = _At.HEADER
        else:
            self._held = self._held[len(mark) :]
            self._at = _At.BETWEEN
        self._read_to = 0
        return parts

    def _let_go(self, end: int) -> list[Part]:
        text = self._held[:end].rstrip()
        self._held = self._held[len(text) :]
        self._read_to = max(0, self._read_to - len(text))
        self._place = self._place.after(text)
        return self._said_now(text)

    def _said_now(self, text: str) -> list[Part]:
        if not text:
            return []
        is_thinking = self._channel == ANALYSIS
        between = "\n\n" if self._is_new and is_thinking in self._said else ""
        self._is_new = False
        self._said.add(is_thinking)
        return [(is_thinking, between + text)]

    def _between(self, is_end: bool) -> list[Part]:
        self._held = text = self._held.lstrip()
        if text.startswith((CHANNEL, START)):
            self._at = _At.HEADER
        elif not (CHANNEL.startswith(text) or START.startswith(text)):
            self._enter(FINAL)
        return []
