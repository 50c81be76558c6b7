"""Who is alive, and who may start: real processes, really killed."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from wiz_kernel_ext.errors import ServiceError, ServiceStartFailed
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.discovery import find, has_ended
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, places, write_connection
from wiz_kernel_ext.transport.locks import LifetimeLock, is_held, start_lock

HOLDER = """
import subprocess, sys
from pathlib import Path
from wiz_kernel_ext.transport.locks import LifetimeLock
lock = LifetimeLock(Path(sys.argv[1]))
assert lock.acquire()
# A child of its own must not keep the lock alive.
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
sys.stdin.read()
"""
STARTER = """
import sys, time
from pathlib import Path
from wiz_kernel_ext.transport.locks import start_lock
with start_lock(Path(sys.argv[1]), 30):
    print("in", time.time(), flush=True)
    time.sleep(0.05)
    print("out", time.time(), flush=True)
"""
INFO = ConnectionInfo(endpoint="ipc:///x", server_key="k", pid=7, version="1", protocol=1)


class Holder:
    """Another process with the lock."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.child_pid = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        subprocess.run(["kill", str(self.child_pid)], check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alive"


@pytest.fixture
def holder(path: Path) -> Iterator[Holder]:
    holder = Holder(path)
    yield holder
    holder.close()


def test_a_killed_holder_lets_go_though_its_child_lives(path: Path, holder: Holder) -> None:
    assert is_held(path)
    assert not LifetimeLock(path).acquire(timeout_s=0.05)
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait()
    assert not is_held(path)
    lock = LifetimeLock(path)
    assert lock.acquire()
    assert is_held(path)
    lock.release()
    assert not is_held(path)
    lock.release()


def test_nobody_holds_a_lock_that_was_never_made(path: Path) -> None:
    assert not is_held(path)
    assert not path.exists()
    assert not is_held(path.parent / "no" / "such")


def test_probing_does_not_keep_a_service_from_taking_its_lock(path: Path) -> None:
    path.touch()
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            is_held(path)

    probers = [threading.Thread(target=probe) for _ in range(3)]
    for prober in probers:
        prober.start()
    try:
        for _ in range(20):
            lock = LifetimeLock(path)
            assert lock.acquire(timeout_s=5)
            lock.release()
    finally:
        stop.set()
        for prober in probers:
            prober.join()


def test_of_many_starters_one_at_a_time_is_in(tmp_path: Path) -> None:
    lock = tmp_path / "start.lock"
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(lock)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    lines = [line.split() for s in starters for line in s.communicate(timeout=40)[0].splitlines()]
    order = [what for what, _ in sorted(lines, key=lambda line: float(line[1]))]
    assert order == ["in", "out"] * 4


def test_a_start_lock_that_is_kept_is_a_typed_error_that_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "start.lock"
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with start_lock(file, 5):
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    with pytest.raises(ServiceStartFailed) as caught, start_lock(file, 0.1):
        pass
    assert str(file) in caught.value.hint
    release.set()
    holder.join()
    with start_lock(file, 1):
        pass


def test_a_disk_without_locks_is_a_typed_error_that_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    path.touch()
    monkeypatch.setattr("fcntl.flock", no_locks)
    n_open = psutil.Process().num_fds()
    calls: list[Callable[[], bool]] = [LifetimeLock(path).acquire, lambda: is_held(path)]
    for call in calls:
        with pytest.raises(ServiceError, match="No locks available") as caught:
            call()
        assert "WIZ_RUNTIME_DIR" in caught.value.hint
    with pytest.raises(ServiceError, match="cannot be locked"), start_lock(path, 0.2):
        pass
    assert psutil.Process().num_fds() == n_open


def test_a_lock_in_a_directory_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="No such file"):
        LifetimeLock(tmp_path / "none" / "alive").acquire()


def test_a_service_is_found_while_it_lives_and_has_said_where(short_dir: Path) -> None:
    where = places(Settings(name="n", runtime_dir=short_dir, data_dir=short_dir))
    where.create()
    assert find(where) is None
    write_connection(where.connection_file, INFO)
    assert find(where) is None
    holder = Holder(where.alive_file)
    try:
        assert find(where) == INFO
        assert not has_ended(where, INFO)
        where.connection_file.unlink()
        assert find(where) is None
        assert not has_ended(where, INFO)
        write_connection(where.connection_file, msgspec.structs.replace(INFO, pid=8))
        assert has_ended(where, INFO)
        holder.kill()
        assert find(where) is None
        assert has_ended(where, msgspec.structs.replace(INFO, pid=8))
    finally:
        holder.close()


def test_finding_takes_little_time(short_dir: Path) -> None:
    where = places(Settings(name="n", runtime_dir=short_dir, data_dir=short_dir))
    where.create()
    write_connection(where.connection_file, INFO)
    lock = LifetimeLock(where.alive_file)
    assert lock.acquire()
    began_s = time.perf_counter()
    for _ in range(100):
        assert find(where) == INFO
    took_s = time.perf_counter() - began_s
    lock.release()
    print(f"find: {took_s * 10:.3f} ms")
    assert took_s < 2
