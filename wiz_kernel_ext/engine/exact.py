"""The lane of prompts whose text is to be the same every time (`reproducible`).

A row of a step is rounded otherwise beside others than alone, and otherwise where its cells lie
elsewhere. So these prompts have a context of their own, one after the other: its cells in order
from the first, its steps cut at the same places, nobody else's rows among them. What is kept from
one prompt to the next are whole pieces that were read in the same steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from wiz_kernel_ext.engine.adapters import NO_ADAPTERS, AdapterSet
from wiz_kernel_ext.engine.answering import Answering
from wiz_kernel_ext.engine.backend import Aborted, Batch, Context, DecodeFailed, Model, NoRoom
from wiz_kernel_ext.engine.radix_tree import common_prefix
from wiz_kernel_ext.engine.sequence import Sequence
from wiz_kernel_ext.errors import InternalError, WizError
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.results import FinishReason

_PARAMETERS_A_STEP = 4e10
_LEAST, _MOST = 8, 256
ONLY = 0
"""The one sequence id."""

OnEnd = Callable[[Sequence, FinishReason], None]
OnError = Callable[[Sequence, WizError], None]
UseAdapters = Callable[[Context, AdapterSet], None]


def piece_size(n_params: int) -> int:
    """Tokens read in one step: always as many for one model, whatever the machine does besides.

    About a tenth of a second's work for a model of any size on a small machine.
    """
    size = _MOST
    while size > _LEAST and size * n_params > _PARAMETERS_A_STEP:
        size //= 2
    return size


class ExactLane:
    """Prompts one at a time; `make_context` gives the context when the first one comes.

    It has one sequence of the engine's context size. The ends of prompts are told to `on_end` and
    `on_error`, which free what they hold; `use_adapters` has a context compute with a set of them.
    """

    def __init__(
        self,
        model: Model,
        make_context: Callable[[int], Context],
        clock: Callable[[], float],
        on_end: OnEnd,
        on_error: OnError,
        use_adapters: UseAdapters,
    ) -> None:
        self._model = model
        self._make_context = make_context
        self._clock = clock
        self._on_end = on_end
        self._on_error = on_error
        self._use_adapters = use_adapters
        self._size = piece_size(model.facts.n_params)
        self._context: Context | None = None
        self._waiting: deque[Sequence] = deque()
        self._running: Sequence | None = None
        self._answering: Answering | None = None
        self._read: list[int] = []
        """The tokens of the last prompt whose cells were computed in whole pieces."""
        self._adapters = NO_ADAPTERS
        """What those cells were computed with."""

    @property
    def is_busy(self) -> bool:
        """Whether anybody runs or waits."""
        return self._running is not None or bool(self._waiting)

    @property
    def sequences(self) -> list[Sequence]:
        """Who runs and who waits."""
        return [*filter(None, [self._running]), *self._waiting]

    def submit(self, sequence: Sequence) -> None:
        """Queue a prompt; raises ModelLoadFailed where there is no room for another context."""
        if self._context is None:
            self._context = self._make_context(self._size)
            self._answering = Answering(self._model, self._context)
        self._waiting.append(sequence)

    def leave(self, sequence: Sequence) -> bool:
        """Free what a prompt that has ended holds; whether it was one of this lane's."""
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        elif sequence is self._running:
            self._running = None
        else:
            return False
        if self._answering is not None:
            self._answering.free(sequence)
        return True

    def step(self) -> bool:
        """Move the first prompt on by one step; whether there was one."""
        if self._running is None and self._waiting:
            self._begin(self._waiting.popleft())
        sequence, context = self._running, self._context
        if sequence is None or context is None:
            return False
        n = min(sequence.n_unread, self._size - sequence.n_past % self._size)
        if sequence.n_generated:
            n = min(sequence.n_unread, self._size)
        batch, end = Batch(), sequence.n_past + n
        rows = batch.add(
            ONLY,
            sequence.n_past,
            sequence.tokens[sequence.n_past : end],
            n_outputs=int(n == sequence.n_unread),
            images=sequence.images,
        )
        try:
            self._use_adapters(context, sequence.adapters)
            context.decode(batch)
        except Aborted:
            return True
        except (NoRoom, DecodeFailed) as error:
            self.forget()
            failed = InternalError(f"The engine could not compute a step: {error or 'no room'}")
            self._on_error(sequence, failed)
            return True
        self._commit(sequence, rows, end)
        return True

    def forget(self) -> None:
        """What the memory holds is anybody's guess."""
        self._read = []
        if self._context is not None:
            self._context.clear()

    def abort(self) -> None:
        """Break off the step under way, which is made again; from any thread."""
        if (context := self._context) is not None and self._running is not None:
            context.abort()

    def close(self) -> None:
        """Give the context back; its prompts have ended."""
        if self._context is not None:
            self._use_adapters(self._context, NO_ADAPTERS)
            self._context.close()
            self._context = self._answering = None

    def _begin(self, sequence: Sequence) -> None:
        context = self._context
        assert context is not None
        # The last piece is read again, for the row that the answer begins with.
        n = min(common_prefix(self._read, sequence.tokens), len(sequence.tokens) - 1)
        n -= n % self._size
        if sequence.adapters.id != self._adapters.id:
            n = 0
        if n and not (context.can_cut and context.can_resume(ONLY, n) and context.cut(ONLY, n)):
            n = 0
        if not n:
            context.clear()
        self._read, self._adapters = sequence.tokens[:n], sequence.adapters
        self._running = sequence
        sequence.start(ONLY, n, self._clock())

    def _commit(self, sequence: Sequence, rows: range, end: int) -> None:
        assert self._answering is not None
        sequence.n_past = end
        if end % self._size == 0 and end <= sequence.n_prompt:
            self._read = sequence.tokens[:end]
        now = self._clock()
        if not sequence.n_generated and (not rows or end > self._size):
            total = float(sequence.n_prompt)
            sequence.listener.on_event(Progress(stage="prompt", done=float(end), total=total))
        if not rows:
            return
        try:
            reason = self._answering.take(sequence, rows, [], now)
        except WizError as error:
            self._on_error(sequence, error)
            return
        if reason:
            self._on_end(sequence, reason)
