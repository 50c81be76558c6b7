"""Interrupts that come in a crowd: the first one counts, and what it sets off is done to its end.

A second Ctrl-C, or click on a notebook's ■, lands wherever the main thread is by then: in the
cancel that the first one led to, or just before it. Inside `held()` an interrupt therefore breaks
in only where somebody is ready for it, inside `taken()`; one that comes between is kept for the
next such place, or for the end. Once one was taken, those that follow are ignored for GRACE_S, so
that cancelling, keeping and drawing what there is come to their end. After that time one breaks in
anywhere: whatever hangs, a person can end it.

Signals are the main thread's, so both do nothing in another; nor do they where the program handles
interrupts in a way of its own.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_S = 2.0
LINGER_S = 0.5


class _Interrupts:
    """Those that came since `held()` was entered."""

    def __init__(self) -> None:
        self.n_ready = 0
        self._kept = False
        self._taken = False
        self._first_s: float | None = None

    def come(self, _number: int, _frame: FrameType | None) -> None:
        """One more, on its way to be raised here or kept."""
        now = time.monotonic()
        if self._first_s is None:
            self._first_s = now
        self._kept = True
        is_late = now - self._first_s > GRACE_S
        if self.n_ready or is_late:
            self.take(anyway=is_late)

    @property
    def was_taken(self) -> bool:
        """Whether one was raised."""
        return self._taken

    def linger(self, number: int, frame: FrameType | None) -> None:
        """One that belongs to those before it is ignored."""
        if self._first_s is None or time.monotonic() - self._first_s > LINGER_S:
            signal.default_int_handler(number, frame)

    def take(self, *, anyway: bool = False) -> None:
        """Raise KeyboardInterrupt for one that was kept, if none was raised before."""
        if self._kept and (anyway or not self._taken):
            self._kept, self._taken = False, True
            raise KeyboardInterrupt


_current: _Interrupts | None = None


def _is_usual() -> bool:
    """Whether an interrupt would raise KeyboardInterrupt, and nothing else."""
    handler: Any = signal.getsignal(signal.SIGINT)
    lingering = getattr(handler, "__func__", None) is _Interrupts.linger
    return handler is signal.default_int_handler or lingering


@contextmanager
def held(*, in_cell: bool = False) -> Iterator[None]:
    """In this block an interrupt breaks in where it is `taken()`; the outermost block counts.

    Raises KeyboardInterrupt at its end for one that came and was not taken. With `in_cell`, the
    others of a crowd are ignored for LINGER_S from the first one on, also behind the block: there
    they would hit the kernel while it tells how the cell ended, and the front end would wait for
    that for good.
    """
    global _current
    if (
        _current is not None
        or threading.current_thread() is not threading.main_thread()
        or not _is_usual()
    ):
        yield
        return
    _current = interrupts = _Interrupts()
    signal.signal(signal.SIGINT, interrupts.come)
    try:
        yield
        interrupts.take()
    finally:
        _current = None
        lingers = in_cell and interrupts.was_taken
        signal.signal(signal.SIGINT, interrupts.linger if lingers else signal.default_int_handler)


@contextmanager
def taken() -> Iterator[None]:
    """In this block an interrupt raises KeyboardInterrupt at once, the first time one comes.

    One that was kept raises it at the block's beginning.
    """
    interrupts = _current
    if interrupts is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts.n_ready += 1
    try:
        interrupts.take()
        yield
    finally:
        interrupts.n_ready -= 1
