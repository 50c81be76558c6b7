"""Whether a closing mark in a model's thinking closes it, or is only spoken of.

Two rules, both of the line it stands in. It is a mention where the character behind it closes a
quotation or code span that is open there (`"… </think>"`); and where the opening mark stands before
it in the same line, or in the same block of code, without a closing one of its own (`<think>a
</think>`). Whatever else may be meant, it closes: an answer that begins too early can be read, one
that never begins cannot. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_FENCE = "```"
# One that stands in words too has to stand right before the mark.
_IN_WORDS = "'"
_SAME = '`"'
_PAIRED = {"”": "“", "»": "«", "’": "‘", "›": "‹", "」": "「", "“": "„"}


@dataclass(frozen=True)
class Place:
    """Where a text has come to: its last line, and the block of code it is in, if it is in one."""

    line: str = ""
    block: str | None = None

    def after(self, text: str) -> Place:
        """The place when `text` has followed."""
        first, *others = text.split("\n")
        place = self._further(first)
        for line in others:
            place = place._next_line()._further(line)
        return place

    def _further(self, text: str) -> Place:
        block = None if self.block is None else self.block + text
        return Place(self.line + text, block)

    def _next_line(self) -> Place:
        if self.line.lstrip().startswith(_FENCE):
            return Place("", "" if self.block is None else None)
        return replace(self._further("\n"), line="")

    def is_paired(self, opening: str, closing: str) -> bool:
        """Whether an opening mark before this place waits for its closing one."""
        scope = self.line if self.block is None else self.block
        return scope.count(opening) > scope.count(closing)

    def open_quotes(self) -> str:
        """The characters any of which would close a quotation that is open here."""
        line = self.line
        found = [mark for mark in _SAME if line.count(mark) % 2]
        found += [end for end, begin in _PAIRED.items() if line.count(begin) > line.count(end)]
        if line.endswith(_IN_WORDS):
            found.append(_IN_WORDS)
        return "".join(found)
