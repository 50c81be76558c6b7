"""The climb: model → context → conversation, in one step, for whoever wants a model ready.

All or nothing: what fails is undone, so the machine is as it was. One at a time for each model:
who comes second finds what the first one made, takes it, or is told how it differs. Knows files,
workers and memory; the handlers, prompts and the crash of a worker come here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec import structs
from msgspec.structs import replace

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.configuration.limits import Limits, no_limits
from wiz_kernel_ext.errors import ModelFileNotFound, ModelLoadFailed, WizError
from wiz_kernel_ext.models.identity import FileIdentity, identify
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.hub import Fit
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo
from wiz_kernel_ext.service.limits import check_load, check_memory, lowered
from wiz_kernel_ext.service.load_check import LoadCheck, too_big, with_room
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.supervisor import Supervisor, Worker
from wiz_kernel_ext.service.waiting import telling, telling_silence

log = logging.getLogger(__name__)

Undo = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is wanted: a file, how it is loaded, and its context (None: none yet).

    What `load` and `context` leave open fits what there is. `takes_what_is_there`: so does the
    rest; it is only how to load what is not loaded.
    """

    path: Path
    load: LoadModel = field(default_factory=LoadModel)
    context: CreateContext | None = field(default_factory=CreateContext)
    takes_what_is_there: bool = False


@dataclass
class Ready:
    """A worker on its way to be ready, or ready, and how long each step took."""

    worker: Worker
    model: ModelInfo
    context: ContextInfo | None = None
    loaded_s: float = 0.0
    context_s: float = 0.0


class Climb:
    """Has models ready, and remembers how each was loaded, to do it again after a crash."""

    def __init__(
        self,
        supervisor: Supervisor,
        library: Library,
        check: LoadCheck,
        limits: Callable[[], Limits] = no_limits,
    ) -> None:
        self._supervisor = supervisor
        self._limits = limits
        self._library = library
        self._check = check
        self._wishes: dict[str, Wish] = {}
        self._climbing: dict[str, Operation] = {}

    def _wish_of(self, worker: Worker) -> Wish:
        """How the model of `worker` was loaded."""
        return self._wishes.get(worker.key) or Wish(path=Path(worker.path))

    def remembered(self, key: str) -> Wish | None:
        """How the model of that key was loaded the last time in this service's life."""
        return self._wishes.get(key)

    def is_loaded(self, identity: FileIdentity) -> bool:
        """Whether that file's model is in memory."""
        worker = self._supervisor.find(identity.key)
        return worker is not None and worker.model is not None

    @asynccontextmanager
    async def ready(self, operation: Operation, wish: Wish) -> AsyncIterator[Ready]:
        """The model as wished, for the block: nobody else changes it, and it does not go away.

        Where the climb fails, or the block does, all is as it was. Raises what loading may raise:
        ModelFileNotFound, GgufInvalid, BadRequest (no memory for the context), Conflict,
        WorkerDied, LimitExceeded, OperationCancelled.
        """
        # Read anew for each: an administrator's word counts for what runs already.
        limits = await asyncio.to_thread(self._limits)
        if wish.takes_what_is_there:
            # As it was once asked for, maybe before there were limits.
            load, context = lowered(limits, wish.load, wish.context)
            wish = Wish(path=wish.path, load=load, context=context, takes_what_is_there=True)
        await asyncio.to_thread(check_load, limits, wish.path, wish.load, wish.context)
        identity = await asyncio.to_thread(identify, wish.path)
        async with self._alone(operation, identity.key):
            undo: list[Undo] = []
            try:
                ready = await self._up(operation, wish, identity, undo)
                yield ready
            except BaseException:
                await asyncio.shield(_undone(undo))
                raise
            self._wishes[identity.key] = _settled(wish, ready, self._wishes.get(identity.key))
        if not ready.model.shared:
            await asyncio.to_thread(self._library.used, wish.path)
            await self._end_outdated(operation, wish.path, identity)

    async def create_context(self, key: str | None, request: CreateContext) -> ContextInfo:
        """The context of a loaded model, made or shared; raises ModelNotLoaded, Conflict."""
        worker = self._supervisor.get(key)
        async with self._supervisor.locked(worker.key):
            if worker.context is None or request.reload:
                await asyncio.to_thread(self._refuse_context, worker, request)
            info = await self._supervisor.create_context(worker, request)
            if not info.shared:
                wish = self._wish_of(worker)
                self._wishes[worker.key] = Wish(
                    path=wish.path, load=wish.load, context=_as_default(request)
                )
            return info

    @asynccontextmanager
    async def _alone(self, operation: Operation, key: str) -> AsyncIterator[None]:
        lock = self._supervisor.locked(key)
        with telling(operation, lambda: [one for one in [self._climbing.get(key)] if one]):
            await operation.unless_cancelled(lock.acquire())
        self._climbing[key] = operation
        try:
            yield
        finally:
            del self._climbing[key]
            lock.release()

    async def _up(
        self, operation: Operation, wish: Wish, identity: FileIdentity, undo: list[Undo]
    ) -> Ready:
        began = time.monotonic()
        key = identity.key
        worker = self._supervisor.find(key)
        if worker is not None and wish.load.reload:
            await asyncio.to_thread(self._refuse_hopeless, wish, worker)
            undo.append(partial(self._put_back, key, self._wish_of(worker)))
            await self._supervisor.end(worker)
            worker = None
        was_there = worker is not None
        if worker is None:
            if why := self._supervisor.departures.get(key):
                operation.emit(Notice(text=why))
            await self._make_room(operation, wish, undo)
            worker = await operation.unless_cancelled(
                self._supervisor.start(key, wish.path, operation.emit, operation.client)
            )
            undo.append(partial(self._supervisor.end, worker))
        ready = Ready(worker, await self._model(operation, worker, wish))
        ready.loaded_s, began = time.monotonic() - began, time.monotonic()
        if was_there and wish.context is not None and worker.context is None:
            refuse = partial(self._refuse_context, worker, wish.context, wish.load.anyway)
            await asyncio.to_thread(refuse)
        ready.context = await self._context(operation, worker, wish)
        ready.context_s = time.monotonic() - began
        return ready

    async def _model(self, operation: Operation, worker: Worker, wish: Wish) -> ModelInfo:
        if worker.model is not None and wish.takes_what_is_there:
            _tell(operation, worker.model.notices)
            return replace(worker.model, shared=True)
        # Shared under another path, a link's: the worker knows its own.
        request = replace(wish.load, model_path=worker.path, reload=False, context=wish.context)
        return await self._supervisor.load(
            worker, request, operation.emit, operation.on_cancel, telling_silence(operation)
        )

    async def _context(
        self, operation: Operation, worker: Worker, wish: Wish
    ) -> ContextInfo | None:
        if wish.context is None:
            return None
        if worker.context is not None and wish.takes_what_is_there:
            _tell(operation, worker.context.notices)
            return replace(worker.context, shared=True)
        request = replace(wish.context, model_path=None, reload=False)
        operation.emit(Progress(stage="context", done=0.0))
        making = asyncio.ensure_future(
            self._supervisor.create_context(
                worker, request, operation.emit, telling_silence(operation)
            )
        )
        making.add_done_callback(lambda task: task.cancelled() or task.exception())
        # The library cannot be stopped in the middle of it; the worker is ended where it is ours.
        return await operation.unless_cancelled(asyncio.shield(making))

    async def _make_room(self, operation: Operation, wish: Wish, undo: list[Undo]) -> None:
        """Refuse what cannot be; for what can, unload what nobody uses."""
        path, context, draft = wish.path, wish.context or CreateContext(), _draft(wish)

        async def fit_now() -> Fit:
            return await asyncio.to_thread(self._check.fit, path, context, draft)

        fit = await fit_now()
        if fit.verdict == "too big":
            fit = await self._unload_idle(operation, fit, fit_now, undo)
        await self._within_limit(operation, path.name, fit.least_bytes, undo)
        anyway = wish.load.anyway
        refuse_context = partial(self._check.refuse_too_large, draft=draft, anyway=anyway)
        await asyncio.to_thread(refuse_context, path, context, fit)
        if fit.verdict == "too big":
            if not anyway:
                refuse = partial(self._check.refuse_too_big, path.name, fit, path=path)
                await asyncio.to_thread(refuse, draft=draft, context=context)
            operation.emit(too_big(path.name, fit, draft))

    def _refuse_hopeless(self, wish: Wish, worker: Worker) -> None:
        """Refuse a reload that could not be, while the loaded model is still there.

        Raises BadRequest, NotEnoughMemory. What it and idle models would give back is counted in;
        how much there really is, is seen once they are gone.
        """
        path, context, draft = wish.path, wish.context or CreateContext(), _draft(wish)
        given_back = worker.process.memory_bytes() + self.room_bytes()
        fit = with_room(self._check.fit(path, context, draft), given_back)
        self._check.refuse_too_large(path, context, fit, draft=draft, anyway=wish.load.anyway)
        if not wish.load.anyway:
            self._check.refuse_too_big(path.name, fit, path=path, draft=draft, context=context)

    def _refuse_context(
        self, worker: Worker, request: CreateContext, anyway: bool | None = None
    ) -> None:
        """Refuse a context that memory cannot hold, for a model that is loaded already.

        Raises BadRequest. The memory of the context it takes the place of is given back.
        """
        path, draft = Path(worker.path), _draft(self._wish_of(worker))
        try:
            fit = self._check.fit(path, request, draft)
        except (ModelFileNotFound, ModelLoadFailed):  # it is loaded, whatever became of its file
            return
        fit = structs.replace(with_room(fit, worker.kv_bytes), other_bytes=0)
        self._check.refuse_too_large(path, request, fit, draft=draft, anyway=anyway)

    def room_bytes(self) -> int:
        """The memory that idle models would give back."""
        return sum(worker.process.memory_bytes() for worker in self._supervisor.idle())

    def refuse_too_big(self, name: str, fit: Fit, context: CreateContext) -> None:
        """Raise NotEnoughMemory for a model that is not here yet and would not fit anyway."""
        if fit.least_bytes > fit.available_bytes + self.room_bytes():
            self._check.refuse_too_big(name, fit, context=context)

    async def _unload_idle(
        self,
        operation: Operation,
        fit: Fit,
        fit_now: Callable[[], Awaitable[Fit]],
        undo: list[Undo],
    ) -> Fit:
        """Unload idle models, longest unused first, until it fits; none where that is in vain."""
        idle = sorted(self._supervisor.idle(), key=lambda worker: -worker.idle_s())
        if fit.available_bytes + self.room_bytes() < fit.least_bytes:
            return fit
        for worker in idle:
            if fit.verdict != "too big":
                break
            await self._give_way(operation, worker, undo)
            fit = await fit_now()
        return fit

    async def _within_limit(
        self, operation: Operation, name: str, needed_bytes: int, undo: list[Undo]
    ) -> None:
        """Unload idle models as far as the machine's limit wants it; raises LimitExceeded."""
        limits = await asyncio.to_thread(self._limits)
        most = limits.max_memory_bytes
        if most is None:
            return
        used = {worker.key: worker.process.memory_bytes() for worker in self._supervisor.all()}
        idle = sorted(self._supervisor.idle(), key=lambda worker: -worker.idle_s())
        kept = sum(used.values()) - sum(used[worker.key] for worker in idle)
        check_memory(limits, name, needed_bytes, kept)
        for worker in idle:
            if sum(used.values()) + needed_bytes <= most:
                break
            await self._give_way(operation, worker, undo)
            del used[worker.key]

    async def _give_way(self, operation: Operation, worker: Worker, undo: list[Undo]) -> None:
        undo.append(partial(self._put_back_idle, worker.key, self._wish_of(worker)))
        await self._supervisor.end(worker)
        text = f"{worker.name} was unloaded to make room: it was not in use."
        operation.emit(Notice(text=text))

    async def _put_back(self, key: str, wish: Wish) -> None:
        """Load again what was ended for a climb that failed; the model's lock is held."""
        try:
            worker = await self._supervisor.start(key, wish.path, ignore)
            request = replace(
                wish.load, model_path=str(wish.path), reload=False, context=wish.context
            )
            await self._supervisor.load(worker, request)
            if wish.context is not None:
                await self._supervisor.create_context(worker, wish.context)
        except WizError as error:
            log.warning("%s could not be loaded again: %s", wish.path, error)
            if (left := self._supervisor.find(key)) is not None:
                await self._supervisor.end(left)

    async def _put_back_idle(self, key: str, wish: Wish) -> None:
        """The same for another model, unless somebody had it loaded meanwhile."""
        async with self._supervisor.locked(key):
            if self._supervisor.find(key) is None:
                await self._put_back(key, wish)

    async def _end_outdated(self, operation: Operation, path: Path, identity: FileIdentity) -> None:
        """End the workers of files that were replaced under this path, and say so."""
        for worker in self._supervisor.all():
            if worker.path == str(path) and worker.key != identity.key:
                operation.emit(
                    Notice(text=f"{path.name} was replaced since it was loaded: it is loaded anew.")
                )
                if not worker.n_running:
                    await self._supervisor.end(worker)


def _draft(wish: Wish) -> Path | None:
    return Path(wish.load.draft) if wish.load.draft else None


def _tell(operation: Operation, notices: list[str]) -> None:
    """Tell who takes what is there what the one who had it loaded was told."""
    for text in notices:
        operation.emit(Notice(text=text))


async def _undone(undo: list[Undo]) -> None:
    for step in reversed(undo):
        await step()


def _settled(wish: Wish, ready: Ready, before: Wish | None) -> Wish:
    """How the model is loaded now: what was asked for, where it was not there already."""
    loaded = before if before is not None and ready.model.shared else wish
    context = before.context if before is not None else None
    if ready.context is not None and not ready.context.shared:
        context = wish.context and _as_default(wish.context)
    return Wish(path=loaded.path, load=_by_itself(loaded.load), context=context)


def _by_itself(request: LoadModel) -> LoadModel:
    """A model's parameters, for a load that nobody asks for: what was agreed to is asked again."""
    return replace(request, reload=False, anyway=False)


def _as_default(request: CreateContext) -> CreateContext:
    """A context's parameters, for any model and at any time."""
    return replace(request, reload=False, model_path=None)
