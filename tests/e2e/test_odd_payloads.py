"""Payloads that no reader can take: an error that says so, from each side; the service lives on."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.codec import encode
from wiz_kernel_ext.protocol.depth import MAX_DEPTH, is_too_deep
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return {"name": "f", "parameters": value}


@pytest.mark.parametrize("depth", [MAX_DEPTH, 500, 900, 5000, 100_000])
def test_tools_that_are_nested_too_deeply_are_refused(shared_client: Client, depth: int) -> None:
    client = shared_client
    with pytest.raises(BadRequest, match="nested"):
        client.prompt("hi", session="mine", tools=[nested(depth)])
    with pytest.raises(BadRequest, match="nested"):
        client.invoke("worker:prompt", {"prompt": "hi", "session": "x", "tools": [nested(depth)]})
    assert client.status().service.pid


def test_a_model_takes_tools_that_are_nested_as_deeply_as_is_allowed(client: Client) -> None:
    client.load("demo", session="mine")
    tool = nested(MAX_DEPTH - 5)
    assert not is_too_deep([tool])
    client.prompt("hi", session="mine", tools=[tool], max_tokens=3)


def opening(comm: str, target: str, payload: Any) -> bytes:
    return encode(["open", comm, target, payload])


DEEP = b"\x81\xa1a" * 5000 + b"\x01"
FRAMES = [
    opening("c" * 32, "service:getSession", {"session": "XXXX"}),
    opening("c" * 32, "service:getSession", {"XXXX": "mine"}),
    opening("c" * 32, "XXXX", {"session": "mine"}),
    opening("c" * 5, "worker:prompt", {"prompt": "hi", "tools": ["DEEP"]}),
]


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_a_frame_that_cannot_be_read_has_its_answer(
    shared_home: Home, shared_client: Client, number: int
) -> None:
    home, client = shared_home, shared_client
    client.status()
    frame = FRAMES[number].replace(b"XXXX", b"\xff\xfe\xff\xfe").replace(b"\xa4DEEP", DEEP)
    answer = asyncio.run(answer_to(home, frame))
    assert answer[0] == "close"
    assert answer[1] == "c" * len(answer[1])
    assert answer[3]["code"] == "bad_request"
    assert client.status().service.pid


async def answer_to(home: Home, frame: bytes) -> Any:
    info = find(home.places)
    assert info is not None
    link = ZmqClientLink(info.endpoint, info.server_key, "raw")
    try:
        await link.send(frame)
        return msgspec.msgpack.decode(await asyncio.wait_for(link.receive(), 5))
    finally:
        await link.close()
