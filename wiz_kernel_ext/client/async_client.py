"""`AsyncClient`: the service's requests as coroutines, for any event loop.

The sync `Client` is a view of this one; nothing is decided there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, TypeVar, cast

import msgspec

from wiz_kernel_ext.client.connection import Connection
from wiz_kernel_ext.client.feed import Feed
from wiz_kernel_ext.client.io_thread import IO
from wiz_kernel_ext.client.model_calls import ModelCalls
from wiz_kernel_ext.client.operation import AsyncOperation
from wiz_kernel_ext.client.reaching import MAX_MEETINGS
from wiz_kernel_ext.errors import (
    BadRequest,
    ContextNotLoaded,
    NotLoaded,
    ServiceStopping,
    SessionNotLoaded,
    WizError,
)
from wiz_kernel_ext.own_session import own_session
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.calls import WorkerCalls, build_prompt
from wiz_kernel_ext.protocol.codec import build, decode, decode_any, decode_request, encode
from wiz_kernel_ext.protocol.embedding import Embed, Rerank
from wiz_kernel_ext.protocol.prompt_views import ShownPrompt, ShowPrompt
from wiz_kernel_ext.protocol.requests import (
    AnyPrompt,
    AnyRequest,
    Attach,
    AwaitChange,
    Cancel,
    DeleteSession,
    DropLastTurn,
    GetOperation,
    GetSession,
    GetStatus,
    ListOperations,
    ListSessions,
    Load,
    OpenSession,
    Prompt,
    Request,
    SendPrompt,
    result_type,
)
from wiz_kernel_ext.protocol.results import (
    Loaded,
    OperationInfo,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
)
from wiz_kernel_ext.protocol.shapes import type_of
from wiz_kernel_ext.protocol.values import Name, plain
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import ConnectionInfo

R = TypeVar("R")
P = TypeVar("P", bound=AnyPrompt[Any])


class AsyncClient(WorkerCalls[AsyncOperation], ModelCalls):
    """Asks the service, which is found, or started where `start` allows it, at the first request.

    Raises ServiceNotRunning, ServiceStartFailed, VersionMismatch and ServiceDied from any call.
    """

    def __init__(self, settings: Settings | None = None, *, start: bool = True) -> None:
        self._connection = Connection(settings, start=start)

    @property
    def connection(self) -> ConnectionInfo | None:
        """How the service was last reached."""
        return self._connection.info

    def running(self) -> bool:
        """Whether there is a service, without starting one."""
        return self._connection.running()

    async def request(self, request: Request[R]) -> R:
        """Send `request` and wait for its one result.

        Cancelling this coroutine cancels the operation it waits for.
        """
        if request.operation is None:
            ask = self._connection.ask_soon if request.is_lookup else self._connection.ask
            return cast(R, decode(await IO.run(ask(request)), result_type(type(request))))
        operation = await self.start(request)
        try:
            outcome = await operation.result()
        except asyncio.CancelledError:
            await operation.cancel()
            raise
        return cast(R, outcome.info() if isinstance(outcome, Answer) else outcome)

    async def prompt(self, /, prompt: str, **options: Any) -> Answer:
        """Answer a prompt (`worker:prompt`); the whole text at the end.

        In a notebook what is not named is the notebook's own: its conversation, and its model,
        which is loaded again where it is gone. Keywords are `PromptOptions`' (temperature, top_k,
        max_tokens, seed, stop, …) and `Prompt`'s (session, role, tools, messages). Raises
        SessionNotLoaded, ModelNotLoaded, ContextOverflow, WorkerDied.
        """
        request = build_prompt(Prompt, prompt, options)
        type = type_of(options.get("schema"))
        try:
            return Answer(await self.request(request), type)
        except NotLoaded as missing:
            whole = await IO.run(self._completed(request, missing))
        return Answer(await self.request(whole), type)

    async def _ask_of_texts(self, request: Request[R]) -> R:
        """As of a prompt: in a notebook what is not named is the notebook's own model."""
        try:
            return await self.request(request)
        except NotLoaded as missing:
            fields = own_session()
            if fields is None or not isinstance(request, Embed | Rerank) or request.autoload:
                raise
            changes: dict[str, Any] = {"autoload": True}
            if request.session is None and not isinstance(missing, ContextNotLoaded):
                opened = await self.request(build(OpenSession, fields))
                changes["session"] = opened.id
        return await self.request(cast(Any, msgspec.structs.replace(request, **changes)))

    async def show(self, /, prompt: str, **options: Any) -> ShownPrompt:
        """What `prompt` would have the model read, its tokens too (`worker:show`).

        Keywords are those of `prompt`; in a notebook its conversation is the notebook's own.
        Answers also while a prompt is being answered. Raises SessionNotLoaded, ModelNotLoaded.
        """
        request = build_prompt(ShowPrompt, prompt, options)
        try:
            return await self.request(request)
        except SessionNotLoaded as missing:
            whole = await IO.run(self._completed(request, missing))
        return await self.request(whole)

    async def start(self, request: AnyRequest) -> AsyncOperation:
        """Send a request that takes time and return its operation at once."""
        return AsyncOperation(self._connection, await IO.run(self.follow(request)))

    async def follow(self, request: AnyRequest, begun: list[Feed] | None = None) -> Feed:
        """The feed of a request that takes time; runs on the I/O thread.

        It is put into `begun` too, for an asker that may not live to see it returned.
        """
        await self._connection.connect()
        beginning = asyncio.ensure_future(self._begun(request))
        try:
            feed = await asyncio.shield(beginning)
            if begun is not None:
                begun.append(feed)
            return feed
        except asyncio.CancelledError:
            if not isinstance(request, Attach):
                IO.finish(self._give_up(beginning))
            raise

    async def forgo(self, request: AnyRequest, begun: list[Feed]) -> None:
        """Cancel what `follow` began, if it did, for an asker that was interrupted meanwhile."""
        if begun and not isinstance(request, Attach):
            with suppress(WizError):
                await self._connection.ask(Cancel(operation_id=begun[0].id))
        await IO.finished()

    async def _completed(self, request: P, missing: NotLoaded) -> P:
        """A prompt with what was `missing`, if this process is in a notebook; else raises that.

        Runs on the I/O thread.
        """
        fields = own_session()
        if fields is None or request.autoload:
            raise missing
        if isinstance(missing, SessionNotLoaded):
            asked = await self._connection.ask(build(OpenSession, fields))
            opened = decode(asked, SessionInfo)
            request = msgspec.structs.replace(request, session=opened.id)
        return msgspec.structs.replace(request, autoload=True)

    async def _begun(self, request: AnyRequest) -> Feed:
        """`_begin`; what a sent prompt leaves open is the notebook's own."""
        try:
            return await self._begin(request)
        except NotLoaded as missing:
            if not isinstance(request, SendPrompt):
                raise
            return await self._begin(await self._completed(request, missing))

    async def _begin(self, request: AnyRequest) -> Feed:
        if isinstance(request, SendPrompt):
            operation_id = decode(await self._connection.ask(request), str)
            request = Attach(operation_id=operation_id)
        for attempt in range(MAX_MEETINGS):
            feed = Feed(self._connection)
            try:
                await feed.begin(request)
                return feed
            except ServiceStopping:
                # One that makes room for another took nothing of it: the other does.
                if attempt == MAX_MEETINGS - 1 or not self._connection.may_start:
                    raise
                await self._connection.gone()
            except BadRequest as error:
                raise self._connection.explained(error) from None
        raise AssertionError("unreachable")

    async def _give_up(self, beginning: asyncio.Future[Feed]) -> None:
        """Its asker was interrupted before it had the operation: nobody else would end it."""
        with suppress(WizError):
            await self._connection.ask(Cancel(operation_id=(await beginning).id))

    async def load(self, model: Name | None = None, /, **options: Any) -> Loaded:
        """Have a model ready to answer: found, loaded or shared, its context, a conversation.

        `model` is any name of one; None is the default. Other keywords are `Load`'s fields: fetch,
        context_size, sequences, gpu_layers, keep_alive_s, session, system_prompt, reload, …
        Without `session` a new conversation begins, so that `prompt` can follow. All or nothing:
        where it raises, all is as it was. Raises ModelFileNotFound, BadRequest, Conflict,
        ModelLoadFailed, WorkerDied.
        """
        options.setdefault("new", "session" not in options)
        return await self.request(build(Load, {"model": model, **options}))

    async def invoke(self, target: str, payload: dict[str, Any] | None = None) -> Any:
        """A raw call: `invoke("worker:loadModel", {"modelPath": …})`, camelCase both ways.

        Ends with plain builtins; `worker:prompt` with an Answer. Raises UnknownTarget, BadRequest.
        """
        request = decode_request(target, encode(plain(payload or {})))
        if request.operation is None:
            return decode_any(await IO.run(self._connection.ask(request)))
        if isinstance(request, Prompt):
            return Answer(await self.request(request))
        outcome = await self.request(request)
        return decode_any(encode(outcome))

    async def attach(self, operation_id: str, from_seq: int = 0) -> AsyncOperation:
        """An operation by its id, also an ended one, from event `from_seq` on."""
        return await self.start(Attach(operation_id=operation_id, from_seq=from_seq))

    async def cancel(
        self, operation_id: str | None = None, *, session: str | None = None
    ) -> list[str]:
        """Cancel an operation, a session's, or all of this client's; returns their ids."""
        return await self.request(build(Cancel, _given(locals())))

    async def status(self) -> Status:
        """The service, its workers, operations and sessions."""
        return await self.request(GetStatus())

    async def operations(
        self, limit: int = 20, *, session: str | None = None
    ) -> list[OperationInfo]:
        """The latest operations, newest first."""
        return await self.request(build(ListOperations, _given(locals())))

    async def operation(self, operation_id: str) -> OperationInfo:
        """The state of one operation; raises OperationNotFound."""
        return await self.request(GetOperation(operation_id=operation_id))

    async def sessions(self, limit: int = 100) -> list[SessionInfo]:
        """The sessions, latest used first."""
        return await self.request(build(ListSessions, _given(locals())))

    async def open_session(self, /, session: str, **options: Any) -> SessionInfo:
        """Find or make a session; keywords are `OpenSession`'s fields."""
        return await self.request(build(OpenSession, {"session": session, **options}))

    async def session(self, session: str) -> SessionDetail:
        """A session with its messages; raises SessionNotFound."""
        return await self.request(build(GetSession, _given(locals())))

    async def delete_session(self, session: str) -> SessionInfo:
        """Forget a session and its messages."""
        return await self.request(build(DeleteSession, _given(locals())))

    async def drop_last_turn(self, session: str) -> list[SessionMessage]:
        """Take the last question and its answer out of a session; returns them."""
        return await self.request(build(DropLastTurn, _given(locals())))

    async def await_change(self, seen: int = 0, timeout_s: float = 20.0) -> int:
        """Wait until anything began, ended or changed since `seen` was answered."""
        return await self.request(build(AwaitChange, _given(locals())))

    async def stop(self) -> ServiceInfo:
        """End the service and its workers; returns when it has ended. Raises ServiceNotRunning."""
        return await IO.run(self._connection.stop())

    async def close(self) -> None:
        """Close the sockets; the service and what it does go on."""
        await IO.run(self._connection.close())


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "self"}
