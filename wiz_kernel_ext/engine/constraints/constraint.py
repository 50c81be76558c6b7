"""What one answer may go on with: a grammar's state, moved on token by token.

The grammar itself is compiled in `grammars.py`; the engine asks for a mask before it picks a token
and tells which one it took. A mask is worked out beside the decoding (`masks_ahead.py`), so only
one thread at a time uses a constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from wiz_kernel_ext.engine.constraints.guard import CallGuard, Guard
from wiz_kernel_ext.engine.constraints.vocabulary import Bits, Vocabulary, allow, allows, bits_of
from wiz_kernel_ext.errors import AnswerInvalid, ConstraintRefused

Check = Callable[[str], None]
"""Raises AnswerInvalid for a text."""


class Constraint:
    """Follows one answer; `ends` are tokens that end it beside those of the vocabulary.

    `guard` narrows what the grammar leaves open. `written` are control tokens that are part of the
    answer's text, and what they say there. `check` looks at a whole answer.
    """

    is_done = False
    """Whether nothing is asked of the rest of the answer."""

    written: Mapping[int, bytes] = MappingProxyType({})

    def __init__(
        self,
        matcher: Any,
        vocabulary: Vocabulary,
        guard: Guard | CallGuard,
        ends: Collection[int] = (),
        written: Mapping[int, bytes] | None = None,
        *,
        check: Check,
    ) -> None:
        self._matcher = matcher
        self._unused = matcher.deep_copy()
        self._check = check
        self._vocabulary = vocabulary
        self._guard = guard
        self._ends = tuple(ends)
        if written:
            self.written = written
        self._mask = bits_of((), vocabulary.n_tokens)
        self._is_known = False

    def copy(self) -> Constraint:
        """The same for another answer to the same prompt; before either has begun."""
        made = Constraint(
            self._matcher.deep_copy(),
            self._vocabulary,
            self._guard.copy(),
            self._ends,
            self.written,
            check=self._check,
        )
        made._unused = self._unused
        return made

    def check(self, text: str, *, anew: bool) -> None:
        """Raise AnswerInvalid for a whole answer that is not of its shape, which it was held to.

        It is looked at by its schema, if it has one, and with `anew` by its grammar.
        """
        if anew and not self.fits(text):
            raise AnswerInvalid(
                "The answer is not of the shape that was asked for.",
                hint="This should not happen; ask again, and report what was asked.",
                text=text,
            )
        self._check(text)

    def fits(self, text: str) -> bool:
        """Whether a whole answer is of the shape: read anew, from its beginning to its end."""
        matcher, tokens = self._unused.deep_copy(), self._vocabulary.tokenizer.tokenize_str(text)
        n = matcher.try_consume_tokens(tokens)
        return bool(n == len(tokens) and matcher.is_accepting())

    def begin(self, tokens: Collection[int], text: str) -> None:
        """The answer begins with `tokens`, which are `text`; raises ConstraintRefused."""
        for token in tokens:
            if not allows(self.mask(), token):
                raise ConstraintRefused(
                    f"No answer of the shape that is asked for begins with {text!r}.",
                    hint="Begin it as its shape has it (`--prefill TEXT`), or not at all.",
                    field="prefill",
                )
            self.take(token, forces=False)

    def work_out(self) -> None:
        """Find out what may come next; nothing if that is known."""
        if self._is_known:
            return
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._is_known = True
        is_whole = self.is_whole
        self._guard.narrow(self._mask, is_whole=is_whole)
        if is_whole:
            allow(self._mask, self._ends)

    def mask(self) -> Bits:
        """One bit for each token of the vocabulary, the first the lowest: whether it may come next.

        Raises ConstraintRefused where the grammar has become more than can be followed.
        """
        self.work_out()
        if self._matcher.is_error():
            raise ConstraintRefused(
                f"What the answer was to be became too complex to follow: {reason(self._matcher)}.",
                hint="Make the pattern or the schema simpler, with smaller bounds.",
            )
        return self._mask

    def take(self, token: int, *, forces: bool = True) -> list[int]:
        """`token` was picked; with `forces` what can only follow is taken too, and returned."""
        self._is_known = False
        self._guard.push(token)
        if not self._matcher.consume_token(token) or self.is_over or not forces:
            return []
        forced = [int(one) for one in self._matcher.compute_ff_tokens()]
        for n, one in enumerate(forced):
            if one in self._vocabulary.ends or not self._matcher.consume_token(one):
                return forced[:n]
            self._guard.push(one)
        return forced

    @property
    def is_whole(self) -> bool:
        """Whether the answer may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def is_over(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped()) and not self._matcher.is_error()

    @property
    def is_looping(self) -> bool:
        """Whether the answer said the same again and again, and is led to its end."""
        return self._guard.is_looping


def reason(matcher: Any) -> str:
    """What a matcher says is wrong, without what it was doing at the time."""
    said = str(matcher.get_error()).partition("\n<state>")[0].strip()
    lines = said.splitlines() or [""]
    marked = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (marked or lines)[0].strip().rstrip(".")
