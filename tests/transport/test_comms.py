"""What a comm promises, over every kind of link."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
import pytest

from tests.transport.road import Road, until
from wiz_kernel_ext.errors import (
    BadRequest,
    InternalError,
    ModelNotLoaded,
    OperationCancelled,
    ServiceDied,
    ServiceStopping,
    WizError,
)
from wiz_kernel_ext.protocol.codec import (
    Close,
    Open,
    decode_any,
    decode_frame,
    encode,
    raw,
)
from wiz_kernel_ext.transport.links import MAX_FRAME_BYTES
from wiz_kernel_ext.transport.server import CommClosed, ServerComm


async def echo(comm: ServerComm) -> Any:
    return comm.payload


async def forever(comm: ServerComm) -> None:
    await asyncio.Event().wait()


async def count(comm: ServerComm) -> str:
    for number in range(decode_any(comm.payload)):
        await comm.send(number)
    return "counted"


class Watched:
    """A handler that never ends by itself and counts how often it began and was cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0

    async def __call__(self, comm: ServerComm) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def test_a_result_comes_back_as_it_was_given(road: Road) -> None:
    await road.serve(echo)
    client = await road.client()
    for value in (None, "olá", {"a": [1, 2.5, b"\0"]}, "x" * 200_000):
        comm = await client.open("echo", value)
        assert decode_any(await comm.result()) == value


async def test_messages_come_in_order_and_before_the_result(road: Road) -> None:
    await road.serve(count)
    client = await road.client()
    comm = await client.open("count", 2000)
    assert [decode_any(message) async for message in comm] == list(range(2000))
    assert decode_any(await comm.result()) == "counted"
    assert [message async for message in comm] == []


async def test_many_comms_of_many_clients_do_not_mix(road: Road) -> None:
    async def handler(comm: ServerComm) -> Any:
        for _ in range(20):
            await comm.send(comm.payload)
            await asyncio.sleep(0)
        return comm.payload

    await road.serve(handler)

    async def ask(client_id: str) -> None:
        client = await road.client(client_id)
        comms = {n: await client.open("t", f"{client_id}/{n}") for n in range(10)}
        for n, comm in comms.items():
            told = {decode_any(message) async for message in comm}
            assert told == {f"{client_id}/{n}"} == {decode_any(await comm.result())}

    await asyncio.gather(*(ask(f"client-{i}") for i in range(4)))


async def test_the_handler_reads_what_the_asker_sends(road: Road) -> None:
    async def handler(comm: ServerComm) -> int:
        return sum([decode_any(await comm.receive()) for _ in range(3)])

    await road.serve(handler)
    comm = await (await road.client()).open("sum", None)
    for number in (1, 2, 3):
        await comm.send(number)
    assert decode_any(await comm.result()) == 6


async def test_a_typed_error_arrives_as_itself(road: Road) -> None:
    async def handler(comm: ServerComm) -> None:
        raise ModelNotLoaded(hint="Load one.", size=3)

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    with pytest.raises(ModelNotLoaded, match="Model not loaded") as caught:
        await comm.result()
    assert (caught.value.hint, caught.value.details) == ("Load one.", {"size": 3})


@pytest.mark.parametrize(
    "failure",
    [KeyError("k"), ZeroDivisionError(), RecursionError("deep"), UnicodeError("half")],
    ids=repr,
)
async def test_any_other_exception_is_an_internal_error_with_its_traceback_logged(
    road: Road, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(comm: ServerComm) -> None:
        raise failure

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    with pytest.raises(InternalError, match=type(failure).__name__):
        await comm.result()
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("answer", [object(), {1, object()}, 2**70, float], ids=repr)
async def test_an_answer_that_is_no_message_is_an_internal_error(
    road: Road, answer: object
) -> None:
    async def handler(comm: ServerComm) -> object:
        return answer

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    with pytest.raises(InternalError):
        await comm.result()


async def test_an_error_whose_details_are_no_message_still_arrives(road: Road) -> None:
    async def handler(comm: ServerComm) -> None:
        raise WizError("odd", thing=object())

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    with pytest.raises(InternalError):
        await comm.result()


async def test_a_cancellation_inside_the_handler_is_an_end_as_well(road: Road) -> None:
    async def handler(comm: ServerComm) -> None:
        raise asyncio.CancelledError

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    with pytest.raises(OperationCancelled):
        await comm.result()


async def test_every_open_gets_exactly_one_close_whatever_its_handler_does(road: Road) -> None:
    async def handler(comm: ServerComm) -> Any:
        match comm.target:
            case "return":
                return 1
            case "raise":
                raise KeyError
            case "wiz":
                raise ModelNotLoaded
            case "cancel":
                raise asyncio.CancelledError
            case "end twice":
                await comm.end(result=1)
                await comm.end(error=ModelNotLoaded())
            case "closed":
                raise CommClosed
            case "object":
                return object()
            case "big":
                return b"x" * (MAX_FRAME_BYTES + 1)
        return None

    await road.serve(handler)
    link = road.client_link()
    targets = ["return", "raise", "wiz", "cancel", "end twice", "closed", "object", "big", "?"]
    for target in targets:
        await link.send(encode(Open(target, target, raw(None))))
    await link.send(encode(Open("last", "return", raw(None))))
    closes: list[str] = []
    while len(closes) <= len(targets):
        frame = decode_frame(await link.receive())
        assert isinstance(frame, Close)
        assert (frame.comm in ("return", "end twice", "?", "last")) == (frame.error is None)
        closes.append(frame.comm)
    assert sorted(closes) == sorted([*targets, "last"])


async def test_giving_up_cancels_the_handler_and_ends_the_asker(road: Road) -> None:
    handler = Watched()
    server = await road.serve(handler)
    client = await road.client()
    comm = await client.open("t", None)
    await until(lambda: handler.begun == 1)
    await comm.close()
    with pytest.raises(OperationCancelled):
        await comm.result()
    await until(lambda: handler.cancelled == 1 and not server.clients)
    await comm.send("too late")
    await comm.close()


async def test_a_handler_that_is_reading_hears_that_its_asker_closed(road: Road) -> None:
    begun, heard = asyncio.Event(), asyncio.Event()

    async def handler(comm: ServerComm) -> None:
        async def read() -> None:
            try:
                await comm.receive()
            except CommClosed:
                heard.set()

        reader = asyncio.create_task(read())
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await reader

    await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    await begun.wait()
    await comm.close()
    await asyncio.wait_for(heard.wait(), 5)


async def test_a_client_that_vanishes_cancels_its_handlers_and_no_others(road: Road) -> None:
    handler = Watched()
    server = await road.serve(handler)
    link = road.client_link("short-lived")
    await link.send(encode(Open("a", "t", raw(None))))
    await link.send(encode(Open("b", "t", raw(None))))
    staying = await (await road.client("staying")).open("t", None)
    await until(lambda: handler.begun == 3)
    await link.close()
    await until(lambda: handler.cancelled == 2)
    await asyncio.sleep(0.3)
    assert (handler.cancelled, server.clients, staying.closed) == (2, {"staying"}, False)


async def test_a_new_client_with_the_same_id_takes_the_place_of_the_old(road: Road) -> None:
    handler = Watched()
    server = await road.serve(handler)
    old = await road.client("twin")
    old_comm = await old.open("t", None)
    await until(lambda: handler.begun == 1)
    new = await road.client("twin")
    new_comm = await new.open("t", None)
    await until(lambda: handler.begun == 2 and handler.cancelled == 1)
    with pytest.raises(ServiceDied):
        await old_comm.result()
    await asyncio.sleep(0.3)
    assert (handler.cancelled, new_comm.closed, server.clients) == (1, False, {"twin"})


async def test_a_client_that_comes_back_with_its_id_is_served(road: Road) -> None:
    await road.serve(echo)
    for n in range(5):
        client = await road.client("again")
        assert decode_any(await (await client.open("t", n)).result()) == n
        await client.close()


async def test_a_server_that_closes_ends_every_comm_with_its_error(road: Road) -> None:
    server = await road.serve(forever)
    client = await road.client()
    comms = [await client.open("t", None) for _ in range(3)]
    await until(lambda: bool(server.clients))
    await server.close()
    for comm in comms:
        with pytest.raises(ServiceStopping):
            await comm.result()
    await until(lambda: client.failed)
    with pytest.raises(ServiceDied):
        await client.open("t", None)


async def test_a_handler_may_close_its_server(road: Road) -> None:
    async def handler(comm: ServerComm) -> None:
        await server.close(ServiceStopping("bye"))

    server = await road.serve(handler)
    comm = await (await road.client()).open("stop", None)
    with pytest.raises(ServiceStopping, match="bye"):
        await comm.result()


async def test_a_handler_that_will_not_be_cancelled_does_not_hold_up_the_close(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiz_kernel_ext.transport.server.CLOSE_TIMEOUT_S", 0.1)
    release = asyncio.Event()

    async def handler(comm: ServerComm) -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    server = await road.serve(handler)
    comm = await (await road.client()).open("t", None)
    await until(lambda: bool(server.clients))
    await asyncio.wait_for(server.close(), 5)
    with pytest.raises(ServiceStopping):
        await comm.result()
    release.set()


async def test_a_server_link_that_is_gone_ends_comms_with_the_clients_own_error(
    road: Road,
) -> None:
    link = road.server_link()
    client = await road.client()
    comm = await client.open("t", None)
    await link.receive()
    await link.close()
    with pytest.raises(ServiceDied):
        await comm.result()
    assert [message async for message in comm] == []
    await comm.send("into the void")
    await comm.close()


async def test_what_the_server_said_before_it_went_is_read_to_the_end(road: Road) -> None:
    link = road.server_link()
    client = await road.client("c")
    comm = await client.open("t", None)
    _, opening = await link.receive()
    frame = decode_frame(opening)
    for _ in range(500):
        await link.send("c", encode(["msg", frame.comm, "x" * 1000]))
    await link.send("c", encode(Close(frame.comm, result=raw("whole"))))
    await link.close()
    assert decode_any(await comm.result()) == "whole"
    assert len([message async for message in comm]) == 500


async def test_failing_a_client_ends_its_comms_and_refuses_new_ones(road: Road) -> None:
    await road.serve(forever)
    client = await road.client()
    comm = await client.open("t", None)
    client.fail(ServiceStopping("gone"))
    with pytest.raises(ServiceStopping):
        await comm.result()
    with pytest.raises(ServiceStopping):
        await client.open("t", None)


async def test_closing_a_client_ends_its_comms_and_its_handlers(road: Road) -> None:
    handler = Watched()
    await road.serve(handler)
    client = await road.client()
    comm = await client.open("t", None)
    await until(lambda: handler.begun == 1)
    await client.close()
    with pytest.raises(OperationCancelled):
        await comm.result()
    await until(lambda: handler.cancelled == 1)


GARBAGE = {
    "noise": b"\xff\x00garbage",
    "not msgpack": b"\xc1",
    "a map": encode({"open": 1}),
    "an empty list": encode([]),
    "a number": encode(7),
    "unknown tag": encode(["hello", "comm-9"]),
    "short open": encode(["open", "comm-9"]),
    "comm id of a wrong type": encode(["open", 12, "t", None]),
    "target of a wrong type": encode(["open", "comm-9", 12, None]),
    "invalid text": b"\x94\xa4open\xa2\xff\xfe\xa1t\xc0",
    "cut off": encode(["open", "comm-9", "t", "payload"])[:-3],
    "huge length": b"\xdd\xff\xff\xff\xff",
    "deep": b"\x91" * 5000,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_logged_and_harms_nobody(
    road: Road, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await road.serve(echo)
    link = road.client_link("rude")
    await link.send(garbage)
    await link.send(encode(Open("after", "t", raw("still here"))))
    while (frame := decode_frame(await link.receive())).comm != "after":
        assert isinstance(frame, Close)
        assert frame.error is not None and frame.error.code == "bad_request"
    assert isinstance(frame, Close) and frame.result == raw("still here")
    assert "garbage" in caplog.text


@pytest.mark.parametrize("name", ["unknown tag", "short open", "target of a wrong type"])
async def test_garbage_that_names_a_comm_is_answered(road: Road, name: str) -> None:
    await road.serve(echo)
    link = road.client_link()
    await link.send(GARBAGE[name])
    frame = decode_frame(await link.receive())
    assert isinstance(frame, Close) and frame.comm == "comm-9" and frame.error is not None


async def test_garbage_about_an_open_comm_is_its_one_end(road: Road) -> None:
    handler = Watched()
    await road.serve(handler)
    link = road.client_link()
    await link.send(encode(Open("c", "t", raw(None))))
    await until(lambda: handler.begun == 1)
    await link.send(encode(["msg", "c"]))
    frame = decode_frame(await link.receive())
    assert isinstance(frame, Close) and frame.error is not None
    await until(lambda: handler.cancelled == 1)


async def test_an_id_that_is_open_already_is_refused_and_the_first_goes_on(road: Road) -> None:
    async def handler(comm: ServerComm) -> Any:
        return await comm.receive()

    await road.serve(handler)
    link = road.client_link()
    await link.send(encode(Open("c", "t", raw(None))))
    await link.send(encode(Open("c", "t", raw(None))))
    frame = decode_frame(await link.receive())
    assert isinstance(frame, Close) and frame.error is not None
    assert "open already" in frame.error.message
    await link.send(encode(["msg", "c", 5]))
    frame = decode_frame(await link.receive())
    assert isinstance(frame, Close) and frame.result == raw(5)


async def test_an_id_can_be_used_again_after_its_end(road: Road) -> None:
    await road.serve(echo)
    link = road.client_link()
    for n in range(3):
        await link.send(encode(Open("c", "t", raw(n))))
        frame = decode_frame(await link.receive())
        assert isinstance(frame, Close) and frame.result == raw(n)


async def test_messages_and_closes_for_unknown_comms_are_ignored(road: Road) -> None:
    await road.serve(echo)
    link = road.client_link()
    await link.send(encode(["msg", "nowhere", 1]))
    await link.send(encode(Close("nowhere")))
    await link.send(encode(Open("c", "t", raw(1))))
    assert decode_frame(await link.receive()).comm == "c"


async def test_garbage_from_the_server_harms_no_comm(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    link = road.server_link()
    client = await road.client("c")
    comm = await client.open("t", None)
    _, opening = await link.receive()
    comm_id = decode_frame(opening).comm
    for garbage in [*GARBAGE.values(), encode(Open(comm_id, "t", raw(1))), encode(Close("no"))]:
        await link.send("c", garbage)
    await link.send("c", encode(Close(comm_id, result=raw(1))))
    assert decode_any(await comm.result()) == 1
    assert "garbage" in caplog.text


async def test_an_unreadable_end_is_an_end(road: Road) -> None:
    link = road.server_link()
    comm = await (await road.client("c")).open("t", None)
    _, opening = await link.receive()
    await link.send("c", encode(["close", decode_frame(opening).comm, 1, "no error"]))
    with pytest.raises(InternalError):
        await comm.result()


async def test_a_payload_above_the_limit_is_refused_and_the_connection_lives(road: Road) -> None:
    await road.serve(echo)
    client = await road.client()
    with pytest.raises(BadRequest, match="too large"):
        await client.open("t", b"x" * MAX_FRAME_BYTES)
    assert decode_any(await (await client.open("t", 1)).result()) == 1


async def test_a_result_above_the_limit_is_an_error_and_not_a_lost_connection(road: Road) -> None:
    async def handler(comm: ServerComm) -> Any:
        return b"x" * MAX_FRAME_BYTES if comm.target == "big" else 1

    await road.serve(handler)
    client = await road.client()
    with pytest.raises(BadRequest, match="too large"):
        await (await client.open("big", None)).result()
    assert decode_any(await (await client.open("small", None)).result()) == 1


async def test_a_client_that_does_not_read_holds_up_neither_server_nor_others(road: Road) -> None:
    done = asyncio.Event()

    async def handler(comm: ServerComm) -> Any:
        if comm.target == "flood":
            for _ in range(5_000):
                await comm.send("x" * 500)
            done.set()
        return 1

    await road.serve(handler)
    slow = road.client_link("slow")
    quick = await road.client("quick")
    await slow.send(encode(Open("c", "flood", raw(None))))
    await asyncio.wait_for(done.wait(), 20)
    assert decode_any(await asyncio.wait_for((await quick.open("t", None)).result(), 5)) == 1
    n_frames = 1
    while isinstance(decode_frame(await asyncio.wait_for(slow.receive(), 5)), msgspec.Struct):
        n_frames += 1
        if n_frames == 5_001:
            break
    assert n_frames == 5_001


async def test_a_client_that_floods_leaves_the_others_their_turn(road: Road) -> None:
    await road.serve(echo)
    rude = road.client_link("rude")
    quick = await road.client("quick")
    assert decode_any(await (await quick.open("t", 1)).result()) == 1
    for _ in range(5_000):
        await rude.send(encode(["msg", "nowhere", "x" * 100]))
    assert decode_any(await asyncio.wait_for((await quick.open("t", 2)).result(), 10)) == 2


async def test_a_frame_for_an_unknown_client_is_dropped_in_silence(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    link = road.server_link()
    with caplog.at_level(logging.WARNING):
        await link.send("nobody", b"frame")
    assert not caplog.records
