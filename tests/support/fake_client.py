"""A service, scripted: what magics and panels ask of a client, and operations told what to say."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wiz_kernel_ext.errors import (
    OperationNotFound,
    ServiceNotRunning,
    SessionNotFound,
    WizError,
)
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import AnyEvent, Delta
from wiz_kernel_ext.protocol.hub import (
    Aliases,
    Collection,
    Deletion,
    Inspection,
    LibraryModel,
    RepoListing,
)
from wiz_kernel_ext.protocol.load_plan import LoadPlan
from wiz_kernel_ext.protocol.prompt_views import ShownPrompt
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    Load,
    PlanLoad,
    SendPrompt,
    UnloadModel,
)
from wiz_kernel_ext.protocol.results import (
    TERMINAL_STATES,
    AnswerInfo,
    ContextInfo,
    Loaded,
    ModelInfo,
    OperationInfo,
    OperationState,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
    Timings,
    UnloadInfo,
    Usage,
    WorkerInfo,
)

DELETION = Deletion(name="u/r:Q8_0", files=["/c/r.gguf"], freed_bytes=3 << 20)
SHOWN = ShownPrompt(text="<|user|>hi", tokens=[1, 2], n_tokens=2, context_size=4096)
WORKER = WorkerInfo(pid=8, model="<demo>", model_path="/m/demo.gguf", loads=1)
LIBRARY = [LibraryModel(name="u/r:Q8_0", path="/c/r.gguf", origin="hub")]


class FakeOperation:
    """Says `batches` and ends with `outcome`; interrupted by the user after `interrupt_after`.

    With `fed`, it goes on with the batches put into `feed`, until that gives None.
    """

    def __init__(
        self,
        batches: Sequence[list[AnyEvent]] = (),
        outcome: Any = None,
        *,
        id: str = "op1",
        interrupt_after: int | None = None,
        after_cancel: Any = None,
        fed: bool = False,
    ) -> None:
        self.id = id
        self.text = ""
        self.outcome = outcome
        self.is_cancelled = False
        self.feed: queue.SimpleQueue[list[AnyEvent] | None] = queue.SimpleQueue()
        self._batches = batches
        self._interrupt_after = interrupt_after
        self._after_cancel = after_cancel
        self._fed = fed

    def batches(self, interval_s: float = 0.05) -> Iterator[list[AnyEvent]]:
        for number, events in enumerate(self._batches):
            if number == self._interrupt_after:
                raise KeyboardInterrupt
            yield self._said(events)
        while self._fed and (fed := self.feed.get()) is not None:
            yield self._said(fed)

    def result(self, timeout_s: float | None = None) -> Any:
        outcome = self._after_cancel if self.is_cancelled else self.outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def cancel(self, timeout_s: float = 0.0) -> None:
        self.is_cancelled = True

    def _said(self, events: list[AnyEvent]) -> list[AnyEvent]:
        self.text += "".join(event.text for event in events if isinstance(event, Delta))
        return events


@dataclass
class FakeClient:
    """Answers from what it is given, and remembers what it was asked.

    `prompts` are the operations that prompts begin, in their order; one that is sent and finds none
    begins an operation that is `attached` and fed by the test. `known` are all that are listed.
    """

    prompts: list[FakeOperation] = field(default_factory=list)
    load: FakeOperation | None = None
    is_running: bool = True
    connection: None = None
    known: list[OperationInfo] = field(default_factory=list)
    attached: dict[str, FakeOperation] = field(default_factory=dict)
    asked: list[AnyRequest] = field(default_factory=list)
    sent: list[SendPrompt] = field(default_factory=list)
    kept: dict[str, tuple[SessionInfo, list[SessionMessage]]] = field(default_factory=dict)
    opened: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[Any] = field(default_factory=list)
    refusal: WizError | None = None
    is_closed: bool = False
    looked_at: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    shown: ShownPrompt = SHOWN
    looked_into: list[tuple[str, int | None]] = field(default_factory=list)
    inspections: list[Inspection | WizError] = field(default_factory=list)
    listing: RepoListing | None = None
    default: str | None = None
    plan: LoadPlan | None = None
    work: list[FakeOperation] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    deletion: Deletion = DELETION
    workers: list[WorkerInfo] = field(default_factory=lambda: [WORKER])
    library: list[LibraryModel] = field(default_factory=lambda: list(LIBRARY))
    now: float = 0.0

    # What a test has happen.

    def keep(self, name: str, *messages: SessionMessage) -> SessionInfo:
        """A session with these messages; another call adds to it."""
        old = self.kept[name][1] if name in self.kept else []
        return self.say(name, [*old, *messages])

    def say(
        self, name: str, messages: list[SessionMessage], model_path: str | None = None
    ) -> SessionInfo:
        """The session has just these messages now."""
        self.now += 1.0
        info = SessionInfo(
            id=name,
            name=name,
            n_messages=len(messages),
            updated_at=self.now,
            model_path=model_path,
        )
        self.kept[name] = (info, messages)
        return info

    def begin(
        self, id: str, session: str | None, outcome: Any = None, title: str = ""
    ) -> FakeOperation:
        """A prompt is being answered, whoever asked."""
        operation = FakeOperation(
            id=id, outcome=outcome if outcome is not None else answer_in("hi"), fed=True
        )
        self.attached[id] = operation
        info = OperationInfo(
            id=id, kind="prompt", state="running", title=title or f"prompt {id}", session=session
        )
        self.known.append(info)
        return operation

    def end(self, id: str, state: OperationState = "done") -> None:
        """It has ended."""
        self.known = [
            msgspec.structs.replace(info, state=state) if info.id == id else info
            for info in self.known
        ]
        self.attached[id].feed.put(None)

    # What it is asked.

    def start(self, request: AnyRequest) -> FakeOperation:
        self.asked.append(request)
        if self.refusal:
            raise self.refusal
        if isinstance(request, Load):
            return self.load or FakeOperation([], self.loaded(request))
        if request.target.startswith("hub:"):
            return self.work.pop(0)
        return self.prompts.pop(0)

    def loaded(self, request: Load) -> Loaded:
        fields = ("session", "notebook", "kernel_id", "system_prompt", "new")
        options = {name: getattr(request, name) for name in fields}
        return Loaded(
            model=ModelInfo(model_path="/m/demo.gguf", name="demo", size_bytes=1 << 20),
            context=ContextInfo(
                model_path="/m/demo.gguf", context_size=2048, sequences=4, threads=2,
                batch_size=512, pool_size=8192,
            ),
            session=self.open_session(**options),
        )  # fmt: skip

    def request(self, request: AnyRequest) -> Any:
        self.asked.append(request)
        if self.refusal:
            raise self.refusal
        if isinstance(request, SendPrompt):
            self.sent.append(request)
            return self.begin(f"op{len(self.sent)}", request.session, title=request.prompt).id
        if isinstance(request, PlanLoad):
            assert self.plan is not None
            return self.plan
        assert isinstance(request, UnloadModel)
        return UnloadInfo(model_path="/m/demo.gguf", freed_bytes=5 << 20)

    def open_session(self, session: str, **options: Any) -> SessionInfo:
        self.opened.append({"session": session, **options})
        if session in self.kept:
            return self.kept[session][0]
        return SessionInfo(id=f"id-{session}", name=session, n_messages=len(self.opened) - 1)

    def session(self, session: str) -> SessionDetail:
        if session not in self.kept:
            raise SessionNotFound(f"There is no session {session!r}.")
        info, messages = self.kept[session]
        return SessionDetail(info=info, messages=list(messages))

    def sessions(self, limit: int = 100) -> list[SessionInfo]:
        self._must_run()
        return [info for info, _ in self.kept.values()]

    def drop_last_turn(self, session: str) -> list[SessionMessage]:
        messages = self.kept[session][1]
        self.say(session, messages[:-2])
        return messages[-2:]

    def inspect(self, model: str, *, context_size: int | None = None) -> Inspection:
        self.looked_into.append((model, context_size))
        outcome = self.inspections.pop(0) if self.inspections else Inspection(name=model, path="/m")
        if isinstance(outcome, WizError):
            raise outcome
        return outcome

    def list_repo(self, repo: str, *, context_size: int | None = None) -> RepoListing:
        assert self.listing is not None
        return self.listing

    def aliases(self) -> Aliases:
        return Aliases(aliases={"small": "u/r:Q8_0"}, default=self.default)

    def models(self, *, check: bool = False) -> list[LibraryModel]:
        return self.library

    def collections(self, *, refresh: bool = False) -> list[Collection]:
        return [Collection(name="team", source="/t.txt", models=["u/r"])]

    def remove_model(self, model: str, *, only_ask: bool = False) -> Deletion:
        if not only_ask:
            self.removed.append(model)
        return self.deletion

    def count(self, what: Any, /, **options: Any) -> int:
        self.looked_at.append((what, options))
        return len(what)

    def show(self, prompt: str, /, **options: Any) -> ShownPrompt:
        self.looked_at.append((prompt, options))
        return self.shown

    def running(self) -> bool:
        return self.is_running

    def status(self) -> Status:
        self._must_run()
        return Status(
            service=ServiceInfo(pid=7, version="0.1.0", connection_file="/r/c.json"),
            workers=self.workers,
            operations=self.known,
        )

    def operations(self, limit: int = 20, *, session: str | None = None) -> list[OperationInfo]:
        """Those of a kept session newest first; else all that a test lists, in its order."""
        if session not in self.kept:
            return self.known[:limit]
        return [info for info in reversed(self.known) if info.session == session][:limit]

    def operation(self, operation_id: str) -> OperationInfo:
        for info in self.known:
            if info.id == operation_id:
                return info
        raise OperationNotFound(f"There is no operation {operation_id!r}.")

    def attach(self, operation_id: str, from_seq: int = 0) -> FakeOperation:
        """The one there is; whoever comes late to a fed one is given its end alone."""
        operation = self.attached.get(operation_id)
        if operation is None:
            return self.prompts.pop(0)
        if self.operation(operation_id).state in TERMINAL_STATES:
            return FakeOperation(id=operation_id, outcome=operation.outcome)
        return operation

    def cancel(self, operation_id: str | None = None, *, session: str | None = None) -> list[str]:
        self.cancelled.append(operation_id or session)
        return [operation_id] if operation_id else []

    def stop(self) -> ServiceInfo:
        service = self.status().service
        self.is_running = False
        return service

    def close(self) -> None:
        self.is_closed = True

    def _must_run(self) -> None:
        if not self.is_running:
            raise ServiceNotRunning("The wiz service is not running.")


def answer(text: str, finish_reason: Any = "stop", operation_id: str = "op1") -> Answer:
    """An answer of one token per word, at ten tokens per second."""
    n_tokens = len(text.split())
    return Answer(
        AnswerInfo(
            text=text,
            finish_reason=finish_reason,
            usage=Usage(n_prompt_tokens=3, n_tokens=n_tokens),
            timings=Timings(generation_s=n_tokens / 10),
            operation_id=operation_id,
        )
    )


def answer_in(text: str, generation_s: float = 0.5) -> Answer:
    """An answer of ten tokens in half a second."""
    timings = Timings(generation_s=generation_s)
    return Answer(AnswerInfo(text=text, usage=Usage(n_tokens=10), timings=timings))


def said(*texts: str, **kwargs: Any) -> FakeOperation:
    """A prompt that answers `texts`, each in a batch of its own."""
    whole = answer("".join(texts))
    return FakeOperation([[Delta(text=text)] for text in texts], whole, **kwargs)


def turn(question: str, answered: str, operation: str | None = None) -> list[SessionMessage]:
    """A question and its answer."""
    return [
        SessionMessage(role="user", content=question, operation_id=operation),
        SessionMessage(role="assistant", content=answered, operation_id=operation),
    ]
