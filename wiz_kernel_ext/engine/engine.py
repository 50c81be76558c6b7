"""The engine: one step after another, plan → decode → sample → detokenize → commit.

Knows prompts as tokens and answers as text; nothing of chats, sessions or sockets. Everything here
runs on the one thread that owns the backend. Called by `worker/`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many

from wiz_kernel_ext.engine.adapters import AdapterSet, AdapterShelf
from wiz_kernel_ext.engine.answering import Answering
from wiz_kernel_ext.engine.backend import Aborted, Context, DecodeFailed, Model, NoRoom
from wiz_kernel_ext.engine.chat.turns import NO_TURNS, Turns
from wiz_kernel_ext.engine.constraints.constraint import Constraint
from wiz_kernel_ext.engine.constraints.masks_ahead import MasksAhead
from wiz_kernel_ext.engine.contention import ThreadCount
from wiz_kernel_ext.engine.detokenizer import Detokenizer
from wiz_kernel_ext.engine.drafting import Drafter
from wiz_kernel_ext.engine.exact import ExactLane
from wiz_kernel_ext.engine.images import NO_ROWS, Row
from wiz_kernel_ext.engine.kv_memory import N_IN_THE_WAY, KvMemory
from wiz_kernel_ext.engine.pace import ALONE_S, TARGET_S, Pace
from wiz_kernel_ext.engine.prompt_lookup import PromptLookup
from wiz_kernel_ext.engine.radix_tree import common_prefix
from wiz_kernel_ext.engine.reasoning.thinking import Reasoning, ThinkingApart
from wiz_kernel_ext.engine.runaway import Runaway
from wiz_kernel_ext.engine.sampling import Sampling, plan_sampling
from wiz_kernel_ext.engine.scheduler import Plan, Scheduler, Work
from wiz_kernel_ext.engine.sequence import Listener, Sequence, State
from wiz_kernel_ext.engine.snapshots import Snapshots
from wiz_kernel_ext.engine.speculation import Speculation
from wiz_kernel_ext.errors import BadRequest, ContextOverflow, InternalError, WizError
from wiz_kernel_ext.protocol.adapters import ScaledAdapter
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import FinishReason

Clock = Callable[[], float]


class Engine:
    """Answers many prompts at once on one model and one context.

    `context_size` is the longest prompt and answer together, in tokens; `slots` how many run at
    once; `seed` is the default of all prompts (None: another each time); `threads` says with how
    many threads to compute from step to step (None: always the context's own); `parking_bytes` of
    host memory keep cached conversations that are in the way of others: those that hold more than
    `n_in_the_way` cells; `snapshots` those that are to outlive this context. `draft` is what
    guesses answers beside a look at their prompts. `make_exact` gives a context for prompts whose
    text is to be the same every time, by the most tokens of its steps; with `reproducible` that is
    all who do not say otherwise.
    """

    def __init__(
        self,
        model: Model,
        context: Context,
        *,
        context_size: int,
        slots: int,
        sequence_ids: int,
        batch_size: int,
        seed: int | None,
        clock: Clock,
        threads: ThreadCount | None = None,
        parking_bytes: int = 0,
        draft: Drafter | None = None,
        snapshots: Snapshots | None = None,
        n_in_the_way: int = N_IN_THE_WAY,
        make_exact: Callable[[int], Context] | None = None,
        reproducible: bool = False,
    ) -> None:
        self._model = model
        self._context = context
        self._context_size = context_size
        self._seed = seed
        self._clock = clock
        self._threads = threads
        self._pace = Pace(most=batch_size, n_params=model.facts.n_params)
        self._memory = KvMemory(
            context, sequence_ids, parking_bytes, snapshots, n_in_the_way=n_in_the_way
        )
        self._draft = draft
        self._lookup = PromptLookup()
        self._speculation = Speculation([d for d in (self._lookup, draft) if d is not None])
        self._scheduler = Scheduler(
            self._memory, self._speculation, slots=slots, batch_size=batch_size
        )
        self._answering = Answering(model, context)
        self._masks = MasksAhead()
        self._adapters = AdapterShelf(model)
        self._exact = make_exact and ExactLane(
            model, make_exact, clock, self._finish, self._fail, self._adapters.use
        )
        self._reproducible = reproducible
        self._snapshots = snapshots
        self._numbers = itertools.count()

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        scheduler, exact = self._scheduler, self._exact
        return bool(scheduler.running or scheduler.waiting or (exact and exact.is_busy))

    def submit(
        self,
        tokens: list[int],
        options: PromptOptions,
        listener: Listener,
        turns: Turns = NO_TURNS,
        owner: str | None = None,
        constraint: Constraint | None = None,
        adapters: Many[ScaledAdapter] = (),
        *,
        n_begun: int | None = None,
        reasoning: Reasoning | None = None,
        images: Mapping[int, Row] = NO_ROWS,
    ) -> Sequence:
        """Queue a prompt; `listener` hears of its events and its one end.

        `turns` is what ends an answer beside the model's own end and what `options` name; `owner`
        the conversation it belongs to: what has none is never written to the disk; `constraint`
        what the answer may be, `reasoning` how the model's thinking is told from it; `adapters` are
        LoRA files by path. `n_begun`: it goes on with a text, in which so many bytes of it are
        already (None: it begins by itself). `images` are the embeddings of the pieces of images in
        it, by their places.
        Raises ContextOverflow where it leaves no room for an answer, BadRequest for options that
        do not fit the model, ModelLoadFailed for such adapters.
        """
        if not tokens:
            raise BadRequest("The prompt is empty.", field="prompt")
        if len(tokens) >= self._context_size:
            raise ContextOverflow(
                f"The prompt has {len(tokens)} tokens; the context holds {self._context_size}, "
                "with the answer.",
                n_prompt_tokens=len(tokens),
                context_size=self._context_size,
            )
        sampling = plan_sampling(
            options,
            seed=secrets.randbits(32) if self._seed is None else self._seed,
            context_size=self._context_size,
            n_vocab=self._model.facts.n_vocab,
            token_of=self._token_of,
        )
        sequence = Sequence(
            tokens=list(tokens),
            sampling=sampling,
            detokenizer=Detokenizer(
                [*(options.stop or ()), *turns.stop],
                strip_space=self._model.facts.adds_space_prefix and n_begun is None,
                n_begun=n_begun or 0,
            ),
            ends=turns.tokens,
            runaway=None if options.allow_repeats else Runaway(turns.markers),
            drafters=self._drafters(options, sampling, has_images=bool(images)),
            images=images,
            listener=listener,
            context_size=self._context_size,
            max_tokens=options.max_tokens,
            owner=owner,
            adapters=self._adapters.take(adapters, self._adapters_in_use),
            constraint=constraint,
            reasoning=ThinkingApart(reasoning, listener.on_event) if reasoning else None,
            n_top=options.logprobs or 0,
            logprobs=[] if options.logprobs is not None or options.best else None,
            number=next(self._numbers),
            submitted_at=self._clock(),
        )
        is_exact = self._reproducible if options.reproducible is None else options.reproducible
        if is_exact and self._exact is not None:
            self._exact.submit(sequence)
        else:
            self._scheduler.submit(sequence)
        return sequence

    def step(self) -> bool:
        """Move every prompt there is on by one step; whether there was anything to compute."""
        now = self._clock()
        if self._threads and self._threads.look(now):
            self._context.set_threads(self._threads.count)
            self._speculation.set_threads(self._threads.count)
        is_alone = len(self._scheduler.running) + len(self._scheduler.waiting) == 1
        target_s = ALONE_S if is_alone and self._context.can_abort else TARGET_S
        plan = self._scheduler.plan(self._pace.n_tokens(target_s), now)
        started_at = self._clock()
        if plan.works and self._decode(plan):
            now = self._clock()
            for work in plan.works:
                self._commit(work, now)
            if plan.n_answer_tokens == len(plan.batch):
                self._speculation.learn_step(len(plan.batch), self._clock() - started_at)
        was_exact = self._exact is not None and self._exact.step()
        return bool(plan.works) or was_exact

    def cancel(self, sequence: Sequence) -> None:
        """End a prompt with what it has; nothing if it has ended."""
        if sequence.state is not State.ENDED:
            self._finish(sequence, "cancelled")

    def abort(self) -> None:
        """Break off the step under way, which is made again; from any thread.

        So that what is posted to the engine's thread need not wait for the end of a long one.
        """
        self._context.abort()
        self._speculation.abort()
        if self._exact is not None:
            self._exact.abort()

    def write_one(self) -> bool:
        """Begin to write one conversation that rests to the disk; whether to ask again."""
        if self._snapshots is not None and not self._snapshots.store.is_writing:
            self._memory.write()
        return bool(self._memory.n_unwritten)

    def close(self) -> None:
        """End every prompt with what it has, because the context is going away.

        Returns when all that was to go to the disk is there.
        """
        for sequence in self._sequences():
            self._finish(sequence, "interrupted")
        self._masks.close()
        if self._exact is not None:
            self._exact.close()
        while self._memory.write():
            pass
        if self._snapshots is not None:
            self._snapshots.store.wait()
        self._adapters.close()

    def fail(self, error: WizError) -> None:
        """End every prompt with `error`, after a step that failed in whatever way.

        What the context holds after that is anybody's guess, so all of it is forgotten.
        """
        self._memory.clear()
        self._scheduler.put_back_all()
        if self._exact is not None:
            self._exact.forget()
        for sequence in self._sequences():
            self._fail(sequence, error)

    def _sequences(self) -> list[Sequence]:
        """Every prompt there is."""
        exact = self._exact.sequences if self._exact is not None else []
        return [*self._scheduler.running, *self._scheduler.waiting, *exact]

    def _decode(self, plan: Plan) -> bool:
        started_at = self._clock()
        asked = [work.sequence.constraint_now for work in plan.works if work.rows]
        self._masks.begin([constraint for constraint in asked if constraint is not None])
        try:
            self._adapters.use(self._context, plan.adapters)
            self._context.decode(plan.batch)
        except Aborted:
            for work in plan.works:
                self._memory.give_back(work.sequence.sequence_id)
            return False
        except (NoRoom, DecodeFailed) as error:
            self._recover(plan, error)
            return False
        finally:
            self._masks.wait()
        n_answers = plan.n_answer_tokens
        self._pace.learn(len(plan.batch) - n_answers, n_answers, self._clock() - started_at)
        return True

    def _recover(self, plan: Plan, error: Exception) -> None:
        """End whom a failed step is about, forget the memory, and let the others read again."""
        sequences = [work.sequence for work in plan.works]
        lost = sequences if isinstance(error, DecodeFailed) else [max(sequences, key=_number)]
        self._memory.clear()
        self._scheduler.put_back_all()
        for sequence in lost:
            failed = InternalError(f"The engine could not compute a step: {error or 'no room'}")
            self._fail(sequence, failed)

    def _commit(self, work: Work, now: float) -> None:
        """Note what was computed and, where the prompt's end was reached, take what follows."""
        sequence = work.sequence
        start, end = sequence.n_past, sequence.n_past + work.n_tokens - len(work.drafted)
        self._memory.extend(sequence.sequence_id, sequence.tokens[start:end])
        sequence.n_past = end
        is_one_of_several = not work.rows or start > sequence.n_cached
        if is_one_of_several and not sequence.n_generated:
            total = float(sequence.n_prompt)
            sequence.listener.on_event(Progress(stage="prompt", done=float(end), total=total))
        if not work.rows:
            return
        try:
            reason = self._answering.take(sequence, work.rows, work.drafted, now)
        except WizError as error:
            self._fail(sequence, error)
            return
        if work.drafted:
            # The last token said is not in the memory: it is what the next step begins with.
            said = sequence.tokens[end:]
            n_kept = common_prefix(work.drafted, said if reason else said[:-1])
            self._memory.extend(sequence.sequence_id, said[:n_kept])
            sequence.take_draft(len(work.drafted), n_kept)
            self._memory.cut_back(sequence.sequence_id, sequence.n_past)
            self._speculation.learn(sequence, len(work.drafted), n_kept)
        if reason:
            self._finish(sequence, reason)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        self._end(sequence)
        sequence.finish(reason, self._clock())

    def _fail(self, sequence: Sequence, error: WizError) -> None:
        self._end(sequence)
        sequence.fail(error)

    def _end(self, sequence: Sequence) -> None:
        """Free what a sequence holds, before its listener hears of the end."""
        if self._exact is None or not self._exact.leave(sequence):
            self._scheduler.leave(sequence)
            self._speculation.forget(sequence)
            self._answering.free(sequence)
        if self._threads and not self.is_busy:
            self._threads.rest(self._clock())

    def _drafters(
        self, options: PromptOptions, sampling: Sampling, *, has_images: bool
    ) -> tuple[Drafter, ...]:
        """Who may guess an answer.

        A row beside others is rounded otherwise than alone, on nearly every device, and so is all
        that looks back on it: where two tokens are nearly as likely, a guess may change the text.
        So one that is promised, greedy or from a seed, is guessed where somebody asked for that.
        A draft model sees no images.
        """
        draft = None if has_images else self._draft
        guessing = (None if options.lookup is False else self._lookup, draft)
        drafters = tuple(drafter for drafter in guessing if drafter is not None)
        is_asked = options.lookup or self._draft is not None
        is_greedy = sampling.stages[-1].name == "greedy"
        is_promised = is_greedy or not (options.seed is None and self._seed is None)
        return () if is_promised and not is_asked else drafters

    def _adapters_in_use(self) -> list[AdapterSet]:
        return [sequence.adapters for sequence in self._sequences()]

    def _token_of(self, text: str) -> int | None:
        tokens = self._model.tokenize(text, parse_special=True)
        return tokens[0] if len(tokens) == 1 else None


def _number(sequence: Sequence) -> int:
    return sequence.number
