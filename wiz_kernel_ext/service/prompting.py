"""How a prompt travels through the service: session turn → model ready → worker → kept.

Called by the handlers with a request already decoded; runs as the body of an operation.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wiz_kernel_ext.errors import (
    Conflict,
    ContextNotLoaded,
    ModelNotLoaded,
    SessionNotLoaded,
    StoreError,
)
from wiz_kernel_ext.protocol.events import Notice, StateChanged
from wiz_kernel_ext.protocol.requests import ChatMessage, CreateContext, LoadModel, Prompt
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.clients import Clients, ClientState
from wiz_kernel_ext.service.loading import Loading
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.supervisor import Supervisor, Worker, model_key
from wiz_kernel_ext.store import SessionRow


@dataclass(frozen=True)
class Prompting:
    """Answers prompts; the parts it works with are given to it."""

    clients: Clients
    sessions: Sessions
    supervisor: Supervisor
    operations: Operations
    loading: Loading

    async def begin(self, request: Prompt, client: str) -> Operation:
        """Start the operation that answers `request`; what is wrong at once is raised at once."""
        state = self.clients[client]
        session = await self._session(request, state)
        key = self._model_of(request, state, session)
        if not request.autoload:
            self._ready(key)
        operation = Operation(
            "prompt",
            title=request.prompt,
            client=client,
            session_id=session.id if session else None,
            session=session.name if session else None,
            model_path=key,
        )

        async def body(operation: Operation) -> AnswerInfo:
            if session is None:
                return await self._answer(operation, request, state, None)
            turn = self.sessions.turn(session.id)
            await operation.unless_cancelled(turn.acquire())
            # The next prompt is to read what this one leaves in the conversation.
            operation.on_end(turn.release)
            return await self._answer(operation, request, state, session)

        await self.operations.start(operation, body)
        return operation

    async def _session(self, request: Prompt, state: ClientState) -> SessionRow | None:
        if request.messages is not None:
            return None
        name = request.session or state.session_id
        if name is None:
            raise SessionNotLoaded()
        return await self.sessions.find(name)

    def _model_of(
        self, request: Prompt, state: ClientState, session: SessionRow | None
    ) -> str | None:
        """The key of the model to ask: named, else last loaded here, else the session's."""
        if request.model_path:
            return model_key(self.loading.locate(request.model_path))
        if state.model is not None:
            return state.model
        if session is not None and session.model_path:
            return model_key(Path(session.model_path))
        return None

    def _ready(self, key: str | None) -> Worker:
        worker = self.supervisor.get(key)
        if worker.context is None:
            raise ContextNotLoaded()
        return worker

    async def _answer(
        self,
        operation: Operation,
        request: Prompt,
        state: ClientState,
        session: SessionRow | None,
    ) -> AnswerInfo:
        operation.emit(StateChanged(state="running"))
        worker = await self._worker(operation, request, state, session)
        operation.model_path = worker.path
        if session is not None:
            session = await self.sessions.find(session.id)
            history = await self.sessions.history(session)
            await self._bind(operation, session, worker)
            operation.asked = SessionMessage(
                role="tool" if request.role == "tool" else "user",
                content=request.prompt,
                operation_id=operation.id,
            )
        else:
            history = request.messages or []
        worker.enter(operation.client)
        try:
            info = await self._ask(operation, request, worker, history)
        finally:
            worker.leave(operation.client)
        self.supervisor.crashes.forget(worker.key)
        return msgspec.structs.replace(
            info,
            operation_id=operation.id,
            session=session.name if session else "",
            model_path=worker.path,
        )

    async def _ask(
        self, operation: Operation, request: Prompt, worker: Worker, history: list[ChatMessage]
    ) -> AnswerInfo:
        passed_on = Prompt(
            prompt=request.prompt,
            options=request.options,
            role=request.role,
            tools=request.tools,
            messages=history,
        )
        return await worker.process.prompt(passed_on, operation.pass_on, operation.on_cancel)

    async def _worker(
        self,
        operation: Operation,
        request: Prompt,
        state: ClientState,
        session: SessionRow | None,
    ) -> Worker:
        """The worker to ask; with `autoload` the model is loaded again where it is gone."""
        key = self._model_of(request, state, session)
        if not request.autoload:
            return self._ready(key)
        if key is None and (
            only := self.supervisor.only(hint="Choose with `wiz load MODEL`: it is shared at once.")
        ):
            key = only.key
        try:
            return self._ready(key)
        except (ModelNotLoaded, ContextNotLoaded) as missing:
            if key is None:
                raise
            if isinstance(missing, ModelNotLoaded):
                self.supervisor.crashes.refuse_repeated(key, Path(key).name)
        load, context = self._as_before(request, key, session)
        # Somebody may load it at this moment, in another way: then that is what there is.
        with contextlib.suppress(Conflict):
            await self.loading.load(operation, load)
            await self.loading.create_context(key, context)
        return self._ready(key)

    def _as_before(
        self, request: Prompt, key: str, session: SessionRow | None
    ) -> tuple[LoadModel, CreateContext]:
        """How the model was loaded the last time, as far as anybody remembers."""
        if remembered := self.loading.remembered(key):
            return remembered
        if (
            session is not None
            and session.model_path
            and model_key(Path(session.model_path)) == key
        ):
            return (
                msgspec.convert(
                    {**session.load_options, "modelPath": session.model_path}, LoadModel
                ),
                msgspec.convert(session.context_options, CreateContext),
            )
        return LoadModel(model_path=request.model_path or key), CreateContext()

    async def _bind(self, operation: Operation, session: SessionRow, worker: Worker) -> None:
        load, context = self.loading.remembered(worker.key) or (LoadModel(), CreateContext())
        try:
            await self.sessions.bind(
                session.id, worker.path, msgspec.to_builtins(load), msgspec.to_builtins(context)
            )
        except StoreError as error:
            operation.emit(Notice(text=f"The session cannot be kept: {error}"))
