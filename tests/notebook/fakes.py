"""The seams of the notebook's room, scripted: a screen that remembers, an operation, a client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wiz_kernel_ext.errors import OperationNotFound, WizError
from wiz_kernel_ext.notebook.screen import Drawing
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
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    Load,
    UnloadModel,
)
from wiz_kernel_ext.protocol.results import (
    AnswerInfo,
    ContextInfo,
    Loaded,
    ModelInfo,
    OperationInfo,
    ServiceInfo,
    SessionInfo,
    Status,
    Timings,
    UnloadInfo,
    Usage,
    WorkerInfo,
)

DELETION = Deletion(name="u/r:Q8_0", files=["/c/r.gguf"], freed_bytes=3 << 20)


class FakeScreen:
    """Every slot's drawings in order, and what was written."""

    def __init__(self, *, rich: bool = True) -> None:
        self.rich = rich
        self.slots: list[FakeSlot] = []
        self.written = ""

    def show(self, drawing: Drawing) -> FakeSlot:
        slot = FakeSlot([drawing])
        self.slots.append(slot)
        return slot

    def write(self, text: str) -> None:
        self.written += text


@dataclass
class FakeSlot:
    """One output."""

    drawings: list[Drawing]

    def update(self, drawing: Drawing) -> None:
        self.drawings.append(drawing)

    @property
    def last(self) -> Drawing:
        return self.drawings[-1]


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


class FakeOperation:
    """Says `batches` and ends with `outcome`; interrupted by the user after `interrupt_after`."""

    def __init__(
        self,
        batches: Sequence[list[AnyEvent]] = (),
        outcome: Any = None,
        *,
        id: str = "op1",
        interrupt_after: int | None = None,
        after_cancel: Any = None,
    ) -> None:
        self.id = id
        self.text = ""
        self.is_cancelled = False
        self._batches = batches
        self._outcome = outcome
        self._interrupt_after = interrupt_after
        self._after_cancel = after_cancel

    def batches(self, interval_s: float = 0.05) -> Iterator[list[AnyEvent]]:
        for number, events in enumerate(self._batches):
            if number == self._interrupt_after:
                raise KeyboardInterrupt
            self.text += "".join(event.text for event in events if isinstance(event, Delta))
            yield events

    def result(self, timeout_s: float | None = None) -> Any:
        outcome = self._after_cancel if self.is_cancelled else self._outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def cancel(self) -> None:
        self.is_cancelled = True


def said(*texts: str, **kwargs: Any) -> FakeOperation:
    """A prompt that answers `texts`, each in a batch of its own."""
    whole = answer("".join(texts))
    return FakeOperation([[Delta(text=text)] for text in texts], whole, **kwargs)


@dataclass
class FakeClient:
    """Answers from what it is given, and remembers what it was asked."""

    prompts: list[FakeOperation] = field(default_factory=list)
    load: FakeOperation | None = None
    is_running: bool = True
    known: list[OperationInfo] = field(default_factory=list)
    asked: list[AnyRequest] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[Any] = field(default_factory=list)
    refusal: WizError | None = None
    is_closed: bool = False
    looked_into: list[tuple[str, int | None]] = field(default_factory=list)
    inspections: list[Inspection | WizError] = field(default_factory=list)
    listing: RepoListing | None = None
    default: str | None = None
    work: list[FakeOperation] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    deletion: Deletion = DELETION

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
        assert isinstance(request, UnloadModel)
        return UnloadInfo(model_path="/m/demo.gguf", freed_bytes=5 << 20)

    def open_session(self, session: str, **options: Any) -> SessionInfo:
        self.opened.append({"session": session, **options})
        return SessionInfo(id=f"id-{session}", name=session, n_messages=len(self.opened) - 1)

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
        return [LibraryModel(name="u/r:Q8_0", path="/c/r.gguf", origin="hub")]

    def collections(self, *, refresh: bool = False) -> list[Collection]:
        return [Collection(name="team", source="/t.txt", models=["u/r"])]

    def remove_model(self, model: str, *, only_ask: bool = False) -> Deletion:
        if not only_ask:
            self.removed.append(model)
        return self.deletion

    def running(self) -> bool:
        return self.is_running

    def status(self) -> Status:
        worker = WorkerInfo(pid=8, model="<demo>", model_path="/m/demo.gguf", loads=1)
        return Status(
            service=ServiceInfo(pid=7, version="0.1.0", connection_file="/r/c.json"),
            workers=[worker],
            operations=self.known,
        )

    def operations(self, limit: int = 20, *, session: str | None = None) -> list[OperationInfo]:
        return self.known[:limit]

    def operation(self, operation_id: str) -> OperationInfo:
        for info in self.known:
            if info.id == operation_id:
                return info
        raise OperationNotFound(f"There is no operation {operation_id!r}.")

    def attach(self, operation_id: str) -> FakeOperation:
        return self.prompts.pop(0)

    def cancel(self, operation_id: str | None = None, *, session: str | None = None) -> list[str]:
        self.cancelled.append(operation_id or session)
        return [operation_id] if operation_id else []

    def sessions(self) -> list[SessionInfo]:
        return [SessionInfo(id="1", name="notes"), SessionInfo(id="2", name="two words")]

    def stop(self) -> None:
        self.is_running = False

    def close(self) -> None:
        self.is_closed = True
