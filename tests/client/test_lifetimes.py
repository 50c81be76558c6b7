"""A client's connection where its process forks, and where nobody holds the client any more."""

from __future__ import annotations

import gc
import subprocess
import sys
import time

import psutil

from tests.support.homes import Home
from wiz_kernel_ext.client import Client

FORKING = """
import os, sys
from wiz_kernel_ext import Client, WizError

client = Client()
client.load_model("demo"); client.create_context(); client.initialize_session(session="ours")
answer = client.send_prompt("Hello", temperature=0)
ended = client.attach(answer.id)
assert str(answer.result()) == str(ended.result())
going = client.send_prompt("Count from 1 to 30.", temperature=0)
child = os.fork()
if child == 0:
    print("child:", client.prompt("Hello", temperature=0, session="ours"))
    print("ended:", answer.result())
    try:
        print("going:", going.result())
    except WizError as error:
        print("going:", error)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
print("parent:", client.prompt("Hello", temperature=0))
print("parent:", going.result().finish_reason)
"""


def test_a_client_that_was_made_before_a_fork_works_on_both_sides_of_it(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines()[:3])
    assert told["child"] == told["ended"] == "Hello! How can I help you today?", done
    # Where the answer was here before the fork, it is there on both sides.
    assert "process that began it" in told["going"] or told["going"].startswith("1"), done
    assert "parent: Hello! How can I help you today?" in done.stdout, done
    assert "destroyed" not in done.stderr, done.stderr


def test_a_client_nobody_holds_gives_its_sockets_and_threads_back(
    home: Home, client: Client
) -> None:
    client.status()
    process = psutil.Process()
    n_fds, n_threads = process.num_fds(), process.num_threads()
    for _ in range(10):
        Client().status()
    gc.collect()
    deadline = time.monotonic() + 10
    # A client has two threads of ZeroMQ's; the loop's own pool may have grown by a few.
    while process.num_fds() > n_fds or process.num_threads() > n_threads + 10:
        assert time.monotonic() < deadline, (n_fds, process.num_fds(), process.num_threads())
        time.sleep(0.05)
    assert client.status().workers == []


def test_a_client_nobody_holds_stays_connected_for_an_operation_somebody_does(home: Home) -> None:
    first = Client()
    first.load_model("demo")
    first.create_context()
    first.initialize_session()
    operation = first.send_prompt("Count from 1 to 30.", temperature=0)
    del first
    gc.collect()
    assert "20" in operation.result(timeout_s=30)
