"""The service's operations against a plain model: submit, say, cancel, attach, restart, crash.

Real operations, real SQLite. A crash is a service that does nothing more, in the middle of
whatever it did, and another that begins on the same file.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
)

from wiz_kernel_ext.protocol.codec import decode, raw
from wiz_kernel_ext.protocol.events import Delta, End
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.encoded_log import EncodedEvent
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.sessions import Sessions

T = TypeVar("T")


@dataclass
class Asked:
    """What the model knows of an operation."""

    id: str
    said: list[str] = field(default_factory=list)
    # What is on disk for certain.
    n_kept: int = 0
    heard: list[EncodedEvent] | None = None
    state: str = ""


class Script:
    """The body of one operation: says what it is given, until it is let go or cancelled."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, operation: Operation) -> AnswerInfo:
        operation.on_cancel(self.go.set)
        await self.go.wait()
        reason: Any = "cancelled" if operation.cancelling else "stop"
        return AnswerInfo(text=operation.text, finish_reason=reason)


class OperationsMachine(RuleBasedStateMachine):
    """A service that is used, restarted and killed."""

    operations_asked = Bundle("operations_asked")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.dead: list[Records] = []
        self.asked: dict[str, Asked] = {}
        self.running: dict[str, Script] = {}
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def begin(self) -> None:
        # What is written when, the rules decide.
        self.records = Records(self.folder / "wiz.sqlite", flush_interval_s=1e9)
        await self.records.start()
        self.sessions = Sessions(self.records)
        self.session = await self.sessions.open(OpenSession(session="mine"))
        self.operations = Operations(self.records, n_kept=2)
        self.running.clear()

    @rule(target=operations_asked)
    def submit(self) -> Any:
        operation = Operation("prompt", title="hm", session_id=self.session.id)
        operation.asked = SessionMessage(role="user", content="hm", operation_id=operation.id)
        script = self.running[operation.id] = Script()
        self.run(self.operations.start(operation, script))
        asked = self.asked[operation.id] = Asked(operation.id)
        return asked

    @rule(asked=operations_asked, pieces=st.lists(st.text("aé 🧙", max_size=3), max_size=4))
    def say(self, asked: Asked, pieces: list[str]) -> None:
        operation = self.operations.get(asked.id)
        if asked.id in self.running and operation is not None:
            for piece in pieces:
                operation.pass_on(raw(Delta(text=piece)))
            asked.said += pieces

    @rule()
    def time_passes(self) -> None:
        for operation in self.operations.running():
            self.run(self.records._try_to_flush(operation))
            self.asked[operation.id].n_kept = len(self.asked[operation.id].said)

    @rule(asked=operations_asked, how=st.sampled_from(["done", "cancelled"]))
    def end(self, asked: Asked, how: str) -> None:
        """It comes to its end, or is cancelled; the asker hears of it."""
        script = self.running.pop(asked.id, None)
        operation = self.operations.get(asked.id)
        if script is None or operation is None:
            return
        script.go.set() if how == "done" else operation.cancel()
        asked.heard = self.run(read(operation))
        # Acknowledged: so it is in the store, whatever comes next.
        asked.state, asked.n_kept = how, len(asked.said)

    @rule(asked=operations_asked, part=st.floats(0, 1))
    def attach(self, asked: Asked, part: float) -> None:
        """Of an ended operation, from any number on: what comes after it."""
        if asked.id not in self.running:
            whole = self.run(read(self.find(asked.id)))
            seq = round(part * whole[-1].seq)
            rest = self.run(read(self.find(asked.id), seq))
            assert rest == [event for event in whole if event.seq >= seq]

    @rule()
    def restart(self) -> None:
        """The service is stopped in order: what runs ends with it and keeps its text."""
        for id in self.running:
            self.asked[id].state, self.asked[id].n_kept = "interrupted", len(self.asked[id].said)
        self.run(self.operations.settle(5.0))
        self.run(self.records.close())
        self.run(self.begin())

    @rule()
    def crash(self) -> None:
        for id in self.running:
            self.asked[id].state = "interrupted"
        self.dead.append(self.records)
        self.run(self.begin())

    @invariant()
    def every_log_is_whole(self) -> None:
        for asked in self.asked.values():
            if asked.id in self.running:
                continue
            operation = self.find(asked.id)
            events = list(operation.events)
            numbers = [event.seq for event in events]
            assert numbers == sorted(set(numbers))
            ends = [event for event in events if isinstance(event.head, End)]
            assert ends == events[-1:], "one end, the last"
            assert operation.end.state == asked.state
            assert asked.heard is None or events == asked.heard
            # Of what was cut off, all that was kept is there, and nothing that was not said.
            whole = "".join(asked.said)
            assert whole.startswith(operation.text)
            assert operation.text.startswith("".join(asked.said[: asked.n_kept]))
            if operation.end.error is None:
                assert decode(operation.end.result, AnswerInfo).text == operation.text

    @invariant()
    def the_conversation_has_what_was_answered(self) -> None:
        messages = self.run(self.sessions.detail("mine")).messages
        said = {m.operation_id: m.content for m in messages if m.role == "assistant"}
        ended = [asked.id for asked in self.asked.values() if asked.id not in self.running]
        answered = {id: text for id in ended if (text := self.find(id).text)}
        assert said == answered

    def find(self, id: str) -> Operation:
        return self.operations.get(id) or self.run(self.records.restore(id))

    def teardown(self) -> None:
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.run(wait_for(left))
        for records in (self.records, *self.dead):
            self.run(records.close())
        self.loop.close()
        shutil.rmtree(self.folder)


async def wait_for(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def read(operation: Operation, from_seq: int = 0) -> list[EncodedEvent]:
    return [event async for batch in operation.follow(from_seq) for event in batch]


TestOperations = OperationsMachine.TestCase
TestOperations.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
