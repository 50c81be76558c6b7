"""One prompt on its way through the engine, from tokens to its end.

Holds its own state and knows how it changes; decides nothing about others. The engine's thread is
the only one to touch it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wiz_kernel_ext.engine.adapters import NO_ADAPTERS, AdapterSet
from wiz_kernel_ext.engine.coalescer import Coalescer
from wiz_kernel_ext.engine.constraints.constraint import Constraint
from wiz_kernel_ext.engine.detokenizer import Detokenizer
from wiz_kernel_ext.engine.drafting import Drafter
from wiz_kernel_ext.engine.images import Row
from wiz_kernel_ext.engine.reasoning.thinking import ThinkingApart
from wiz_kernel_ext.engine.runaway import Runaway
from wiz_kernel_ext.engine.sampling import Sampling
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice
from wiz_kernel_ext.protocol.results import (
    AnswerInfo,
    FinishReason,
    Timings,
    TokenLogprob,
    Usage,
)

LOOPING = (
    "The answer said the same again and again, and was led to its end: what it closed may be "
    "shorter than meant (allow_repeats lets it go on)."
)


class State(enum.Enum):
    """Where a sequence stands."""

    WAITING = "waiting"
    READING = "reading"
    GENERATING = "generating"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who is told: of events on the way, and of the one end."""

    on_event: Callable[[AnyEvent], object]
    on_end: Callable[[AnswerInfo | WizError], object]


@dataclass(eq=False, kw_only=True)
class Sequence:
    """A prompt and its answer; times are the engine's clock's, in seconds.

    `tokens` are the prompt's and, behind them, the answer's; the first `n_past` of them are in the
    KV memory. `images` are the embeddings of the pieces of images in the prompt, by their places.
    `number` is its place in the order of arrival. `runaway` reads along, where an answer that
    repeats itself without end is to be ended. `owner` is the conversation it belongs to, where
    its state may be kept on the disk. `drafters` may guess what it goes on with. `constraint` is
    what the answer may be, ahead of it by `n_unsaid` tokens that can only follow; `logprobs` how
    likely its tokens were, with `n_top` others, where that was asked for. `reasoning` tells what
    the model thinks from its answer. It is computed with
    `adapters`.
    """

    tokens: list[int]
    sampling: Sampling
    detokenizer: Detokenizer
    listener: Listener
    context_size: int
    max_tokens: int | None = None
    owner: str | None = None
    images: Mapping[int, Row] = field(default_factory=dict)
    adapters: AdapterSet = NO_ADAPTERS
    number: int = 0
    n_prompt: int = 0
    n_cached: int = 0
    n_past: int = 0
    state: State = State.WAITING
    sequence_id: int = -1
    sampler: Any = None
    ends: frozenset[int] = frozenset()
    runaway: Runaway | None = None
    drafters: tuple[Drafter, ...] = ()
    constraint: Constraint | None = None
    reasoning: ThinkingApart | None = None
    n_top: int = 0
    logprobs: list[TokenLogprob] | None = None
    n_forced: int = 0
    n_unsaid: int = 0
    n_drafted: int = 0
    n_kept: int = 0
    submitted_at: float = 0.0
    started_at: float | None = None
    first_token_at: float | None = None
    coalescer: Coalescer[Delta] = field(default_factory=lambda: Coalescer(Delta))
    _text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.n_prompt = len(self.tokens)

    @property
    def n_generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.n_prompt

    @property
    def n_unread(self) -> int:
        """Tokens not yet in the KV memory."""
        return len(self.tokens) - self.n_past

    @property
    def is_reading(self) -> bool:
        """Whether tokens of it are to be computed as many at once as there is time for."""
        return self.n_unread > 1

    @property
    def n_draftable(self) -> int:
        """How many tokens of its answer may be guessed."""
        if not self.drafters or self.is_reading:
            return 0
        most = self.context_size - len(self.tokens) - 1
        if self.max_tokens is not None:
            most = min(most, self.max_tokens - self.n_generated - 1)
        return max(most, 0)

    @property
    def is_thinking(self) -> bool:
        """Whether what comes next is thinking: no part of the answer yet."""
        return self.reasoning is not None and self.reasoning.is_thinking

    @property
    def constraint_now(self) -> Constraint | None:
        """What its next token has to keep to, if anything."""
        constraint = self.constraint
        is_free = self.is_thinking or constraint is None or constraint.is_done
        return None if is_free else constraint

    @property
    def is_over(self) -> bool:
        """Whether nothing may follow what it has said."""
        constraint = self.constraint_now
        return constraint is not None and constraint.is_over

    def shut_thinking(self) -> list[int]:
        """The tokens that close its thinking, if it is thinking; asked for once."""
        return [] if self.reasoning is None else self.reasoning.shut()

    def written(self, token: int) -> bytes:
        """What a control token says where it is part of the text; else nothing."""
        if self.reasoning is not None and (mark := self.reasoning.mark(token)):
            return mark
        constraint = self.constraint_now
        return b"" if constraint is None else constraint.written.get(token, b"")

    def follow(self, token: int) -> list[int]:
        """Move the constraint on by a `token` just taken; returns what can only follow."""
        if self.reasoning is not None and self.reasoning.was_thinking:
            return self.reasoning.due()
        if (constraint := self.constraint_now) is None:
            return []
        was_looping = constraint.is_looping
        # Who asks how likely each token was is told that of all of them.
        forced = constraint.take(token, forces=self.logprobs is None)
        if constraint.is_looping and not was_looping:
            self.listener.on_event(Notice(text=LOOPING))
        return forced

    def take_draft(self, n_drafted: int, n_kept: int) -> None:
        """Of so many guesses the first `n_kept` were right: their cells are computed."""
        self.n_past += n_kept
        self.n_drafted += n_drafted
        self.n_kept += n_kept

    def start(self, sequence_id: int, n_cached: int, now: float) -> None:
        """It has a sequence id, with its first `n_cached` tokens in it."""
        self.state = State.READING
        self.sequence_id = sequence_id
        self.n_past = n_cached
        if self.started_at is None:
            self.started_at = now
            self.n_cached = n_cached

    def put_back(self) -> None:
        """It lost its cells to an older one: it will read again what it had, and go on."""
        self.state = State.WAITING
        self.sequence_id = -1
        self.n_past = 0

    def take_token(
        self, token: int, piece: bytes, *, is_end: bool, now: float
    ) -> FinishReason | None:
        """Take a sampled token; returns the reason to finish, or None to go on."""
        self.state = State.GENERATING
        if self.first_token_at is None:
            self.first_token_at = now
        if is_end:
            return "stop"
        self.tokens.append(token)
        said: str | None = self.detokenizer.decode(piece)
        if self.reasoning is not None:
            said = self.reasoning.take(said or "", now)
        if said is not None and (reason := self._take_text(self.detokenizer.take(said), now)):
            return reason
        if self.n_generated == self.max_tokens or len(self.tokens) >= self.context_size:
            return "length"
        return None

    def _take_text(self, text: str, now: float) -> FinishReason | None:
        """Take more of the answer; returns the reason to finish, or None to go on."""
        self._text.append(text)
        if delta := self.coalescer.add(text, now):
            self.listener.on_event(delta)
        if self.detokenizer.stopped:
            return "stop"
        if self.runaway and (what := self.runaway.push(text)):
            self.listener.on_event(Notice(text=f"The answer was ended: {what}."))
            return "runaway"
        return None

    def finish(self, reason: FinishReason, now: float) -> None:
        """End it with what there is."""
        is_whole = reason not in ("cancelled", "interrupted")
        held = "" if self.reasoning is None else self.reasoning.flush(is_whole=is_whole)
        rest = self.detokenizer.take(held) + self.detokenizer.flush()
        self._text.append(rest)
        if delta := self.coalescer.flush(rest):
            self.listener.on_event(delta)
        self.state = State.ENDED
        self.listener.on_end(
            AnswerInfo(
                text="".join(self._text),
                finish_reason=reason,
                thinking="" if self.reasoning is None else self.reasoning.text,
                incomplete=self._is_incomplete,
                logprobs=self.logprobs,
                usage=Usage(
                    n_prompt_tokens=self.n_prompt,
                    n_cached_tokens=self.n_cached,
                    n_tokens=self.n_generated,
                    n_drafted_tokens=self.n_drafted,
                    n_accepted_tokens=self.n_kept,
                    n_thinking_tokens=0 if self.reasoning is None else self.reasoning.n_tokens,
                    n_forced_tokens=self.n_forced,
                ),
                timings=self._timings(now),
            )
        )

    def fail(self, error: WizError) -> None:
        """End it with an error."""
        self.state = State.ENDED
        self.listener.on_end(error)

    @property
    def _is_incomplete(self) -> bool:
        constraint = self.constraint
        return constraint is not None and (self.n_unsaid > 0 or not constraint.is_whole)

    def _timings(self, now: float) -> Timings:
        started = now if self.started_at is None else self.started_at
        first = now if self.first_token_at is None else self.first_token_at
        return Timings(
            queued_s=started - self.submitted_at,
            first_token_s=first - self.submitted_at,
            prompt_s=first - started,
            generation_s=now - first,
            total_s=now - self.submitted_at,
        )
