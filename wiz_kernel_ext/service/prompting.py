"""How a prompt travels through the service: session turn → model ready → worker → kept.

Called by the handlers with a request already decoded; runs as the body of an operation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wiz_kernel_ext.errors import (
    ContextNotLoaded,
    ModelFileNotFound,
    ModelNotLoaded,
    NotPermitted,
    OperationCancelled,
    SessionNotLoaded,
)
from wiz_kernel_ext.models.identity import identify
from wiz_kernel_ext.protocol.chat_templates import check_chat_template
from wiz_kernel_ext.protocol.embedding import Embed, Rerank, check_answers
from wiz_kernel_ext.protocol.events import StateChanged
from wiz_kernel_ext.protocol.images import marked
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt
from wiz_kernel_ext.protocol.requests import AnyPrompt, CreateContext, LoadModel, Prompt
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.clients import Clients, ClientState
from wiz_kernel_ext.service.climb import Climb, Wish
from wiz_kernel_ext.service.loads import Loads
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.supervisor import Supervisor, Worker
from wiz_kernel_ext.service.waiting import before, telling, telling_silence
from wiz_kernel_ext.store import SessionRow

T = TypeVar("T", LoadModel, CreateContext)

AT_WORK = ("summary", "prompt")
"""The stages of a prompt that its model is at work for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Meant:
    """The model a prompt means: its key, where it is or was loaded, and its file."""

    key: str | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Prompting:
    """Answers prompts; the parts it works with are given to it."""

    clients: Clients
    sessions: Sessions
    supervisor: Supervisor
    operations: Operations
    climb: Climb
    loads: Loads

    async def begin(self, request: AnyPrompt[Any], client: str) -> Operation:
        """Start the operation that answers `request`; what is wrong at once is raised at once."""
        check_chat_template(request.chat_template)
        state = self.clients[client]
        request = msgspec.structs.replace(
            request, adapters=await self.loads.adapters(request.adapters)
        )
        session = await self._session(request, state)
        meant = await self.meant(request, state, session)
        if not request.autoload:
            self.ready(meant.key)
        if (known := self.supervisor.find(meant.key or "")) and known.model:
            check_answers(known.model)
        operation = Operation(
            "prompt",
            title=request.prompt,
            client=client,
            session_id=session.id if session else None,
            session=session.name if session else None,
            model_path=str(meant.path) if meant.path else None,
        )

        async def body(operation: Operation) -> AnswerInfo:
            if session is None:
                return await self._answer(operation, request, state, None)
            turn = self.sessions.turn(session.id)
            with telling(operation, lambda: self._asked_before(operation)):
                await operation.unless_cancelled(turn.acquire())
            # The next prompt is to read what this one leaves in the conversation.
            operation.on_end(turn.release)
            return await self._answer(operation, request, state, session)

        await self.operations.start(operation, body)
        return operation

    async def show(self, request: ShowPrompt, client: str) -> ShownPrompt:
        """What `request` would have the model read, now; waits for nobody's answer.

        Raises SessionNotLoaded, ModelNotLoaded, ContextNotLoaded, ContextOverflow.
        """
        check_chat_template(request.chat_template)
        state = self.clients[client]
        session = await self._session(request, state)
        worker = self._looked_at((await self.meant(request, state, session)).key)
        messages = request.messages or []
        if session is not None:
            messages = await self.sessions.history(session)
        passed_on = msgspec.structs.replace(request, messages=messages, session=None)
        return await worker.process.look(passed_on, ShownPrompt)

    async def count(self, request: Count, client: str) -> int:
        """How many tokens a text or messages are; raises ModelNotLoaded."""
        check_chat_template(request.chat_template)
        key = self.clients[client].model
        if request.model_path:
            key = (await asyncio.to_thread(_of_path, self.loads.locate(request.model_path))).key
        return await self._looked_at(key, context=False).process.look(request, int)

    def _looked_at(self, key: str | None, *, context: bool = True) -> Worker:
        """The worker of that key; of none the only one there is."""
        if key is None and (only := self.supervisor.only(hint="Say which: `--model MODEL`.")):
            key = only.key
        return self.ready(key) if context else self.supervisor.get(key)

    def _asked_before(self, operation: Operation) -> list[Operation]:
        """What runs in the same session, and came before."""
        found = [o for o in self.operations.running() if o.session_id == operation.session_id]
        return before(found, operation)

    def _answered_before(self, operation: Operation, worker: Worker) -> list[Operation]:
        """Who is answered by `worker` while `operation` is not: it came before, and is at work."""
        if operation.n_tokens or operation.progress.stage in AT_WORK:
            return []
        at_work = [
            one
            for one in self.operations.running()
            if one.kind == "prompt"
            and one.model_path == worker.path
            and (one.n_tokens or one.progress.stage in AT_WORK)
        ]
        return before(at_work, operation)

    async def _session(self, request: AnyPrompt[Any], state: ClientState) -> SessionRow | None:
        if request.messages is not None:
            return None
        name = request.session or state.session_id
        if name is None:
            raise SessionNotLoaded()
        return await self.sessions.find(name)

    async def meant(
        self,
        request: AnyPrompt[Any] | Embed | Rerank,
        state: ClientState,
        session: SessionRow | None,
    ) -> Meant:
        """The model to ask: named, else last loaded here, else the session's."""
        if request.model_path:
            return await asyncio.to_thread(lambda: _of_path(self.loads.locate(request.model_path)))
        if state.model is not None:
            known = self.climb.remembered(state.model)
            return Meant(state.model, known.path if known else None)
        if session is not None and session.model_path:
            return await asyncio.to_thread(_of_path, Path(session.model_path))
        return Meant()

    def ready(self, key: str | None) -> Worker:
        """The worker of a model that has a context; raises ModelNotLoaded, ContextNotLoaded."""
        worker = self.supervisor.get(key)
        if worker.context is None:
            raise ContextNotLoaded()
        return worker

    async def _answer(
        self,
        operation: Operation,
        request: AnyPrompt[Any],
        state: ClientState,
        session: SessionRow | None,
    ) -> AnswerInfo:
        operation.emit(StateChanged(state="running"))
        async with self.worker(operation, request, state, session) as worker:
            return await self._answer_with(operation, request, session, worker)

    async def _answer_with(
        self,
        operation: Operation,
        request: AnyPrompt[Any],
        session: SessionRow | None,
        worker: Worker,
    ) -> AnswerInfo:
        operation.model_path = worker.path
        if session is not None:
            session = await self.sessions.prompted(session.id)
            history = await self.sessions.history(session)
            await self.loads.bind(operation, session.id, worker)
            operation.asked = SessionMessage(
                role="tool" if request.role == "tool" else "user",
                content=marked(request.prompt, len(request.images or [])),
                operation_id=operation.id,
            )
            self.sessions.images.keep(operation.id, request.images or [])
        else:
            history = request.messages or []
        info = await self._ask(operation, request, worker, history, session)
        self.supervisor.crashes.forget(worker.key)
        return msgspec.structs.replace(
            info,
            operation_id=operation.id,
            session=session.name if session else "",
            model_path=worker.path,
        )

    async def _ask(
        self,
        operation: Operation,
        request: AnyPrompt[Any],
        worker: Worker,
        history: list[ChatMessage],
        session: SessionRow | None,
    ) -> AnswerInfo:
        passed_on = Prompt(
            prompt=request.prompt,
            options=request.options,
            role=request.role,
            tools=request.tools,
            messages=history,
            images=request.images,
            session=session.id if session else None,
            chat_template=request.chat_template,
            prefill=request.prefill,
            suffix=request.suffix,
            overflow=request.overflow,
            adapters=session.adapters if session and request.adapters is None else request.adapters,
        )
        with telling(operation, lambda: self._answered_before(operation, worker)):
            try:
                return await worker.process.prompt(
                    passed_on,
                    operation.pass_on,
                    operation.on_cancel,
                    telling_silence(operation),
                )
            except OperationCancelled:
                # The worker did not say in time how it ended: with what is here.
                return AnswerInfo(
                    text=operation.text, thinking=operation.thinking, finish_reason="cancelled"
                )

    @asynccontextmanager
    async def worker(
        self,
        operation: Operation,
        request: AnyPrompt[Any] | Embed | Rerank,
        state: ClientState,
        session: SessionRow | None,
    ) -> AsyncIterator[Worker]:
        """The worker to ask, held from the moment it is ready: no keep-alive takes it away.

        With `autoload` the model is loaded again where it is gone.
        """
        meant = await self.meant(request, state, session)
        if request.autoload and meant.key is None:
            hint = "Say which: `--model MODEL`."
            if only := self.supervisor.only(hint=hint):
                meant = Meant(only.key, Path(only.path))
            elif meant.path is None:
                meant = await asyncio.to_thread(self._default)
        try:
            worker = self.ready(meant.key)
        except (ModelNotLoaded, ContextNotLoaded) as missing:
            if not request.autoload or meant.path is None:
                raise
            if isinstance(missing, ModelNotLoaded) and meant.key is not None:
                self.supervisor.crashes.refuse_repeated(meant.key, meant.path)
            async with self.climb.ready(operation, self._as_before(meant, session)) as ready:
                worker = ready.worker
                worker.enter(operation.client)
        else:
            worker.enter(operation.client)
        try:
            yield worker
        finally:
            worker.leave(operation.client)

    def _default(self) -> Meant:
        """The model that is meant where none is named and none is loaded, if there is one."""
        return _of_path(self.loads.locate(None)) if self.loads.library.default() else Meant()

    def _as_before(self, meant: Meant, session: SessionRow | None) -> Wish:
        """How the model was loaded the last time, as far as anybody remembers."""
        assert meant.path is not None
        if meant.key is not None and (known := self.climb.remembered(meant.key)):
            context = known.context or CreateContext()
            return replace(known, context=context, takes_what_is_there=True)
        if session is not None and session.model_path == str(meant.path):
            return Wish(
                path=meant.path,
                load=_readable(session.load_options, LoadModel),
                context=_readable(session.context_options, CreateContext),
                takes_what_is_there=True,
            )
        return Wish(path=meant.path, takes_what_is_there=True)


def _readable(options: dict[str, Any], kind: type[T]) -> T:
    """How a model was loaded; as by default where what was kept of it is damaged."""
    try:
        return msgspec.convert(options, kind)
    except msgspec.ValidationError as error:
        log.warning("How a model was loaded cannot be read: %s", error)
        return kind()


def _of_path(path: Path) -> Meant:
    """The model of a path; without a key where the file is gone."""
    try:
        return Meant(identify(path).key, path)
    except (ModelFileNotFound, NotPermitted):
        return Meant(None, path)
