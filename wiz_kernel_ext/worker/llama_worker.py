"""`LlamaWorker`: the original's eight calls on a model in this process.

Runs on an asyncio thread and queues everything that concerns the model on the engine's. Knows
sessions only for in-process use; the service keeps its own and sends whole conversations. Strict,
as the original is: a prompt before a session is "Session not loaded.".
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from wiz_kernel_ext import __version__
from wiz_kernel_ext.engine.backend import Backend
from wiz_kernel_ext.engine.environment import waiting_policy
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.errors import (
    BadRequest,
    InternalError,
    ModelFileNotFound,
    ServiceStopping,
    SessionNotLoaded,
    WizError,
    not_permitted,
)
from wiz_kernel_ext.models.adapters import located_adapters
from wiz_kernel_ext.models.devices import told
from wiz_kernel_ext.models.locate import locate_model
from wiz_kernel_ext.protocol.calls import WorkerCalls
from wiz_kernel_ext.protocol.codec import sound
from wiz_kernel_ext.protocol.embedding import Embed, Rerank
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.images import marked
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt
from wiz_kernel_ext.protocol.pulse import Pulse
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    CreateContext,
    DownloadModel,
    Initialize,
    InitializeSession,
    LoadModel,
    Prompt,
    Request,
    SendPrompt,
    UnloadModel,
)
from wiz_kernel_ext.protocol.results import AnswerInfo, RuntimeInfo, UnloadInfo
from wiz_kernel_ext.remedies import worded
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import places
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.embedding_calls import EmbeddingCalls
from wiz_kernel_ext.worker.engine_loop import EngineLoop
from wiz_kernel_ext.worker.in_child import EngineInChild
from wiz_kernel_ext.worker.local_operation import LocalOperation
from wiz_kernel_ext.worker.model_host import ModelHost
from wiz_kernel_ext.worker.prompts import Prompts

R = TypeVar("R")

END_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


def llama_backend() -> Backend:
    """llama.cpp, imported on the thread that will own it."""
    from wiz_kernel_ext.engine.llama.backend import LlamaBackend

    return LlamaBackend()


async def _checked_way(data_dir: Path) -> tuple[Way, bool]:
    """How the engine is to be used, and whether in a child; raises EngineUnusable, WorkerDied."""
    # Here, since a worker's process, which was told its way, does without.
    from wiz_kernel_ext.engine_check.build import engine_build
    from wiz_kernel_ext.engine_check.cards import cards_here, left_unused, unused_notice
    from wiz_kernel_ext.engine_check.check import checked
    from wiz_kernel_ext.engine_check.diagnosis import notice, suspected, usable
    from wiz_kernel_ext.engine_check.processor import this_processor

    sockets_first = "zmq" in sys.modules and "llama_cpp" not in sys.modules
    verdict = await checked(data_dir, sockets_first=sockets_first)
    in_child = False
    if sockets_first and verdict.way is None:
        alone = await checked(data_dir)
        if in_child := alone.way is not None:
            log.warning(
                "The engine has a process of its own: after %s, here first, it would end this one.",
                suspected(verdict, this_processor()).partition(",")[0],
            )
            verdict = alone
    processor = this_processor()
    way = usable(verdict, processor)
    if text := notice(verdict, processor):
        log.warning("%s", worded(text))
    build = engine_build()
    if way.gpu and (unused := left_unused(build, cards_here())):
        log.warning("%s", worded(unused_notice(build, unused)))
    return way, in_child


@dataclass
class Session:
    """A conversation in memory; one prompt at a time."""

    id: str
    system_prompt: str | None
    messages: list[ChatMessage] = field(default_factory=list)
    adapters: list[str] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def history(self) -> list[ChatMessage]:
        """All messages, the system prompt first."""
        system = ChatMessage(role="system", content=self.system_prompt or "")
        return [system, *self.messages] if self.system_prompt else list(self.messages)


def _end_engine(loop: EngineLoop, host: ModelHost, thread: threading.Thread) -> None:
    """Give back what a worker that nobody holds any more had; waits for the step under way."""
    loop.post(host.close)
    loop.stop()
    if thread is not threading.current_thread():
        thread.join(END_TIMEOUT_S)


class LlamaWorker(WorkerCalls[LocalOperation]):
    """A model, its context and its sessions, in this process."""

    def __init__(
        self, loop: EngineLoop, host: ModelHost, *, models_dir: Path | None = None
    ) -> None:
        self._loop = loop
        self._host = host
        self._models_dir = models_dir
        self._thread: threading.Thread | None = None
        self._child: EngineInChild | None = None
        self._prompts = Prompts(loop, host)
        self._embedding = EmbeddingCalls(loop, host)
        self._defaults = Initialize()
        self._sessions: dict[str, Session] = {}
        self._latest: Session | None = None
        self._operations: set[LocalOperation] = set()

    @classmethod
    async def create(
        cls,
        *,
        make_backend: Callable[[], Backend] = llama_backend,
        models_dir: Path | None = None,
    ) -> LlamaWorker:
        """A worker in this process; its engine has a thread of its own, for life.

        `models_dir` is where a relative model path is looked up after the working directory. The
        engine is tried in a process of its own first, once for each build, and stays in one where
        it would end this program. Raises EngineUnusable, before anything of it is loaded here.
        """
        where = places(Settings.from_environment())
        way, in_child = AS_IT_IS, False
        if make_backend is llama_backend:
            way, in_child = await _checked_way(where.data_dir)
        loop, host = EngineLoop(), ModelHost(make_backend, way=way)
        worker = cls(loop, host, models_dir=models_dir or where.models_dir)
        if in_child:
            await asyncio.to_thread(where.create)
            worker._child = EngineInChild()
            await worker._child.begin(way, where.socket_dir)
            return worker
        os.environ.update(waiting_policy(os.environ))
        thread = threading.Thread(
            target=loop.run, args=(host.step, host.at_rest), name="wiz-engine", daemon=True
        )
        worker._thread = thread
        thread.start()
        # Also before the process ends: the library's own clean-up would pull its memory away
        # from under a step that still computes.
        weakref.finalize(worker, _end_engine, loop, host, thread)
        return worker

    async def close(self) -> None:
        """Give the model back and end the engine's thread; a second time changes nothing."""
        if self._child is not None:
            await self._child.end()
            return
        self._prompts.close()
        self._embedding.close()
        with suppress(ServiceStopping):
            await self._loop.call(self._host.close)
        self._loop.stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def request(self, request: Request[R]) -> R:
        """What `request` ends in; raises its error."""
        return cast(R, await self.handle(sound(request), Call()))

    async def start(self, request: AnyRequest) -> LocalOperation:
        """Begin `request` and return at once; it goes on whether or not anyone follows it."""
        if isinstance(request, SendPrompt):
            request = Prompt(**msgspec.structs.asdict(request))
        request = sound(request)
        return LocalOperation(lambda call: self.handle(request, call))

    def pulse(self) -> Pulse:
        """How much is done so far; from any thread, also in the middle of a step."""
        host = self._host
        return Pulse(self._loop.n_commands + host.n_told + host.n_steps, host.n_steps)

    async def handle(self, request: AnyRequest, call: Call) -> Any:
        """Answer one request; events go to `call`. The one entry of both faces."""
        try:
            return await self._handle(request, call)
        except asyncio.CancelledError:
            call.cancel()
            raise
        except WizError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and (refused := not_permitted(error)):
                raise refused from None
            log.exception("%s failed", request.target)
            raise InternalError(f"The worker failed: {error!r}.") from error

    async def _handle(self, request: AnyRequest, call: Call) -> Any:
        if isinstance(request, SendPrompt):
            operation = await self.start(request)
            # An operation that nobody holds would be collected in the middle of its work.
            self._operations.add(operation)
            operation.on_end(self._operations.discard)
            return operation.id
        if self._child is not None and not isinstance(request, DownloadModel):
            return await self._child.handle(self._here(request), call)
        if isinstance(request, Prompt):
            return await self._prompt(request, call)
        if isinstance(request, Embed):
            return await self._embedding.embed(request, call)
        if isinstance(request, Rerank):
            return await self._embedding.rerank(request, call)
        if isinstance(request, ShowPrompt):
            return await self._show(request)
        if isinstance(request, Count):
            return await self._prompts.count(request)
        if isinstance(request, Initialize):
            return await self._initialize(request)
        if isinstance(request, LoadModel):
            path, full = self._locate(request), self._with_defaults(self._with_others(request))
            return await self._loop.call(lambda: self._host.load(path, full, call))
        if isinstance(request, CreateContext):
            return await self._loop.call(lambda: self._host.create_context(request, call))
        if isinstance(request, InitializeSession):
            return await self._begin_session(request)
        if isinstance(request, UnloadModel):
            return await self._unload(request)
        if isinstance(request, DownloadModel):
            return await self._download(request, call)
        raise BadRequest(f"{request.target} is not for a worker.", field="target")

    def _here(self, request: AnyRequest) -> AnyRequest:
        """`request` as another process takes it: with the path of a model for its name."""
        if isinstance(request, LoadModel) and request.model_path:
            request = msgspec.structs.replace(request, model_path=str(self._locate(request)))
        if isinstance(request, Prompt | InitializeSession) and request.adapters:
            return msgspec.structs.replace(request, adapters=self._adapters(request.adapters))
        return self._with_others(request) if isinstance(request, LoadModel) else request

    async def _initialize(self, request: Initialize) -> RuntimeInfo:
        self._defaults = request

        def look() -> RuntimeInfo:
            backend, path = self._host.backend, self._host.model_path
            return RuntimeInfo(
                versions={
                    "wiz_kernel_ext": __version__,
                    "python": platform.python_version(),
                    **backend.versions(),
                },
                devices=[told(device) for device in backend.devices()],
                loaded=[path] if path else [],
                gpu_offload=self._host.can_offload,
            )

        return await self._loop.call(look)

    def _with_defaults(self, request: LoadModel) -> LoadModel:
        names = ("gpu_layers", "use_mmap", "use_mlock")
        missing = {
            name: getattr(self._defaults, name) for name in names if getattr(request, name) is None
        }
        return msgspec.structs.replace(request, **missing)

    def _with_others(self, request: LoadModel) -> LoadModel:
        """`request` with the paths of its draft model and its projector."""
        paths = {
            name: str(locate_model(given, models_dir=self._models_dir))
            for name in ("draft", "projector")
            if (given := getattr(request, name)) is not None
        }
        return msgspec.structs.replace(request, **paths)

    def _adapters(self, names: list[str]) -> list[str]:
        """The adapters of these names, by path."""
        return located_adapters(names, lambda name: locate_model(name, models_dir=self._models_dir))

    def _locate(self, request: LoadModel) -> Path:
        name = request.model_path or self._defaults.model_path or self._host.model_path
        if not name:
            raise BadRequest(
                "There is no model to load (modelPath).",
                hint="Give the path of a .gguf file, or 'demo'.",
                field="modelPath",
            )
        return locate_model(name, models_dir=self._models_dir)

    async def _begin_session(self, request: InitializeSession) -> str:
        await self._loop.call(lambda: self._host.check(context=True))
        adapters = self._adapters(request.adapters or [])
        session = self._sessions.get(request.session or "")
        if session is None:
            session = Session(request.session or secrets.token_hex(8), request.system_prompt)
            self._sessions[session.id] = session
        elif request.system_prompt is not None:
            session.system_prompt = request.system_prompt
        if request.adapters is not None:
            session.adapters = adapters
        self._latest = session
        return session.id

    async def _prompt(self, request: Prompt, call: Call) -> AnswerInfo:
        images = request.images or []
        content = marked(request.prompt, len(images))
        asked = ChatMessage(role=request.role, content=content, images=images)
        if request.adapters:
            request = msgspec.structs.replace(request, adapters=self._adapters(request.adapters))
        if request.messages is not None:
            messages = [*request.messages, asked]
            return await self._prompts.answer(messages, request, call, request.session)
        session = self._sessions.get(request.session) if request.session else self._latest
        if session is None:
            raise SessionNotLoaded(hint="Call initialize_session first.")
        if request.adapters is None:
            request = msgspec.structs.replace(request, adapters=session.adapters)
        async with session.lock:
            messages = [*session.history(), asked]
            info = await self._prompts.answer(messages, request, call, session.id)
            if info.text or info.finish_reason != "cancelled":
                said = ChatMessage(role="assistant", content=info.text, thinking=info.thinking)
                session.messages += [asked, said]
        return msgspec.structs.replace(info, session=session.id)

    async def _show(self, request: ShowPrompt) -> ShownPrompt:
        asked = ChatMessage(role=request.role, content=request.prompt)
        if request.messages is not None:
            return await self._prompts.show([*request.messages, asked], request)
        session = self._sessions.get(request.session) if request.session else self._latest
        if session is None:
            raise SessionNotLoaded(hint="Call initialize_session first.")
        return await self._prompts.show([*session.history(), asked], request)

    async def _unload(self, request: UnloadModel) -> UnloadInfo:
        path = request.model_path
        if path is not None and path != self._host.model_path:
            with suppress(ModelFileNotFound):  # then it is not what is loaded either
                path = str(locate_model(path, models_dir=self._models_dir))
        return await self._loop.call(lambda: self._host.unload(path, force=request.force))

    async def _download(self, request: DownloadModel, call: Call) -> str:
        from wiz_kernel_ext.hub.download import download

        cancelled = asyncio.Event()
        loop = asyncio.get_running_loop()
        call.on_cancel(lambda: loop.call_soon_threadsafe(cancelled.set))
        return await download(
            request.repo,
            request.file,
            request.revision,
            on_progress=lambda done, total: call.emit(
                Progress(stage="download", done=done, total=total)
            ),
            cancelled=cancelled,
        )
