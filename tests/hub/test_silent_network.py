"""A network that swallows what is sent to it, as behind a firewall that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.hub_user import children
from tests.support.stand_in_hub import StandInHub
from wiz_kernel_ext.errors import HubUnreachable
from wiz_kernel_ext.hub.search import list_repo, search


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Points at a port whose queue is full: the kernel drops whatever else asks for it."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        yield {
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_HOME": str(tmp_path),
            "HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "HF_HUB_DOWNLOAD_TIMEOUT": "40",
        }


async def test_it_is_told_soon_whatever_time_an_answer_may_take(
    environment: dict[str, str],
) -> None:
    async def told(question: Callable[..., Awaitable[object]]) -> None:
        began = time.monotonic()
        with pytest.raises(HubUnreachable, match="no connection"):
            await question(environment=environment)
        assert time.monotonic() - began < 30

    await asyncio.gather(told(partial(search, "llama")), told(partial(list_repo, "a/b")))
    assert children() == []


async def test_nothing_else_is_asked_than_what_was_asked_for(
    environment: dict[str, str], hub: StandInHub
) -> None:
    await search("llama", environment={**environment, "HF_ENDPOINT": hub.url})
    assert {asked.path for asked in hub.asked} == {"/api/models"}
