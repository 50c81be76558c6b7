"""How an in-process worker ends: dropped, or with its process in the middle of a step."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

from wiz_kernel_ext.engine.environment import waiting_policy
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

# What is registered first runs last: the library's own clean-up comes after that.
LEAVING = """
import asyncio, atexit, sys, threading

def tell():
    print("left:", [thread for thread in threading.enumerate() if thread.name == "wiz-engine"])

atexit.register(tell)

from wiz_kernel_ext import LlamaWorker
from wiz_kernel_ext.protocol.events import Progress

async def main():
    worker = await LlamaWorker.create()
    await worker.load_model(sys.argv[1])
    await worker.create_context()
    await worker.initialize_session()
    operation = await worker.send_prompt("word " * 600)
    async for event in operation.events():
        if isinstance(event, Progress):
            break

asyncio.run(main())
"""


def engine_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wiz-engine"]


def test_a_process_that_ends_in_the_middle_of_a_step_ends_well(slow_model: Path) -> None:
    command = [sys.executable, "-c", LEAVING, str(slow_model)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "left: []\n")


async def test_a_worker_nobody_holds_gives_its_thread_and_its_model_back(tiny_gguf: Path) -> None:
    before = len(engine_threads())
    worker = await LlamaWorker.create()
    await worker.load_model(str(tiny_gguf))
    host = worker._host
    del worker
    # What the event loop still holds of the last call may keep it for a moment.
    for _ in range(100):
        gc.collect()
        await asyncio.sleep(0.05)
        if len(engine_threads()) == before:
            break
    assert len(engine_threads()) == before
    assert host.model_path is None


def test_the_users_own_waiting_policy_is_left_alone() -> None:
    assert waiting_policy({}) == {"GOMP_SPINCOUNT": "1000"}
    assert waiting_policy({"GOMP_SPINCOUNT": "7"}) == {}
    assert waiting_policy({"OMP_WAIT_POLICY": "active"}) == {}


async def test_an_in_process_engine_waits_as_a_workers_does(worker: LlamaWorker) -> None:
    assert waiting_policy(os.environ) == {}
