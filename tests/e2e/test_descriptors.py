"""A service with few descriptors and many who want to connect: it lives, and says no."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ServiceFull
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo
from wiz_kernel_ext.transport.keys import KeyPair

N_CONNECTIONS = 400
FEW = 256
# Started as an administrator's limit would have it; `patch` is what a twin switches off.
SERVICE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({few}, {few}))
from wiz_kernel_ext.service import __main__ as service
{patch}
sys.exit(service.main())
"""
NOT_HIDING = """
from wiz_kernel_ext.transport.zmq_links import ZmqServerLink
ZmqServerLink._hide = lambda self: None
"""


@contextmanager
def serving(home: Home, patch: str = "") -> Iterator[subprocess.Popen[bytes]]:
    home.places.create()
    with home.places.log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE.format(few=FEW, patch=patch)],
            env={**os.environ, **home.environment},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: find(home.places) is not None or process.poll() is not None, 20)
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def many(info: ConnectionInfo, n: int = N_CONNECTIONS) -> Iterator[None]:
    """As many connections, and nothing asked."""
    with zmq.Context() as context:
        context.setsockopt(zmq.MAX_SOCKETS, n + 10)
        sockets = []
        for _ in range(n):
            own = KeyPair.generate()
            socket = context.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.CURVE_SERVERKEY, info.server_key.encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret.encode())
            socket.connect(info.endpoint)
            sockets.append(socket)
            time.sleep(0.001)
        try:
            yield
        finally:
            for socket in sockets:
                socket.close()


def until(holds: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_full(home: Home) -> bool:
    info = find(home.places)
    return info is not None and info.is_full


def test_those_there_are_too_many_of_are_refused_and_the_others_go_on(home: Home) -> None:
    with serving(home) as process:
        early, late = Client(start=False), Client(start=False)
        pid = early.status().service.pid
        info = find(home.places)
        assert info is not None
        with many(info):
            until(lambda: is_full(home))
            with pytest.raises(ServiceFull, match="as many clients as it can have") as caught:
                late.status()
            assert "ulimit -n" in caught.value.hint
            assert early.status().service.pid == pid
        until(lambda: not is_full(home))
        assert late.status().service.pid == pid
        assert process.poll() is None
        early.close()
        late.close()


def test_without_a_margin_the_service_is_ended_by_zeromq(home: Home) -> None:
    with serving(home, NOT_HIDING) as process:
        info = find(home.places)
        assert info is not None
        with many(info):
            until(lambda: process.poll() is not None)
    assert "Too many open files" in home.log()


@pytest.mark.parametrize(("soft", "hard", "expected"), [(64, 300, 300), (256, 256, 256)])
def test_a_process_takes_as_many_as_it_may(soft: int, hard: int, expected: int) -> None:
    code = (
        "import resource; from wiz_kernel_ext.transport.descriptors import raise_limit;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); print(raise_limit())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected


def test_a_service_that_is_started_has_more_than_its_starter(home: Home) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("there are no more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        client = Client()
        pid = client.status().service.pid
        client.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == min(hard, 65536)
