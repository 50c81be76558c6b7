"""A service for panels, scripted: sessions, operations that say what they are told to."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

from wiz_kernel_ext.errors import ServiceNotRunning, SessionNotFound
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import AnyEvent
from wiz_kernel_ext.protocol.requests import SendPrompt
from wiz_kernel_ext.protocol.results import (
    AnswerInfo,
    OperationInfo,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
    Timings,
    Usage,
    WorkerInfo,
)

WORKER = WorkerInfo(pid=2, model="demo", model_path="/demo.gguf", loads=1)


class FakeOperation:
    """Says the batches it is `fed`, until it is fed None; then `outcome` is its result."""

    def __init__(self, id: str, outcome: Any) -> None:
        self.id = id
        self.outcome = outcome
        self.feed: queue.SimpleQueue[list[AnyEvent] | None] = queue.SimpleQueue()

    def batches(self, interval_s: float = 0.05) -> Iterator[list[AnyEvent]]:
        while (events := self.feed.get()) is not None:
            yield events

    def result(self, timeout_s: float | None = None) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class FakeClient:
    """What a conversation asks of a client; `prompts` are those it was sent."""

    def __init__(self) -> None:
        self.up = True
        self.now = 0.0
        self.kept: dict[str, tuple[SessionInfo, list[SessionMessage]]] = {}
        self.running: list[OperationInfo] = []
        self.attached: dict[str, FakeOperation] = {}
        self.prompts: list[SendPrompt] = []
        self.cancelled: list[str] = []
        self.workers = [WORKER]

    def keep(self, name: str, *messages: SessionMessage) -> SessionInfo:
        """A session with these messages; another call adds to it."""
        old = self.kept[name][1] if name in self.kept else []
        return self.say(name, [*old, *messages])

    def say(self, name: str, messages: list[SessionMessage]) -> SessionInfo:
        """The session has just these messages now."""
        self.now += 1.0
        info = SessionInfo(id=name, name=name, n_messages=len(messages), updated_at=self.now)
        self.kept[name] = (info, messages)
        return info

    def begin(self, id: str, session: str, outcome: Any = None) -> FakeOperation:
        """A prompt is being answered, whoever asked."""
        operation = FakeOperation(id, outcome if outcome is not None else said("hi"))
        self.attached[id] = operation
        self.running.append(
            OperationInfo(
                id=id, kind="prompt", state="running", title=f"prompt {id}", session=session
            )
        )
        return operation

    def end(self, id: str) -> None:
        """It has ended."""
        self.running = [info for info in self.running if info.id != id]
        self.attached[id].feed.put(None)

    def sessions(self, limit: int = 100) -> list[SessionInfo]:
        if not self.up:
            raise ServiceNotRunning("The wiz service is not running.")
        return [info for info, _ in self.kept.values()]

    def session(self, session: str) -> SessionDetail:
        if session not in self.kept:
            raise SessionNotFound(f"There is no session {session!r}.")
        info, messages = self.kept[session]
        return SessionDetail(info=info, messages=list(messages))

    def operations(self, limit: int = 20, session: str | None = None) -> list[OperationInfo]:
        return [info for info in reversed(self.running) if info.session == session]

    def operation(self, operation_id: str) -> OperationInfo:
        return OperationInfo(
            id=operation_id, kind="prompt", state="running", title=f"prompt {operation_id}"
        )

    def status(self) -> Status:
        service = ServiceInfo(pid=1, version="1", connection_file="")
        return Status(service=service, workers=self.workers)

    def attach(self, operation_id: str, from_seq: int = 0) -> FakeOperation:
        return self.attached[operation_id]

    def request(self, request: Any) -> str:
        self.prompts.append(request)
        id = f"op{len(self.prompts)}"
        self.begin(id, request.session)
        return id

    def cancel(self, operation_id: str) -> list[str]:
        self.cancelled.append(operation_id)
        return [operation_id]

    def drop_last_turn(self, session: str) -> list[SessionMessage]:
        messages = self.kept[session][1]
        self.say(session, messages[:-2])
        return messages[-2:]

    def open_session(self, session: str, **options: Any) -> SessionInfo:
        return self.kept[session][0] if session in self.kept else self.say(session, [])


def said(text: str) -> Answer:
    """An answer of ten tokens in half a second."""
    return Answer(
        AnswerInfo(text=text, usage=Usage(n_tokens=10), timings=Timings(generation_s=0.5))
    )


def turn(question: str, answer: str, operation: str | None = None) -> list[SessionMessage]:
    """A question and its answer."""
    return [
        SessionMessage(role="user", content=question, operation_id=operation),
        SessionMessage(role="assistant", content=answer, operation_id=operation),
    ]
