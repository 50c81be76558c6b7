"""One request being handled: where its events go, and whether its asker gave up.

Used from two threads: the engine's emits and looks at `cancelled`, the asker's cancels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from wiz_kernel_ext.protocol.events import AnyEvent


def _ignore(event: AnyEvent) -> None:
    """For an asker who wants the end only."""


class Call:
    """A request on its way; `on_event` may be called from any thread."""

    def __init__(self, on_event: Callable[[AnyEvent], object] = _ignore) -> None:
        self._on_event = on_event
        self._callbacks: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self.cancelled = False

    def emit(self, event: AnyEvent) -> None:
        """Tell the asker of something on the way."""
        try:
            self._on_event(event)
        except RuntimeError:  # its event loop is closed: nobody is there to hear the end either
            self.cancel()

    def cancel(self) -> None:
        """Give the request up; a second time changes nothing."""
        with self._lock:
            if self.cancelled:
                return
            self.cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call `callback` when this is cancelled, at once if it has been."""
        with self._lock:
            if not self.cancelled:
                self._callbacks.append(callback)
                return
        callback()
