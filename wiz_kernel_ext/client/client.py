"""`Client`: the sync face of `AsyncClient`, for a notebook cell or a script.

Every method runs the coroutine of the same name on the I/O thread and waits; an interrupt while it
waits cancels what it waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from wiz_kernel_ext.client.async_client import AsyncClient
from wiz_kernel_ext.client.feed import Feed
from wiz_kernel_ext.client.io_thread import IO
from wiz_kernel_ext.client.operation import Operation
from wiz_kernel_ext.interrupts import held, taken
from wiz_kernel_ext.protocol.calls import build_prompt
from wiz_kernel_ext.protocol.embedding import warn_of
from wiz_kernel_ext.protocol.requests import AnyRequest, Attach, Request, SendPrompt
from wiz_kernel_ext.protocol.shapes import type_of
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import ConnectionInfo

if TYPE_CHECKING:
    from wiz_kernel_ext.protocol.embedding import Array

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

CANCEL_WAIT_S = 0.25


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; an interrupt cancels it, and is passed on once that is done, or soon.

    The program may be about to exit, and take the thread that does it along.
    """
    ended = threading.Event()
    with held():
        future: Future[T] = IO.submit_told(work, ended.set)
        try:
            with taken():
                return future.result()
        except BaseException:
            if future.cancel():
                ended.wait(CANCEL_WAIT_S)
            raise


def _sync(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Client, P], T]:
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return _wait(method(self._async, *args, **kwargs))

    update_wrapper(call, method)
    return call


class Client:
    """Asks the service, which is found, or started where `start` allows it, at the first request.

    See `AsyncClient` for every method.
    """

    def __init__(self, settings: Settings | None = None, *, start: bool = True) -> None:
        self._async = AsyncClient(settings, start=start)

    initialize = _sync(AsyncClient.initialize)
    load_model = _sync(AsyncClient.load_model)
    create_context = _sync(AsyncClient.create_context)
    initialize_session = _sync(AsyncClient.initialize_session)
    prompt = _sync(AsyncClient.prompt)
    embeddings = _sync(AsyncClient.embeddings)
    rerank = _sync(AsyncClient.rerank)
    show = _sync(AsyncClient.show)
    count = _sync(AsyncClient.count)
    unload_model = _sync(AsyncClient.unload_model)
    download_model = _sync(AsyncClient.download_model)
    load = _sync(AsyncClient.load)
    search = _sync(AsyncClient.search)
    list_repo = _sync(AsyncClient.list_repo)
    inspect = _sync(AsyncClient.inspect)
    pull = _sync(AsyncClient.pull)
    models = _sync(AsyncClient.models)
    discard_download = _sync(AsyncClient.discard_download)
    remove_model = _sync(AsyncClient.remove_model)
    verify_model = _sync(AsyncClient.verify_model)
    convert_model = _sync(AsyncClient.convert_model)
    quantize_model = _sync(AsyncClient.quantize_model)
    aliases = _sync(AsyncClient.aliases)
    set_alias = _sync(AsyncClient.set_alias)
    set_default_model = _sync(AsyncClient.set_default_model)
    collections = _sync(AsyncClient.collections)
    add_collection = _sync(AsyncClient.add_collection)
    remove_collection = _sync(AsyncClient.remove_collection)
    invoke = _sync(AsyncClient.invoke)
    cancel = _sync(AsyncClient.cancel)
    status = _sync(AsyncClient.status)
    operations = _sync(AsyncClient.operations)
    operation = _sync(AsyncClient.operation)
    sessions = _sync(AsyncClient.sessions)
    open_session = _sync(AsyncClient.open_session)
    session = _sync(AsyncClient.session)
    delete_session = _sync(AsyncClient.delete_session)
    drop_last_turn = _sync(AsyncClient.drop_last_turn)
    await_change = _sync(AsyncClient.await_change)
    stop = _sync(AsyncClient.stop)
    close = _sync(AsyncClient.close)

    def request(self, request: Request[R]) -> R:
        """Send `request` and wait for its one result."""
        return _wait(self._async.request(request))

    def start(self, request: AnyRequest) -> Operation:
        """Send a request that takes time and return its operation at once."""
        begun: list[Feed] = []
        with held():
            try:
                feed: Feed = _wait(self._async.follow(request, begun))
            except KeyboardInterrupt:
                # It may have begun in the very moment, and nobody else knows of it.
                forgone = IO.submit(self._async.forgo(request, begun))
                with suppress(FutureTimeoutError):
                    forgone.result(CANCEL_WAIT_S)
                raise
        return Operation(self._async._connection, feed)

    def send_prompt(self, prompt: str, **options: Any) -> Operation:
        """Like `prompt`, but returns its operation at once (`worker:sendPrompt`)."""
        operation = self.start(build_prompt(SendPrompt, prompt, options))
        operation.answer_type = type_of(options.get("schema"))
        return operation

    def attach(self, operation_id: str, from_seq: int = 0) -> Operation:
        """An operation by its id, also an ended one, from event `from_seq` on."""
        return self.start(Attach(operation_id=operation_id, from_seq=from_seq))

    def embed(self, /, texts: Any, **options: Any) -> Array:
        """The vectors of texts; see `AsyncClient.embed`."""
        found = self.embeddings(texts, **options)
        warn_of(found.notices)  # here, where the warning names the asker's own line
        return found.array()

    def running(self) -> bool:
        """Whether there is a service, without starting one."""
        return self._async.running()

    @property
    def connection(self) -> ConnectionInfo | None:
        """How the service was last reached."""
        return self._async.connection
