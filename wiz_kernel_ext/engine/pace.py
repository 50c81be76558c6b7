"""How many prompt tokens one step may read, so that nobody waits long for it to end.

With others there, a step that reads a whole long prompt would make every answer wait for seconds.
A prompt that is alone makes nobody wait but who comes while it is read. Pure: learns from the time
that each step took.
"""

from __future__ import annotations

from collections import deque
from statistics import median

TARGET_S = 0.15
"""How long a step may take beside others."""
ALONE_S = 1.5
"""And alone, where a cancel need not wait for its end."""
LEAST = 16
"""Below this a chunk costs nearly as much as a larger one: the weights are read once per step."""

_FLOPS_GUESS = 60e9
_N_REMEMBERED = 5


class Pace:
    """The budget of prompt tokens of a step, between `LEAST` and `most`."""

    def __init__(self, *, most: int, n_params: int) -> None:
        self._most = most
        self._token_s = max(2.0 * n_params / _FLOPS_GUESS, 1e-6)
        self._measured: deque[float] = deque(maxlen=_N_REMEMBERED)

    def n_tokens(self, target_s: float = TARGET_S) -> int:
        """How many prompt tokens the next step may read to take `target_s` seconds."""
        return int(min(self._most, max(LEAST, target_s / self._token_s)))

    def learn(self, n_prompt_tokens: int, n_other: int, seconds: float) -> None:
        """Take the measure of a step; one that was mostly answers says little about reading.

        The middle one of the last few counts: a step that read its weights from the disk, or lost
        its processor for a while, is no measure.
        """
        if n_prompt_tokens < LEAST or n_prompt_tokens < n_other:
            return
        self._measured.append(seconds / (n_prompt_tokens + n_other))
        self._token_s = median(self._measured)
