"""How a model writes that it calls tools, found by asking its chat template, as `turns.py` does.

A template writes what the model was taught: rendered with a call that nobody makes, it shows what
stands before the name, between name and arguments, between two calls, and behind them. So a family
need not be known here, except where a template tells of a form and never writes it. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wiz_kernel_ext.errors import BadRequest

Write = Callable[[list[dict[str, Any]], list[Any] | None], str]
"""A conversation that has ended, with the tools on offer; raises BadRequest."""

CALL_ID = "\0"
"""Stands in an envelope's texts for a call's id: nine letters or digits, as Mistral's are."""
ID_PATTERN = "[a-zA-Z0-9]{9}"
NAME_PATTERN = r"\w[\w.:/-]{0,127}"
_MARK = re.compile(r"<[^<>\s]{2,40}>|\[[A-Z_]{2,40}\]")
_MOST_CHARS = 300
"""A longer text around a call is something else."""


@dataclass(frozen=True)
class Envelope:
    """The texts around calls: `first` name `middle` arguments (`between` name …)* `last`.

    `between` is None where one call is all there may be. `text_first`: free text may stand before
    the first call. `controls` are the control tokens among these texts, by what they say.
    """

    first: str
    middle: str
    last: str
    between: str | None = None
    text_first: bool = False
    controls: Mapping[str, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What a call is known by, once it is written; all before the name if there is no tag."""
        found = _MARK.match(self.first)
        return found.group() if found else self.first

    @property
    def is_bare(self) -> bool:
        """Whether a call begins with no tag, like any other JSON."""
        return _MARK.match(self.first) is None

    def calls(self, text: str, *, anywhere: bool) -> list[tuple[str, int, int]]:
        """Each call's name, and where its arguments begin and end; empty where `text` is none.

        `anywhere`: free text may stand before the first one.
        """
        start = self.begin(text, anywhere=anywhere)
        calls: list[tuple[str, int, int]] = []
        while start is not None:
            named = self._named.match(text, start.end())
            end = named and _json_end(text, named.end())
            if not named or end is None:
                return []
            calls.append((named.group(1), named.end(), end))
            if (over := self._pattern(self.last).match(text, end)) and not text[
                over.end() :
            ].strip():
                return calls
            if self.between is None:
                return []
            start = self._pattern(self.between).match(text, end)
        return []

    def begin(self, text: str, *, anywhere: bool) -> re.Match[str] | None:
        """Where the first call begins, up to its name; None where `text` has none."""
        found = self._pattern(self.first)
        return found.search(text) if anywhere else found.match(text)

    def pieces(self, text: str) -> Iterator[str | int]:
        """`text`, one of the envelope's, as texts and control tokens; CALL_ID by itself."""
        known = sorted(self.controls, key=len, reverse=True)
        split = "|".join(map(re.escape, [CALL_ID, *known]))
        for piece in re.split(f"({split})", text):
            if piece:
                yield self.controls.get(piece, piece)

    @property
    def _named(self) -> re.Pattern[str]:
        return re.compile(f"({NAME_PATTERN}?){self._pattern(self.middle).pattern}")

    @staticmethod
    def _pattern(text: str) -> re.Pattern[str]:
        return re.compile(ID_PATTERN.join(map(re.escape, text.split(CALL_ID))))


PLAIN = Envelope('{"name": "', '", "arguments": ', "}")
"""For a model that was taught no form: one call, as plain JSON."""

_TOLD = (
    (
        r"<tool_call>\s*\[",
        Envelope(
            '<tool_call>[{"name": "',
            '", "arguments": ',
            "}]</tool_call>",
            between='}, {"name": "',
            text_first=True,
        ),
    ),
    (
        r"<\|tool_call\|>",
        Envelope('<|tool_call|>[{"name": "', '", "arguments": ', "}]", between='}, {"name": "'),
    ),
    (
        r"<tool_call>(?=[\s\S]*arguments)",
        Envelope(
            '<tool_call>\n{"name": "',
            '", "arguments": ',
            "}\n</tool_call>",
            between='}\n</tool_call>\n<tool_call>\n{"name": "',
            text_first=True,
        ),
    ),
    (r"\"name\": function name, \\?\"parameters", Envelope('{"name": "', '", "parameters": ', "}")),
)
"""Forms that some templates tell their model of, and do not write themselves."""
_OTHER_FORM = re.compile(r"<function=|<arg_key>|<parameter[ =]")
"""Arguments that are no JSON, in the same tags."""


def find_envelope(write: Write, source: str) -> Envelope | None:
    """The envelope of the template whose text is `source`; None where it has none known here."""
    for content in (_SAYS, None, ""):
        for is_text in (False, True):
            for is_followed in (True, False):
                asked = _Asked(write, content, is_text=is_text, is_followed=is_followed)
                try:
                    if found := asked.envelope():
                        return found
                except BadRequest:  # it has other demands
                    continue
    if _OTHER_FORM.search(source):
        return None
    plain = source.replace('\\"', '"')
    return next((envelope for told, envelope in _TOLD if re.search(told, plain)), None)


_ASKS, _SAYS, _THEN = "wizfirstquestion", "wizonlyanswer", "wizsecondquestion"
_NAMES = ("wizonetool", "wizothertool")
_IDS = ("wizcall01", "wizcall02")
_ARGUMENTS = {"wizargument": "wizvalue"}
_WRITTEN = re.compile(r'\{\s*"wizargument"\s*:\s*"wizvalue"\s*\}')
_OFFERED = [
    {
        "type": "function",
        "function": {
            "name": "wizoffered",
            "description": "wizdescription",
            "parameters": {"type": "object", "properties": {"wizkind": {"type": "string"}}},
        },
    }
]


@dataclass(frozen=True)
class _Asked:
    """One way to ask: what the answer says beside its calls, arguments as text, with what after."""

    write: Write
    content: str | None
    is_text: bool
    is_followed: bool

    def envelope(self) -> Envelope | None:
        plain = self._written(0)
        begin, said, end = plain.rpartition(_SAYS)
        one = self._written(1)
        if not said or not one.endswith(end):
            return None
        is_text_first = _SAYS in one
        if is_text_first:
            one = one.partition(_SAYS)[2]
        elif one.startswith(begin):
            one = one[len(begin) :]
        else:
            return None
        parts = _around(one[: len(one) - len(end)], 1)
        if parts is None:
            return None
        first, middle, last = parts[0].lstrip(), parts[1], parts[2].rstrip()
        if not first or not middle or max(map(len, parts)) > _MOST_CHARS:
            return None
        found = Envelope(first, middle, last)
        if found.is_bare:
            return found
        return Envelope(first, middle, last, self._between(), is_text_first)

    def _between(self) -> str | None:
        """What stands between two calls; None where two are none of the template's."""
        try:
            parts = _around(self._written(2), 2)
        except BadRequest:
            return None
        return None if parts is None else parts[2]

    def _written(self, n_calls: int) -> str:
        arguments = json.dumps(_ARGUMENTS) if self.is_text else _ARGUMENTS
        calls = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name in zip(_IDS[:n_calls], _NAMES, strict=False)
        ]
        answer = {"role": "assistant", "content": self.content if calls else _SAYS}
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": _ASKS},
            {**answer, **({"tool_calls": calls} if calls else {})},
        ]
        if self.is_followed:
            messages.append({"role": "user", "content": _THEN})
        text = self.write(messages, _OFFERED)
        return text.replace(_IDS[0], CALL_ID).replace(_IDS[1], CALL_ID)


def _around(text: str, n_calls: int) -> list[str] | None:
    """What stands around each name and its arguments; None where they are not written once."""
    parts: list[str] = []
    for name in _NAMES[:n_calls]:
        before, _, rest = text.partition(name)
        written = _WRITTEN.search(rest)
        if written is None or text.count(name) != 1:
            return None
        parts += [before, rest[: written.start()]]
        text = rest[written.end() :]
    return [*parts, text]


def _json_end(text: str, start: int) -> int | None:
    """Where the JSON object that begins at `start` ends."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return end if isinstance(value, dict) else None
