"""The model's own chat template, run where it can do no harm.

The template comes with the model file, so it is a stranger's program: it runs in jinja2's immutable
sandbox, with a bound on its time, on the size of what it makes and on numbers it may multiply by.
Knows nothing of tokens; called by `chat.py`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wiz_kernel_ext.errors import BadRequest

TIME_LIMIT_S = 2.0
SIZE_LIMIT = 8_000_000
"""The most characters a template may make of one conversation."""

_CHECK_EVERY = 64


class TemplateTooCostly(TemplateError):
    """A template that ran too long or made too much."""


class _Generation(Extension):
    """`{% generation %}` marks the assistant's part for training: here it is only its content."""

    tags = {"generation"}  # noqa: RUF012 - an instance variable where it is declared

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's immutable sandbox, without operators that make much of little."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*" and any(not isinstance(x, (int, float)) for x in (left, right)):
            size = max((len(x) for x in (left, right) if hasattr(x, "__len__")), default=1)
            times = max((x for x in (left, right) if isinstance(x, int)), default=1)
            if size * times > SIZE_LIMIT:
                raise TemplateTooCostly("it repeats a text too often")
        if operator == "**" and (abs(left) > 1e6 or abs(right) > 64):
            raise TemplateTooCostly("it raises to too high a power")
        if operator == "%" and isinstance(left, str):
            raise TemplateTooCostly("it formats with %")
        return super().call_binop(context, operator, left, right)


class ChatTemplate:
    """A compiled template; `clock` is in seconds, `now` is what `strftime_now` formats.

    Raises BadRequest if the source is not a template.
    """

    def __init__(
        self,
        source: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True)
        environment.add_extension("jinja2.ext.loopcontrols")
        environment.add_extension(_Generation)
        environment.filters["tojson"] = _to_json
        for name in ("center", "wordwrap", "format"):
            del environment.filters[name]
        environment.filters["indent"] = _indent
        environment.globals.pop("lipsum")
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda format: now().strftime(format)
        self._clock = clock
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError, MemoryError) as error:
            raise _broken(error) from None

    def render(self, **values: Any) -> str:
        """The text the template makes of `values`; raises BadRequest where it fails."""
        watch = _Watch(self._clock)
        before = sys.gettrace()
        sys.settrace(watch.trace)
        try:
            return _bounded(self._template.generate(values))
        except Exception as error:  # whatever a stranger's program does wrong
            raise _broken(error) from None
        finally:
            sys.settrace(before)


class _Watch:
    """Counts the lines a template runs and looks at the clock now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline = clock() + TIME_LIMIT_S
        self._n_events = 0

    def trace(self, frame: Any, event: str, argument: Any) -> Any:
        self._n_events += 1
        if self._n_events % _CHECK_EVERY == 0 and self._clock() > self._deadline:
            raise TemplateTooCostly(f"it ran longer than {TIME_LIMIT_S:g} s")
        return self.trace


def _bounded(parts: Iterable[str]) -> str:
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > SIZE_LIMIT:
            raise TemplateTooCostly(f"it made more than {SIZE_LIMIT:,} characters")
        kept.append(part)
    return "".join(kept)


def _broken(error: BaseException) -> BadRequest:
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if line else ""
    return BadRequest(
        f"The model's chat template failed: {error}{where}.",
        hint="The template comes with the model file; another build of the model may have a "
        "better one.",
        field="messages",
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    """JSON as models were trained on it: keys in their order, letters as they are."""
    if indent is not None:
        indent = min(int(indent), 16)
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """jinja2's own, with a bounded width."""
    space = width[:64] if isinstance(width, str) else " " * min(width, 64)
    lines = str(text).split("\n")
    done = [space + line if (line or blank) else line for line in lines[1:]]
    return "\n".join([(space if first else "") + lines[0], *done])
