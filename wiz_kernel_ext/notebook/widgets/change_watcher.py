"""Hearing of changes: one thread that waits for the service to say that something is different.

Starts no service and keeps none alive. Knows nothing of what a panel shows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wiz_kernel_ext.errors import WizError

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

log = logging.getLogger(__name__)

SETTLE_S = 0.05
LOOK_AGAIN_S = 1.0
RENEW_S = 20.0


class ChangeWatcher:
    """Calls `refresh` after every change, and `gone` once when the service has ended.

    It watches while any view wants it. `busy` says whether to call `refresh` every `beat_s` as
    well, changed or not.
    """

    def __init__(
        self,
        client: Client,
        refresh: Callable[[], None],
        gone: Callable[[], None],
        *,
        busy: Callable[[], bool] = lambda: False,
        beat_s: float = 1.0,
    ) -> None:
        self._client = client
        self._refresh = refresh
        self._gone = gone
        self._busy = busy
        self._beat_s = beat_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._views: set[str] = set()

    def begin(self, view: str) -> None:
        """ChangeWatcher for `view`, and for others that do."""
        with self._lock:
            self._views.add(view)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wiz-watch", daemon=True)
                self._thread.start()

    def end(self, view: str) -> None:
        """ChangeWatcher for `view` no more; without any, it ends at the next change."""
        with self._lock:
            self._views.discard(view)

    def _run(self) -> None:
        self._seen, self._is_gone = 0, False
        while self._goes_on():
            self._look()

    def _look(self) -> None:
        """Wait for one change and show it."""
        try:
            # Many changes in a row are one for a screen.
            time.sleep(SETTLE_S)
            beat_s = self._beat_s if self._busy() else RENEW_S
            self._seen = self._client.await_change(self._seen, timeout_s=beat_s)
            self._refresh()
            self._is_gone = False
        except WizError as error:
            log.debug("watching: %s", error)
            self._seen = 0
            if not self._is_gone:
                self._gone()
            self._is_gone = True
            self._wait_for_service()
        except Exception:
            # A panel that stopped looking would show what is not so.
            log.exception("watching")
            self._seen = 0
            time.sleep(LOOK_AGAIN_S)

    def _wait_for_service(self) -> None:
        time.sleep(LOOK_AGAIN_S)
        while self._views and not self._client.running():
            time.sleep(LOOK_AGAIN_S)

    def _goes_on(self) -> bool:
        with self._lock:
            if not self._views:
                self._thread = None
            return bool(self._views)
