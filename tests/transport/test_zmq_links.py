"""What only a real socket has: keys, hostile bytes, killed processes, threads, and exits."""

from __future__ import annotations

import asyncio
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import zmq
import zmq.asyncio

from tests.transport.road import Road, until
from wiz_kernel_ext.errors import ServiceDied, ServiceError
from wiz_kernel_ext.protocol.codec import Open, decode_any, encode, raw
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.links import MAX_FRAME_BYTES, LinkLost
from wiz_kernel_ext.transport.server import CommServer, ServerComm
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink, ZmqServerLink

CLIENT = """
import asyncio, sys
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink
async def main():
    client = CommClient(ZmqClientLink(sys.argv[1], sys.argv[2], "child"))
    await client.start()
    comm = await client.open("t", None)
    async for message in comm:
        print("here", flush=True)
asyncio.run(main())
"""


@pytest.fixture(params=["ipc", "tcp"])
def wire(request: pytest.FixtureRequest, short_dir: Path) -> Road:
    return Road(request.param, short_dir)


async def echo(comm: ServerComm) -> object:
    return comm.payload


def raw_dealer(context: zmq.Context[zmq.Socket[bytes]], wire: Road) -> zmq.Socket[bytes]:
    """A client that keeps to ZeroMQ's rules and to none of ours."""
    own = KeyPair.generate()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.CURVE_SERVERKEY, wire.keys.public.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret.encode())
    socket.connect(wire.endpoint)
    return socket


async def test_a_client_with_a_wrong_key_hears_of_it_and_gets_nothing(wire: Road) -> None:
    await wire.serve(echo)
    link = ZmqClientLink(wire.endpoint, KeyPair.generate().public, "stranger")
    client = CommClient(link)
    await client.start()
    comm = await client.open("t", None)
    with pytest.raises(ServiceDied):
        await asyncio.wait_for(comm.result(), 10)
    await client.close()
    await wire.close()


async def test_a_client_without_encryption_gets_nothing(wire: Road) -> None:
    heard: list[str] = []

    async def handler(comm: ServerComm) -> None:
        heard.append(comm.target)

    await wire.serve(handler)
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.setsockopt(zmq.LINGER, 0)
        plain.connect(wire.endpoint)
        plain.send(encode(Open("c", "t", raw(None))))
        await asyncio.sleep(0.2)
        assert not plain.poll(0)
    assert heard == []
    await wire.close()


async def test_a_socket_file_is_its_owners_alone_and_goes_with_the_server(
    short_dir: Path,
) -> None:
    link = ZmqServerLink(f"ipc://{short_dir}/s.sock", KeyPair.generate())
    assert stat.S_IMODE((short_dir / "s.sock").stat().st_mode) == 0o600
    await link.close()
    assert not (short_dir / "s.sock").exists()


async def test_an_endpoint_that_cannot_be_is_a_typed_error(short_dir: Path) -> None:
    for endpoint in (f"ipc://{short_dir}/none/s.sock", f"ipc:///tmp/{'x' * 200}", "tcp://nowhere"):
        with pytest.raises(ServiceError, match="Cannot listen"):
            ZmqServerLink(endpoint, KeyPair.generate())
    with pytest.raises(ServiceError, match="Cannot connect"):
        ZmqClientLink(f"ipc:///tmp/{'x' * 200}", KeyPair.generate().public, "c")


async def test_a_frame_above_the_bound_costs_its_sender_the_connection_and_nobody_else(
    wire: Road,
) -> None:
    await wire.serve(echo)
    client = await wire.client()
    with zmq.Context() as context, raw_dealer(context, wire) as rude:
        rude.send(b"x" * (MAX_FRAME_BYTES + 5000))
        for number in range(20):
            assert decode_any(await (await client.open("t", number)).result()) == number
            await asyncio.sleep(0.02)
    await wire.close()


async def test_messages_of_odd_shapes_and_ids_are_survived(wire: Road) -> None:
    await wire.serve(echo)
    client = await wire.client()
    with zmq.Context() as context:
        for name in (b"\xff\xfe/1", b"no slash", b"/", b"x" * 255, b"client-1/other"):
            with raw_dealer(context, wire) as rude:
                rude.setsockopt(zmq.ROUTING_ID, name)
                rude.disconnect(wire.endpoint)
                rude.connect(wire.endpoint)
                rude.send_multipart([b"a", b"b", b"c"])
                rude.send_multipart([b"", b""])
                rude.send(encode(Open("c", "t", raw(1))))
                await asyncio.sleep(0.05)
    assert decode_any(await asyncio.wait_for((await client.open("t", 1)).result(), 5)) == 1
    await wire.close()


async def test_a_client_may_come_before_its_server(wire: Road) -> None:
    if wire.kind == "tcp":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            wire.endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    client = await wire.client()
    comm = await client.open("t", "early")
    await asyncio.sleep(0.2)
    await wire.serve(echo)
    assert decode_any(await asyncio.wait_for(comm.result(), 5)) == "early"
    await wire.close()


async def test_a_killed_client_process_is_noticed_without_sending(wire: Road) -> None:
    cancelled = asyncio.Event()

    async def handler(comm: ServerComm) -> None:
        await comm.send("hello")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await wire.serve(handler)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, wire.endpoint, wire.keys.public),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"here\n"
    child.send_signal(signal.SIGKILL)
    await asyncio.wait_for(cancelled.wait(), 5)
    await child.wait()
    await wire.close()


async def test_a_stopped_client_process_is_no_dead_one_and_misses_nothing(wire: Road) -> None:
    n_sent = 3000

    async def handler(comm: ServerComm) -> None:
        await comm.send("first")
        await asyncio.wait_for(flood.wait(), 10)
        for number in range(n_sent - 1):
            await comm.send(number)

    flood = asyncio.Event()
    server = await wire.serve(handler)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, wire.endpoint, wire.keys.public),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    await child.stdout.readline()
    child.send_signal(signal.SIGSTOP)
    flood.set()
    await until(lambda: not server.clients)
    await asyncio.sleep(0.3)
    child.send_signal(signal.SIGCONT)
    rest = await asyncio.wait_for(child.stdout.read(), 20)
    assert rest.count(b"here\n") == n_sent - 1
    await child.wait()
    await wire.close()


def test_a_client_works_in_the_loop_of_another_thread(wire: Road) -> None:
    answers: list[object] = []

    async def serve_and_wait(done: asyncio.Event) -> None:
        await wire.serve(echo)
        ready.set()
        await done.wait()
        await wire.close()

    async def ask() -> None:
        client = CommClient(ZmqClientLink(wire.endpoint, wire.keys.public, "thread"))
        await client.start()
        answers.append(decode_any(await (await client.open("t", "from a thread")).result()))
        await client.close()

    async def main() -> None:
        done = asyncio.Event()
        server = asyncio.create_task(serve_and_wait(done))
        await asyncio.to_thread(ready.wait)
        await asyncio.to_thread(asyncio.run, ask())
        done.set()
        await server

    ready = threading.Event()
    asyncio.run(main())
    assert answers == ["from a thread"]


def test_a_client_can_be_closed_while_the_interpreter_ends(short_dir: Path) -> None:
    script = f"""
import asyncio, atexit, threading
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
async def connect():
    link = ZmqClientLink("ipc://{short_dir}/none.sock", KeyPair.generate().public, "c")
    client = CommClient(link)
    await client.start()
    return client
client = asyncio.run_coroutine_threadsafe(connect(), loop).result()
def close():
    asyncio.run_coroutine_threadsafe(client.close(), loop).result(5)
    print("closed")
atexit.register(close)
"""
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "closed\n", "")


async def test_clients_that_come_and_go_quickly_are_all_noticed(wire: Road) -> None:
    async def handler(comm: ServerComm) -> None:
        await asyncio.Event().wait()

    server = await wire.serve(handler)
    for n in range(20):
        link = wire.client_link(f"client-{n}")
        await link.send(encode(Open("c", "t", raw(None))))
        await until(lambda: bool(server.clients))
        await link.close()
    await until(lambda: not server.clients, timeout_s=3)
    await wire.close()


UNCLOSED = {
    "in the main loop": "asyncio.run(main())",
    "in a daemon thread": (
        "t = threading.Thread(target=asyncio.run, args=(main(True),), daemon=True); t.start();"
        "time.sleep(0.5)"
    ),
}


@pytest.mark.parametrize("way", UNCLOSED.values(), ids=UNCLOSED.keys())
def test_an_interpreter_that_closes_nothing_still_ends(way: str, short_dir: Path) -> None:
    script = f"""
import asyncio, threading, time
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.server import CommServer
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink, ZmqServerLink
keys = KeyPair.generate()
kept = []
async def main(stay=False):
    link = ZmqServerLink("ipc://{short_dir}/s.sock", keys)
    async def handler(comm): return 1
    server = CommServer(link, handler)
    task = asyncio.create_task(server.serve())
    client = CommClient(ZmqClientLink(link.endpoint, keys.public, "c"))
    await client.start()
    comm = await client.open("t", None)
    await comm.result()
    kept.extend([link, server, client, comm, task])
    print("asked", flush=True)
    if stay: await asyncio.Event().wait()
{way}
"""
    began_s = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    assert (child.returncode, child.stdout) == (0, "asked\n"), child.stderr
    assert time.monotonic() - began_s < 10


async def test_closing_does_not_wait_for_a_client_that_does_not_read(wire: Road) -> None:
    link = wire.server_link()
    slow = wire.client_link("slow")
    await slow.send(b"frame")
    await link.receive()
    for _ in range(50):
        await link.send("slow", b"x" * 1_000_000)
    await asyncio.wait_for(link.close(), 5)
    await link.close()
    await link.send("slow", b"x")
    with pytest.raises(LinkLost):
        await link.receive()
    await wire.close()


async def test_a_link_leaves_no_threads_and_no_descriptors_behind(short_dir: Path) -> None:
    async def once() -> None:
        road = Road("ipc", short_dir)
        await road.serve(echo)
        client = await road.client()
        await (await client.open("t", None)).result()
        await road.close()

    await once()
    process = psutil.Process()
    before = process.num_fds(), process.num_threads()
    for _ in range(3):
        await once()
    after = process.num_fds(), process.num_threads()
    assert after[0] <= before[0] + 1 and after[1] <= before[1] + 3


async def test_a_thousand_round_trips_take_moderate_time(wire: Road) -> None:
    server = CommServer(wire.server_link(), echo)
    task = asyncio.create_task(server.serve())
    client = await wire.client()
    began_s = time.perf_counter()
    for _ in range(1000):
        await (await client.open("t", None)).result()
    took_s = time.perf_counter() - began_s
    print(f"round trip over {wire.kind}: {took_s:.2f} ms")
    assert took_s < 30
    await server.close()
    await task
    await wire.close()
