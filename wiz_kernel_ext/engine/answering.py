"""From the logits of a step to the tokens of an answer: constrain, pick, take, and go on.

One place for every way in which a sequence is computed. Called by the engine, on its thread.
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from wiz_kernel_ext.engine.backend import Context, Model
from wiz_kernel_ext.engine.logprobs import token_logprob
from wiz_kernel_ext.engine.sequence import Sequence
from wiz_kernel_ext.protocol.results import FinishReason


class Answering:
    """Takes the tokens of answers from what `context` computed of `model`."""

    def __init__(self, model: Model, context: Context) -> None:
        self._model = model
        self._context = context

    def take(
        self, sequence: Sequence, rows: Many[int], drafted: list[int], now: float
    ) -> FinishReason | None:
        """Pick the next token, and one more for each guess that was the one that was picked.

        Returns why the answer has ended, None where it has not. Raises ConstraintRefused.
        """
        for i, row in enumerate(rows):
            token = self._pick(sequence, row)
            is_end = self._ends(sequence, token)
            if is_end and (shut := sequence.shut_thinking()):
                return self._force(sequence, shut, now)  # it owes the answer
            piece = b"" if is_end else self._piece(sequence, token)
            if reason := sequence.take_token(token, piece, is_end=is_end, now=now):
                return reason
            if forced := sequence.follow(token):
                return self._force(sequence, forced, now)
            if sequence.is_over:
                return "stop"
            if drafted[i : i + 1] != [token]:
                break
        return None

    def free(self, sequence: Sequence) -> None:
        """Give back what picking for `sequence` took."""
        if sequence.sampler is not None:
            self._context.free_sampler(sequence.sampler)
            sequence.sampler = None

    def _pick(self, sequence: Sequence, row: int) -> int:
        is_told = sequence.logprobs is not None and not sequence.is_thinking
        seen = self._context.logprobs(row) if is_told else None
        if (constraint := sequence.constraint_now) is not None:
            self._context.restrict(row, constraint.mask())
        token = self._context.sample(self._sampler_of(sequence), row)
        if seen is not None and sequence.logprobs is not None:
            known = token_logprob(token, seen, sequence.n_top, self._model)
            sequence.logprobs.append(known)
        return token

    def _force(self, sequence: Sequence, tokens: list[int], now: float) -> FinishReason | None:
        """Take tokens that nothing else could follow: they are read, not picked."""
        if sequence.sampler is not None:
            self._context.accept(sequence.sampler, tokens)
        for n, token in enumerate(tokens):
            sequence.n_unsaid = len(tokens) - n - 1
            piece = self._piece(sequence, token)
            sequence.n_forced += 1
            if reason := sequence.take_token(token, piece, is_end=False, now=now):
                return reason
        return "stop" if sequence.is_over else None

    def _ends(self, sequence: Sequence, token: int) -> bool:
        if not (self._model.ends_generation(token) or token in sequence.ends):
            return False
        return sequence.reasoning is None or not sequence.reasoning.goes_on_after(token)

    def _piece(self, sequence: Sequence, token: int) -> bytes:
        """What a token prints, or its text, where it prints nothing and marks thinking or calls."""
        return self._model.piece(token) or sequence.written(token)

    def _sampler_of(self, sequence: Sequence) -> object:
        if sequence.sampler is None:
            sampling = sequence.sampling
            sequence.sampler = self._context.make_sampler(sampling.stages)
            if sampling.n_lookback:
                before = sequence.tokens[-sampling.n_lookback :]
                self._context.accept(sequence.sampler, [t for t in before if t >= 0])
        return sequence.sampler
