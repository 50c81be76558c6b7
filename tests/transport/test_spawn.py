"""A detached process outlives its spawner, whatever is done to that."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from wiz_kernel_ext.errors import ServiceStartFailed
from wiz_kernel_ext.transport.spawn import spawn_detached

SERVICE = """
import json, os, sys, time
print("to stdout", flush=True)
print("to stderr", file=sys.stderr, flush=True)
told = {
    "pid": os.getpid(), "ppid": os.getppid(), "pgid": os.getpgid(0), "sid": os.getsid(0),
    "cwd": os.getcwd(), "env": dict(os.environ), "stdin": sys.stdin.read(),
    "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")), "argv": sys.argv[1:],
}
with open(sys.argv[1] + ".part", "w") as file:
    json.dump(told, file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(60)
"""
SPAWNER = """
import os, sys, time
from pathlib import Path
from wiz_kernel_ext.transport.spawn import spawn_detached
print(spawn_detached([sys.executable, "-c", sys.argv[1], sys.argv[2]], Path(sys.argv[3]),
                     os.environ), flush=True)
time.sleep(60)
"""


class Spawned:
    """A process spawned by another one, which stands for a notebook kernel."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        told = directory / "told"
        self.kernel = subprocess.Popen(
            [sys.executable, "-c", SPAWNER, SERVICE, str(told), str(self.log)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "JPY_PARENT_PID": "1",
                "JPY_SESSION_NAME": "x",
                "IPY_INTERRUPT_EVENT": "3",
                "MPLBACKEND": "inline",
                "WIZ_KEPT": "é\udcff",
            },
        )
        assert self.kernel.stdout is not None
        self.pid = int(self.kernel.stdout.readline())
        deadline_s = time.monotonic() + 20
        while not told.exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        self.told: dict[str, Any] = json.loads(told.read_text())

    def is_alive(self) -> bool:
        return psutil.pid_exists(self.pid) and bool(psutil.Process(self.pid).status() != "zombie")

    def close(self) -> None:
        for pid in (self.pid, self.kernel.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kernel.wait()
        assert self.kernel.stdout is not None
        self.kernel.stdout.close()


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[Spawned]:
    spawned = Spawned(tmp_path)
    yield spawned
    spawned.close()


def test_it_survives_the_kill_of_its_spawners_process_group(spawned: Spawned) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        os.killpg(spawned.kernel.pid, sign)
        time.sleep(0.05)
    spawned.kernel.wait(5)
    time.sleep(0.2)
    assert spawned.is_alive()


def test_it_survives_the_kill_of_its_spawners_whole_tree(spawned: Spawned) -> None:
    kernel = psutil.Process(spawned.kernel.pid)
    tree = kernel.children(recursive=True)
    assert spawned.pid not in {process.pid for process in tree}
    for process in [*tree, kernel]:
        process.kill()
    spawned.kernel.wait(5)
    time.sleep(0.2)
    assert spawned.is_alive()


def test_it_survives_the_end_of_its_spawners_session(spawned: Spawned) -> None:
    os.killpg(spawned.kernel.pid, signal.SIGHUP)
    spawned.kernel.wait(5)
    time.sleep(0.2)
    assert spawned.is_alive()


def test_nothing_ties_it_to_its_spawner(spawned: Spawned) -> None:
    told = spawned.told
    assert told["pid"] == told["pgid"] == told["sid"] == spawned.pid
    assert told["ppid"] != spawned.kernel.pid
    assert told["cwd"] == "/"
    assert told["stdin"] == ""
    # Three standard streams and the directory that is being listed.
    assert len(told["fds"]) == 4
    tied = [name for name in told["env"] if name.startswith(("JPY_", "IPY_", "MPLBACKEND"))]
    assert tied == []
    assert told["env"]["WIZ_KEPT"] == "é\udcff"


def test_its_output_goes_to_its_log_which_is_its_owners_alone(spawned: Spawned) -> None:
    assert spawned.log.read_text().splitlines() == ["to stdout", "to stderr"]
    assert spawned.log.stat().st_mode & 0o077 == 0


def test_a_log_is_continued(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    spawn_detached([sys.executable, "-c", "print('after')"], log, os.environ)
    deadline_s = time.monotonic() + 10
    while "after" not in log.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert log.read_text() == "before\nafter\n"


@pytest.mark.parametrize("what", ["command", "log"])
def test_what_cannot_be_started_is_a_typed_error(tmp_path: Path, what: str) -> None:
    command = "/no/such/program" if what == "command" else sys.executable
    log = tmp_path / "log" if what == "command" else tmp_path / "none" / "log"
    with pytest.raises(ServiceStartFailed, match="No such file"):
        spawn_detached([command], log, os.environ)
