"""One question to the hub, asked again for some seconds where that may help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from wiz_kernel_ext.children.lines import Line, Noted
from wiz_kernel_ext.hub.fetch.bounds import in_time
from wiz_kernel_ext.hub.fetch.failures import Subject, explain, is_retried
from wiz_kernel_ext.hub.fetch.http import is_transport_error, retry_after_s, session
from wiz_kernel_ext.hub.fetch.retry_policy import Retries

Say = Callable[[Line], None]
T = TypeVar("T")

ASKING_PATIENCE_S = 8.0
_UNREACHED_PATIENCE_S = 1.5
_LONGEST_ASKED_S = 60.0


def asked(
    request: Callable[[], T],
    subject: Subject,
    say: Say,
    patience_s: float = ASKING_PATIENCE_S,
    *,
    n_bytes: int = 0,
) -> T:
    """What `request()` answers; raises WizError after `patience_s`, sooner if nobody is there.

    `n_bytes` is how much it is asked for, where that is known: an answer has its bounded time.
    """
    session()
    retries = Retries(patience_s, time.monotonic())
    while True:
        try:
            with in_time(say, n_bytes):
                return request()
        except Exception as error:
            failure = error
        if is_transport_error(failure):
            retries.patience_s = min(retries.patience_s, _UNREACHED_PATIENCE_S)
        asked_s = None
        if (response := getattr(failure, "response", None)) is not None:
            asked_s = retry_after_s(response.headers)
        if asked_s is not None and patience_s:
            retries.patience_s = max(retries.patience_s, _LONGEST_ASKED_S)
        wait_s = retries.wait_s(time.monotonic(), asked_s) if is_retried(failure) else None
        if wait_s is None:
            raise explain(failure, subject) from None
        if asked_s:
            say(Noted(f"The hub asks to wait {asked_s:.0f} s."))
        time.sleep(wait_s)
