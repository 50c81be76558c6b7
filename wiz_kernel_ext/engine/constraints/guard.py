"""What keeps an answer of a given shape from running away where its grammar would let it.

A small model at the end of its wits says 0.3333 for ever, or the same item of a list again and
again, and no schema bounds that. So after many digits, and after many repetitions, it is led to
where it may stop; what its grammar demands it may always say. Pure: tokens in, masks narrowed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary

Bits = npt.NDArray[np.uint32]

MOST_DIGITS = 24
"""In a row; an integer of 64 bits has 20."""
MOST_EXPONENT_DIGITS = 2
"""So that the number is one that a computer has."""
REPETITIONS = 10
_LEAST_LOOP = 30
_LONGEST_PERIOD = 128
"""In tokens; fewer repeated than the one, or repeating later than the other, is no loop."""
_LOOK_EVERY = 8


class Guard:
    """Reads an answer along; `is_json`: its strings are told from its numbers."""

    def __init__(
        self, vocabulary: Vocabulary, *, is_json: bool = False, allow_repeats: bool = False
    ) -> None:
        self._vocabulary = vocabulary
        self._is_json = is_json
        self._allow_repeats = allow_repeats
        self._said: list[int] = []
        self._n_digits = 0
        self._is_exponent = self._is_string = self._is_escaped = False
        self._is_empty_string = False
        self.is_looping = False
        """Whether it has said the same for too long, and is to come to an end."""

    def copy(self) -> Guard:
        """One for another answer."""
        return Guard(self._vocabulary, is_json=self._is_json, allow_repeats=self._allow_repeats)

    def push(self, token: int) -> None:
        """`token` was said."""
        self._said.append(token)
        self.read(self.piece(token))
        if not (self._allow_repeats or self.is_looping) and len(self._said) % _LOOK_EVERY == 0:
            self.is_looping = is_loop(self._said)

    def piece(self, token: int) -> bytes:
        """What a token prints."""
        return self._vocabulary.pieces[token]

    def read(self, text: bytes) -> None:
        """`text` was said, in tokens of no account."""
        for byte in text:
            self._read(byte)

    def narrow(self, mask: Bits, *, is_whole: bool) -> None:
        """Take out of `mask` what would go on as before, where something else is left."""
        most = MOST_EXPONENT_DIGITS if self._is_exponent else MOST_DIGITS
        if self._n_digits >= most:
            self._keep(mask, ~self._vocabulary.digits, is_whole=is_whole)
        if self.is_looping and not self._is_empty_string:
            self._lead_to_end(mask, is_whole=is_whole)

    def _lead_to_end(self, mask: Bits, *, is_whole: bool) -> None:
        known = self._vocabulary
        ways = (known.closing_after_string, known.quotes) if self._is_string else (known.closing,)
        for way in ways:
            if (mask & way).any():
                mask &= way
                return
        if is_whole:
            mask &= known.ending

    def _keep(self, mask: Bits, kept: Bits, *, is_whole: bool) -> None:
        if (mask & kept).any():
            mask &= kept
        elif is_whole:
            mask[:] = self._vocabulary.ending

    def _read(self, byte: int) -> None:
        """Where the next byte stands: in a string, a number, its exponent."""
        character = chr(byte)
        self._is_empty_string = self._is_json and not self._is_string and character == '"'
        if self._is_json and self._is_string:
            self._is_string = self._is_escaped or character != '"'
            self._is_escaped = character == "\\" and not self._is_escaped
        elif self._is_json and character == '"':
            self._is_string = True
        if character.isdigit():
            self._n_digits += 1
            return
        has_number = self._n_digits > 0 and self._is_json and not self._is_string
        sign = self._is_exponent and not self._n_digits and character in "+-"
        self._is_exponent = sign or (has_number and character in "eE")
        self._n_digits = 0


class CallGuard:
    """`within` guards what comes from `mark` on, the beginning of a call; `before` what comes else.

    `written` is what control tokens say. With `anywhere` text may stand before the mark.
    """

    def __init__(
        self,
        before: Guard | None,
        within: Guard,
        mark: str,
        written: Mapping[int, bytes],
        *,
        anywhere: bool,
    ) -> None:
        self._before = before
        self._within = within
        self._mark = mark.encode()
        self._written = written
        self._anywhere = anywhere
        self._said = b""
        self._is_within = False

    def copy(self) -> CallGuard:
        """One for another answer."""
        return CallGuard(
            self._before.copy() if self._before else None,
            self._within.copy(),
            self._mark.decode(),
            self._written,
            anywhere=self._anywhere,
        )

    def push(self, token: int) -> None:
        """`token` was said."""
        if self._is_within:
            self._within.push(token)
            return
        if self._before is not None:
            self._before.push(token)
        self._said += self._written.get(token) or self._within.piece(token)
        at = self._said.find(self._mark)
        self._is_within = at >= 0 if self._anywhere else at == 0
        if self._is_within:
            self._within.read(self._said[at:])
        elif self._anywhere:
            self._said = self._said[-len(self._mark) :]
        else:
            self._said = self._said[: 2 * _LONGEST_PERIOD]

    def narrow(self, mask: Bits, *, is_whole: bool) -> None:
        """Take out of `mask` what would go on as before, where something else is left."""
        if (guard := self._now) is not None:
            guard.narrow(mask, is_whole=is_whole)

    @property
    def is_looping(self) -> bool:
        """Whether it has said the same for too long, and is to come to an end."""
        return self._now is not None and self._now.is_looping

    @property
    def _now(self) -> Guard | None:
        return self._within if self._is_within else self._before


def is_loop(tokens: list[int]) -> bool:
    """Whether the last tokens are the same few, many times over."""
    n, last = len(tokens), tokens[-1]
    for period in range(1, min(_LONGEST_PERIOD, n // REPETITIONS) + 1):
        if tokens[-1 - period] != last:
            continue
        length = max(period * REPETITIONS, _LEAST_LOOP)
        if n >= length + period and tokens[-length:] == tokens[-length - period : -period]:
            return True
    return False
