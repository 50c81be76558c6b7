"""A program that waits for an answer is interrupted, often, and ends: its operation does too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_survival import LONG_OPTIONS
from tests.support.homes import Home
from wiz_kernel_ext.client import Client

PROGRAM = """
from wiz_kernel_ext import Client
client = Client()
client.load(MODEL)
print("loaded", flush=True)
client.prompt("Go on.", **OPTIONS)
"""
ENDS_WITHIN_S = 10.0


@pytest.mark.parametrize(("n_times", "gap_s"), [(1, 0.0), (2, 0.02), (10, 0.01), (10, 0.0)])
def test_its_answer_is_cancelled_however_often_it_is_interrupted(
    home: Home, client: Client, slow_model: Path, n_times: int, gap_s: float
) -> None:
    program = PROGRAM.replace("MODEL", repr(str(slow_model))).replace("OPTIONS", repr(LONG_OPTIONS))
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **home.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "loaded\n"
        deadline = time.monotonic() + ENDS_WITHIN_S
        while not (found := [one for one in client.operations() if one.kind == "prompt"]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        for _ in range(n_times):
            asking.send_signal(signal.SIGINT)
            time.sleep(gap_s)
        asking.wait(ENDS_WITHIN_S)
    deadline = time.monotonic() + ENDS_WITHIN_S / 2
    while client.operation(found[0].id).ended_at is None:
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.05)
    assert client.operation(found[0].id).state == "cancelled"
