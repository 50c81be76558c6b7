r"""Patterns of JSON schemas, rewritten so that they are enforced to the letter.

Inside a JSON string llguidance takes whatever a class leaves out by its escape: `[^"]` lets `\"`
through. So every class is written as the characters it has. What means one thing here and another
there, or looks around, is refused. The language is ECMA 262's, as JSON schema says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wiz_kernel_ext.engine.constraints.character_sets import (
    DIGITS,
    LINE_ENDS,
    SPACE,
    WORD,
    Ranges,
    all_but,
    common,
    inside,
    no_digit,
    no_space,
    no_word,
    united,
    written,
)

_GROUPS = re.compile(r"\(\?(?P<kind>:|<[A-Za-z_]\w*>|<?[=!]|.?)")
_UNSURE = ("[:", "[.", "[=", "&&", "--", "~~")
"""In a class: set operations and named classes to some engines, characters to others."""
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "0": 0}
_HEX = {"x": re.compile(r"x([0-9a-fA-F]{2})"), "u": re.compile(r"u([0-9a-fA-F]{4})")}
_PROPERTY = re.compile(r"p\{[\w=]+\}")
_HEX_OF_ANY_LENGTH = re.compile(r"u\{([0-9a-fA-F]{1,6})\}")


def exact(pattern: str) -> str:
    """`pattern` for llguidance; raises ValueError saying what cannot be enforced."""
    return _Reader(pattern).whole()


class _Reader:
    """Reads a pattern from its beginning to its end, once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> str:
        made: list[str] = []
        while self._at < len(self._text):
            made.append(self._next())
        return "".join(made)

    def _next(self) -> str:
        character = self._text[self._at]
        if character == "(":
            return self._group()
        self._at += 1
        if character == ".":
            return written(all_but(LINE_ENDS))
        if character == "[":
            return self._class()
        if character != "\\":
            return character
        found = self._escaped()
        if isinstance(found, str) and found not in _CLASSES:
            return found
        return written([(found, found)] if isinstance(found, int) else _CLASSES[found]())

    def _group(self) -> str:
        found = _GROUPS.match(self._text, self._at)
        if found is None:
            self._at += 1
            return "("
        kind = found["kind"]
        if kind.endswith(("=", "!")):
            raise ValueError("look-around is not supported")
        if kind != ":" and not kind.startswith("<"):
            raise ValueError(f"flags are not supported: {found.group()}")
        self._at = found.end()
        return "(?:"

    def _class(self) -> str:
        is_negated = self._text.startswith("^", self._at)
        self._at += is_negated
        characters: list[Ranges] = []
        classes: list[str] = []
        while not self._text.startswith("]", self._at):
            if self._text.startswith(_UNSURE, self._at):
                raise ValueError("a class in it means different things to different engines")
            first = self._member()
            if isinstance(first, int):
                characters.append([(first, self._last_of_range(first))])
            else:
                classes.append(first)
        self._at += 1
        properties = [one for one in classes if one not in _CLASSES]
        sets = [_CLASSES[one.swapcase() if is_negated else one] for one in classes if len(one) == 1]
        if not is_negated:
            found = united([*characters, *(one() for one in sets)])
            return f"[{inside(found)}{''.join(properties)}]" if properties else written(found)
        if properties:
            raise ValueError(f"[^{properties[0]}] is not supported")
        found = all_but(united(characters))
        for one in sets:
            found = common(found, one())
        return written(found)

    def _last_of_range(self, first: int) -> int:
        """The end of a range that begins with `first`, if it is one."""
        is_range = self._text.startswith("-", self._at)
        if not is_range or self._text.startswith("-]", self._at):
            return first
        self._at += 1
        last = self._member()
        if not isinstance(last, int) or last < first:
            raise ValueError("a range in it has no end after its beginning")
        return last

    def _member(self) -> int | str:
        if self._at >= len(self._text):
            raise ValueError("a class in it does not close")
        character = self._text[self._at]
        self._at += 1
        if character != "\\":
            return ord(character)
        if self._text.startswith("b", self._at):
            self._at += 1
            return 8
        return self._escaped()

    def _escaped(self) -> int | str:
        """The character behind a backslash, the letter of its class, or its Unicode property."""
        if self._at >= len(self._text):
            raise ValueError("it ends in a backslash")
        letter = self._text[self._at]
        if letter in _CLASSES:
            self._at += 1
            return letter
        if letter in _CONTROLS:
            self._at += 1
            return _CONTROLS[letter]
        for form in (_HEX.get(letter), _HEX_OF_ANY_LENGTH):
            if form is not None and (found := form.match(self._text, self._at)):
                self._at = found.end()
                return int(found[1], 16)
        if found := _PROPERTY.match(self._text, self._at):
            self._at = found.end()
            return f"\\{found.group()}"
        if letter.isalnum():
            what = "references back are" if letter in "k123456789" else f"\\{letter} is"
            raise ValueError(f"{what} not supported")
        self._at += 1
        return ord(letter)


_CLASSES: dict[str, Callable[[], Ranges]] = {
    "d": lambda: DIGITS,
    "w": lambda: WORD,
    "s": lambda: SPACE,
    "D": no_digit,
    "W": no_word,
    "S": no_space,
}
