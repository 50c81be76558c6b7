"""When to ask again after a failure: pure, with the clock as an argument."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 20.0


@dataclass
class Retries:
    """Waits that double from failure to failure, and end when nothing came for `patience_s`.

    `started_at` and the times given are on the caller's clock, in seconds.
    """

    patience_s: float
    started_at: float
    n_failures: int = 0

    def progressed(self, now: float) -> None:
        """Something came: patience and waits begin anew."""
        self.started_at = now
        self.n_failures = 0

    def wait_s(self, now: float, asked_s: float | None = None) -> float | None:
        """How long to wait before the next try; None to give up.

        `asked_s` is what the server asked for; asking sooner would only prolong it.
        """
        wait = min(_FIRST_WAIT_S * 2**self.n_failures, _LONGEST_WAIT_S)
        self.n_failures += 1
        if asked_s is not None:
            wait = max(wait, asked_s)
        return wait if now + wait - self.started_at <= self.patience_s else None
