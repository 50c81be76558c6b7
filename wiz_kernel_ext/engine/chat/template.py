"""The model's own chat template, run where it can do no harm.

The template comes with the model file, so it is a stranger's program: it is compiled and runs in a
sandbox that bounds what it makes (`sandbox.py`), with a bound on its time here. Knows
nothing of tokens; called by `encoder.py`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from wiz_kernel_ext.engine.chat.sandbox import SIZE_LIMIT, Sandbox, TemplateTooCostly
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.chat_templates import MAX_TEMPLATE_CHARS

TIME_LIMIT_S = 2.0
"""The most time a template may take to be compiled, and to write one conversation."""

_CHECK_EVERY = 64
_MAX_DATE_FORMAT = 1000


class ChatTemplate:
    """A compiled template, for one thread at a time; the others wait.

    `clock` is in seconds of the thread's own work, `now` is what `strftime_now` formats.

    Raises BadRequest if the source is not a template.
    """

    def __init__(
        self,
        source: str,
        *,
        clock: Callable[[], float] = time.thread_time,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sandbox = sandbox = Sandbox()
        sandbox.globals["raise_exception"] = _raise_exception
        sandbox.globals["strftime_now"] = lambda format: now().strftime(format[:_MAX_DATE_FORMAT])
        with self._bounded(lines=False):
            if len(source) > MAX_TEMPLATE_CHARS:
                raise TemplateTooCostly(f"it is longer than {MAX_TEMPLATE_CHARS:,} characters")
            self._template = sandbox.from_string(source)

    def render(self, **values: Any) -> str:
        """The text the template makes of `values`; raises BadRequest where it fails."""
        with self._lock, self._bounded(lines=True):
            self._sandbox.begin()
            return _whole(self._template.generate(values))

    @contextmanager
    def _bounded(self, *, lines: bool) -> Iterator[None]:
        """Stop what runs in the block when its time is up; whatever it raises is a BadRequest."""
        watch = _Watch(self._clock, lines=lines)
        before = sys.gettrace()
        sys.settrace(watch.trace)
        try:
            yield
        except Exception as error:  # whatever a stranger's program does wrong
            raise _broken(error) from None
        finally:
            sys.settrace(before)


class _Watch:
    """Counts what runs and looks at the clock now and then.

    With `lines` every line counts: a loop of the template's own may call nothing.
    """

    def __init__(self, clock: Callable[[], float], *, lines: bool) -> None:
        self._clock = clock
        self._lines = lines
        self._deadline = clock() + TIME_LIMIT_S
        self._n_events = 0

    def trace(self, frame: Any, event: str, argument: Any) -> Any:
        self._n_events += 1
        if self._n_events % _CHECK_EVERY == 0 and self._clock() > self._deadline:
            raise TemplateTooCostly(f"it ran longer than {TIME_LIMIT_S:g} s")
        return self.trace if self._lines else None


def _whole(parts: Iterable[str]) -> str:
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
