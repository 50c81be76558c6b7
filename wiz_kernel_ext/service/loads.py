"""The requests that load: from a model's name to the climb, as operations.

`service:load` is kind and whole, `worker:loadModel` as strict as the original's. Knows names and
what a client set before; how a model becomes ready is `climb`'s.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.errors import (
    BadRequest,
    HubNotFound,
    HubUnreachable,
    ModelFileNotFound,
    ModelLoadFailed,
    StoreError,
    error_from_info,
)
from wiz_kernel_ext.hub.inspection import inspect
from wiz_kernel_ext.models.adapters import located_adapters
from wiz_kernel_ext.models.identity import identify
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.models.locate import hint_at_files
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.protocol.chat_templates import check_chat_template
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import End, Notice, Progress, StateChanged
from wiz_kernel_ext.protocol.hub_requests import PullModel
from wiz_kernel_ext.protocol.load_plan import LoadPlan
from wiz_kernel_ext.protocol.requests import (
    CreateContext,
    Load,
    LoadModel,
    OpenSession,
    PlanLoad,
)
from wiz_kernel_ext.protocol.results import Loaded, LoadTimings, ModelInfo, SessionInfo
from wiz_kernel_ext.service.clients import Clients, ClientState
from wiz_kernel_ext.service.climb import Climb, Ready, Wish
from wiz_kernel_ext.service.jobs import Jobs
from wiz_kernel_ext.service.load_check import too_big
from wiz_kernel_ext.service.load_plan import LoadPlanner
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.sessions import Sessions, session_info
from wiz_kernel_ext.service.supervisor import Worker


@dataclass(frozen=True)
class Loads:
    """Begins the operations that load."""

    clients: Clients
    climb: Climb
    jobs: Jobs
    library: Library
    operations: Operations
    planner: LoadPlanner
    sessions: Sessions

    async def begin(self, request: Load, client: str) -> Operation:
        """`service:load`: an operation that ends in `Loaded`."""
        check_chat_template(request.chat_template)
        request = msgspec.structs.replace(request, adapters=await self.adapters(request.adapters))
        title = request.model or await asyncio.to_thread(self.library.default) or ""
        title = Path(title).name if Path(title).is_absolute() else surroundings.public(title)
        operation = Operation("setup", title=title, client=client, session=request.session)

        async def body(operation: Operation) -> Loaded:
            operation.emit(StateChanged(state="running"))
            return await self._load(operation, request)

        await self.operations.start(operation, body)
        return operation

    async def begin_model(self, request: LoadModel, client: str) -> Operation:
        """`worker:loadModel`: an operation that ends in `ModelInfo`."""
        check_chat_template(request.chat_template)
        state = self.clients[client]
        request = _with_defaults(request, state)
        path = await asyncio.to_thread(self.locate, request.model_path)
        request = await self._with_others(request)
        operation = Operation("load", title=path.name, client=client, model_path=str(path))

        async def body(operation: Operation) -> ModelInfo:
            operation.emit(StateChanged(state="running"))
            async with self.climb.ready(
                operation, Wish(path=path, load=request, context=None)
            ) as ready:
                state.model = ready.worker.key
                return ready.model

        await self.operations.start(operation, body)
        return operation

    async def plan(self, request: PlanLoad, client: str) -> LoadPlan:
        """`service:planLoad`: what `begin` would do, of a model that is here."""
        found = await asyncio.to_thread(self._find, request.model)
        if not isinstance(found, Path):
            raise ModelFileNotFound(
                f"{found} is not on this machine.",
                hint=f"`wiz inspect {found}` estimates it by its header, `wiz pull {found}` "
                "fetches it.",
            )
        load = _with_defaults(_part(request, LoadModel), self.clients[client])
        load = await self._with_others(load)
        plan = await self.planner.plan(found, load, _part(request, CreateContext))
        is_loaded = self.climb.is_loaded(await asyncio.to_thread(identify, found))
        return msgspec.structs.replace(plan, is_loaded=is_loaded)

    def locate(self, name: str | None) -> Path:
        """The file that a model's name leads to; raises ModelFileNotFound, AmbiguousModel."""
        found = self._find(name)
        if isinstance(found, Path):
            return found
        raise ModelFileNotFound(
            f"{found} is not on this machine.", hint=f"Fetch it first: `wiz pull {found}`."
        )

    async def adapters(self, names: list[str] | None) -> list[str] | None:
        """Adapters by the paths their names lead to; None stays None.

        Raises BadRequest, ModelFileNotFound, AmbiguousModel.
        """
        if not names:
            return names
        return await asyncio.to_thread(located_adapters, names, self.locate)

    async def _with_others(self, request: LoadModel) -> LoadModel:
        """`request` with the paths of its draft model and projector, which are not fetched."""
        paths = {
            name: str(await asyncio.to_thread(self.locate, given))
            for name in ("draft", "projector")
            if (given := getattr(request, name)) is not None
        }
        return msgspec.structs.replace(request, **paths)

    def _find(self, name: str | None) -> Path | ModelName:
        if (name is not None and not name.strip()) or (name is None and not self.library.default()):
            raise BadRequest(
                "No model is named.",
                hint="Name a .gguf file, or 'demo' for the bundled model.",
                field="modelPath",
            )
        try:
            return self.library.resolve(name, surroundings.directory() or Path("/"))
        except ModelFileNotFound as error:
            told = surroundings.directory() is not None
            if told or name is None or Path(name).is_absolute() or not name.endswith(".gguf"):
                raise
            # The asker, who knows its working directory, has looked there.
            raise ModelFileNotFound(
                f"There is no model file {name!r}, neither in the working directory nor in the "
                "models directory.",
                hint=error.info().hint,
            ) from None

    async def _load(self, operation: Operation, request: Load) -> Loaded:
        began = time.monotonic()
        state = self.clients[operation.client]
        load = await self._with_others(_with_defaults(_part(request, LoadModel), state))
        find = asyncio.to_thread(self._find, request.model)
        found = await operation.unless_cancelled(find)
        found_s, began_fetch = time.monotonic() - began, time.monotonic()
        if isinstance(found, Path):
            path, fetched_s = found, 0.0
        else:
            path = await self._fetched(operation, found, request)
            fetched_s = time.monotonic() - began_fetch
        operation.model_path = str(path)
        context = _part(request, CreateContext)
        asks_nothing = (
            msgspec.structs.replace(load, anyway=False) == LoadModel()
            and context == CreateContext()
        )
        wish = Wish(path=path, load=load, context=context, takes_what_is_there=asks_nothing)
        async with self.climb.ready(operation, wish) as ready:
            session = await self._session(request)
            state.model = ready.worker.key
            state.contexts.add(ready.worker.key)
            if session is not None:
                state.session_id = session.id
        if session is not None:
            await self.bind(operation, session.id, ready.worker)
        timings = LoadTimings(
            found_s=found_s,
            fetched_s=fetched_s,
            loaded_s=ready.loaded_s,
            context_s=ready.context_s,
            total_s=time.monotonic() - began,
        )
        return _loaded(operation, ready, session, timings)

    async def bind(self, operation: Operation, session_id: str, worker: Worker) -> None:
        """Let a conversation remember the model it is held with, and how that was loaded.

        So whoever comes back to it, after the model and the service went for want of use, is
        answered by the same one.
        """
        known = self.climb.remembered(worker.key) or Wish(path=Path(worker.path))
        load, context = known.load, known.context or CreateContext()
        try:
            await self.sessions.bind(
                session_id, worker.path, msgspec.to_builtins(load), msgspec.to_builtins(context)
            )
        except StoreError as error:
            operation.emit(Notice(text=f"The session cannot be kept: {error}"))

    async def _session(self, request: Load) -> SessionInfo | None:
        if request.session is not None:
            row = await self.sessions.open(_part(request, OpenSession))
        elif request.new:
            row = await self.sessions.begin(None, request.system_prompt, request.adapters)
        else:
            return None
        return session_info(row)

    async def _fetched(self, operation: Operation, name: ModelName, request: Load) -> Path:
        """The path of a model of the hub, downloaded; how far that is, is told as our own."""
        if not request.fetch:
            return self.locate(request.model)
        # Before gigabytes come: is there such a model, and is there room for it here.
        operation.emit(Progress(stage="find", done=0.0))
        try:
            found = await operation.unless_cancelled(inspect(name, request.context_size))
        except (HubNotFound, HubUnreachable) as error:
            # It may be a slip in a path instead: both have one stroke in the middle.
            asked = request.model or ""
            hint = await asyncio.to_thread(hint_at_files, asked, surroundings.directory())
            if hint is None:
                raise
            hint = f"{hint} {error.info().hint}"
            raise type(error)(error.message, hint=hint, **error.details) from None
        if found.problem:
            raise ModelLoadFailed(f"{found.name} cannot answer.", hint=found.problem)
        if found.fit is not None and found.fit.verdict == "too big":
            if not request.anyway:
                context = _part(request, CreateContext)
                self.climb.refuse_too_big(found.name, found.fit, context)
            operation.emit(too_big(found.name, found.fit))
        pull = await self.jobs.pull(PullModel(model=found.name), operation.client)
        if pull.client == operation.client:
            operation.on_cancel(pull.cancel)
        await operation.unless_cancelled(_told(pull, operation))
        if pull.end.error is not None:
            raise error_from_info(pull.end.error)
        return Path(decode(pull.end.result, str))


async def _told(pull: Operation, operation: Operation) -> None:
    """Pass on what a download says until it has ended."""
    async for batch in pull.follow():
        for event in batch:
            if not isinstance(event.head, StateChanged | End):
                operation.pass_on(event.data)


def _loaded(
    operation: Operation, ready: Ready, session: SessionInfo | None, timings: LoadTimings
) -> Loaded:
    assert ready.context is not None
    notices = [n.head.text for n in operation.events if isinstance(n.head, Notice)]
    return Loaded(
        model=ready.model, context=ready.context, session=session, notices=notices, timings=timings
    )


def _part(request: Load | PlanLoad, kind: Any) -> Any:
    """The request of another kind that `request` holds the fields of."""
    names = set(kind.__struct_fields__) & set(request.__struct_fields__)
    return kind(**{name: getattr(request, name) for name in names})


def _with_defaults(request: LoadModel, state: ClientState) -> LoadModel:
    """What `worker:initialize` set, where the request sets nothing."""
    given = {
        name: value
        for name in ("model_path", "gpu_layers", "use_mmap", "use_mlock")
        if getattr(request, name) is None and (value := getattr(state.defaults, name)) is not None
    }
    return msgspec.structs.replace(request, **given)
