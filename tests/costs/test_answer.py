"""What an answer costs on its way from the worker to its reader, in counts that stand here.

Real parts all the way, in one process: the worker's bridge, the service's end of a worker, its
operations and store, its event stream, and the client's feed. Only what computes is a list.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wiz_kernel_ext.client.feed import Feed
from wiz_kernel_ext.protocol import codec
from wiz_kernel_ext.protocol.events import Delta
from wiz_kernel_ext.protocol.requests import OpenSession, Prompt
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.event_stream import see_through
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.records import FLUSH_INTERVAL_S, Records
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.worker_process import WorkerProcess
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.memory import MemoryServerLink
from wiz_kernel_ext.transport.server import CommServer, Handler, ServerComm
from wiz_kernel_ext.worker.bridge import LlamaWorkerBridge
from wiz_kernel_ext.worker.call import Call

PIECES = [f"piece {n} " for n in range(200)]


class Reciting:
    """A worker that says what it was given to say."""

    async def handle(self, request: Any, call: Call) -> AnswerInfo:
        for piece in PIECES:
            call.emit(Delta(text=piece))
            await asyncio.sleep(0.001)
        return AnswerInfo(text="".join(PIECES))


@dataclass
class Way:
    """To a service: what a client's connection does, over a link in memory."""

    client: CommClient

    async def open(self, request: Any) -> ClientComm:
        return await self.client.open(request.target, request)

    async def gone(self) -> None:
        return


@asynccontextmanager
async def asking(handler: Handler) -> AsyncIterator[CommClient]:
    link = MemoryServerLink()
    server = CommServer(link, handler)
    serving = asyncio.create_task(server.serve())
    client = CommClient(link.connect("asker"))
    await client.start()
    try:
        yield client
    finally:
        await client.close()
        await server.close()
        await serving


@asynccontextmanager
async def worker_process(log_file: Path) -> AsyncIterator[WorkerProcess]:
    """The service's end of a worker; the process it watches is one that waits."""
    wait = "import sys; sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", wait), stdin=asyncio.subprocess.PIPE
    )
    async with asking(LlamaWorkerBridge(Reciting())) as client:  # type: ignore[arg-type]
        worker = WorkerProcess(process, client, endpoint="", log_file=log_file)
        yield worker
        await worker.end()


def texts_in(value: Any) -> int:
    """How many deltas `value` is made of, whose text it holds decoded."""
    if isinstance(value, Delta):
        return 1
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    return sum(map(texts_in, value)) if isinstance(value, list | tuple) else 0


class CountingCodec:
    """Counts the codec's calls, and the deltas whose text they wrote or read, at its seam."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        encoder, decoder = codec._encoder, codec._decoder
        monkeypatch.setattr(codec, "_encoder", self)
        monkeypatch.setattr(codec, "_decoder", lambda type: _Decoding(self, decoder(type)))
        self._encoder = encoder

    def note(self, what: str, value: Any) -> None:
        """Count one call."""
        where = "store" if threading.current_thread().name.startswith("wiz-store") else "way"
        self.counts[f"{where}: calls"] += 1
        self.counts[f"{where}: texts {what}"] += texts_in(value)

    def encode(self, value: Any) -> bytes:
        """As the encoder does."""
        self.note("written", value)
        return self._encoder.encode(value)


@dataclass
class _Decoding:
    codec: CountingCodec
    decoder: Any

    def decode(self, data: Any) -> Any:
        value = self.decoder.decode(data)
        self.codec.note("read", value)
        return value


@dataclass
class Cost:
    """One answer's."""

    codec: Counter[str]
    sql: list[str]
    feed: Feed


async def cost_of_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cost:
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    operations, sql = Operations(records), list[str]()
    await records.call(records._database._connection.set_trace_callback, sql.append)
    async with worker_process(tmp_path / "log") as worker:

        async def prompt(comm: ServerComm) -> Any:
            operation = Operation("prompt", title="hm", session_id=session.id)
            operation.asked = SessionMessage(role="user", content="hm", operation_id=operation.id)

            async def body(operation: Operation) -> AnswerInfo:
                request = Prompt(prompt="hm", messages=[])
                return await worker.prompt(request, operation.pass_on, operation.on_cancel)

            await operations.start(operation, body)
            return await see_through(comm, operation)

        counting = CountingCodec(monkeypatch)
        async with asking(prompt) as client:
            feed = Feed(Way(client))  # type: ignore[arg-type]
            await feed.begin(Prompt(prompt="hm"))
            while not feed.ended:
                await feed.next(feed.events.next_seq)
    await records.call(records._database._connection.set_trace_callback, None)
    said = (await Sessions(records).detail("mine")).messages
    assert [m.content for m in said] == ["hm", "".join(PIECES)]
    await records.close()
    assert feed.text == "".join(PIECES)
    return Cost(counting.counts, sql, feed)


async def test_a_pieces_text_is_written_once_and_read_once_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(PIECES)
    cost = (await cost_of_an_answer(tmp_path, monkeypatch)).codec
    # The worker writes it, its reader reads it: 2, of the 4 that were allowed.
    assert cost["way: texts written"] == n
    assert cost["way: texts read"] == n
    # At the end the store reads it once, on its own thread, to keep it once.
    assert (cost["store: texts written"], cost["store: texts read"]) == (0, n)
    # Envelopes: written by the worker, read twice (frame, head) and written by the service, read
    # twice (frame, batch) by the reader, which acknowledges: one written, two read.
    assert cost["way: calls"] <= 9 * n + 40


async def test_the_sql_statements_of_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    sql = (await cost_of_an_answer(tmp_path, monkeypatch)).sql
    kinds = Counter(statement.split()[0] for statement in sql)
    n_flushes = kinds["INSERT"] - 3
    assert 0 <= n_flushes <= (loop.time() - began) / FLUSH_INTERVAL_S + 1
    # Its row at the beginning; at its end, in one transaction: its outcome and the journal's end,
    # its session's place and time, and two messages.
    assert kinds == {
        "INSERT": 1 + n_flushes + 2,
        "BEGIN": 1,
        "UPDATE": 2,
        "DELETE": 1,
        "SELECT": 1,
        "COMMIT": 1,
    }
