"""How many prompt tokens one step may read, so that it stays short.

A step that reads a whole long prompt would make every other answer, and every cancel, wait for
seconds. Pure: learns from the measured time of each step.
"""

from __future__ import annotations

TARGET_S = 0.15
LEAST = 16
"""Below this a chunk costs nearly as much as a larger one: the weights are read once per step."""

_FLOPS_GUESS = 60e9
_LEARNING = 0.3


class Pace:
    """The budget of prompt tokens of a step, between `LEAST` and `most`."""

    def __init__(self, *, most: int, n_params: int, target_s: float = TARGET_S) -> None:
        self._most = most
        self._target_s = target_s
        self._token_s = max(2.0 * n_params / _FLOPS_GUESS, 1e-6)

    @property
    def n_tokens(self) -> int:
        """How many prompt tokens the next step may read."""
        return int(min(self._most, max(LEAST, self._target_s / self._token_s)))

    def learn(self, n_prompt_tokens: int, n_other: int, seconds: float) -> None:
        """Take the measure of a step; one that was mostly answers says little about reading."""
        if n_prompt_tokens < LEAST or n_prompt_tokens < n_other:
            return
        measured = seconds / (n_prompt_tokens + n_other)
        self._token_s += _LEARNING * (measured - self._token_s)
