"""What a test leaves behind: processes, threads, files and sockets, temporary files.

A pytest plugin (the root's `conftest.py` names it). Around each test it looks at what this process
holds; what a wider fixture holds was there before the test and is no leak of it. The end of a
process, a thread or a connection may take a moment more than the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from jupyter_core.utils import ensure_event_loop

from wiz_kernel_ext.client.io_thread import IO

GRACE_S = 3.0
POLL_S = 0.01
FDS = Path("/proc/self/fd")
IO_WORKERS = "wiz-io-worker"

KINDS = ("process", "thread", "open", "temporary")
LASTING_THREADS = {
    IO_WORKERS: "the client's event loop keeps its workers as long as it lives: for good",
    "IPythonHistorySavingThread": "of the one shell that all tests of magics share",
    "tqdm_monitor": "tqdm begins one at its first bar, for good",
}
LASTING_FILES = {
    "/dev/urandom": "opened once by the interpreter, for good",
    "/dev/null": "opened once by subprocess and by the engine, for good",
}
SHELLS_HISTORY = "/history.sqlite"  # of the one shell that all tests of magics share
LASTING_TEMPORARY = {
    ".org.chromium": "the browser's, which lives as long as all tests in it",
    "org.chromium": "the same",
    "playwright": "the browser's profile",
}


# Held: one of an ended thread would be collected unclosed, with a warning in any later test.
_JUPYTERS_LOOPS: set[asyncio.AbstractEventLoop] = set()


@dataclass(frozen=True)
class Held:
    """What this process holds: each thing by what tells it from any other, with its words."""

    processes: dict[object, str]
    threads: dict[object, str]
    files: dict[object, str]
    temporary: dict[object, str]

    def beyond(self, before: Held, kinds: Sequence[str] = KINDS) -> list[str]:
        """What of these kinds is held now and was not before, a line each."""
        return [
            f"{kind} {words}"
            for kind, now, then in (
                ("process", self.processes, before.processes),
                ("thread", self.threads, before.threads),
                ("open", self.files, before.files),
                ("temporary", self.temporary, before.temporary),
            )
            for thing, words in now.items()
            if kind in kinds and thing not in then
        ]


def held() -> Held:
    """What this process holds now."""
    return Held(_processes(), _threads(), _files(), _temporary())


def left_behind(before: Held, kinds: Sequence[str] = KINDS) -> list[str]:
    """What is held beyond `before`, once it had a moment to end."""
    deadline = time.monotonic() + GRACE_S
    while left := held().beyond(before, kinds):
        # What only garbage holds is none; of what it should have closed its warnings tell.
        gc.collect()
        if time.monotonic() > deadline:
            return [*left, *_descendants(before)]
        time.sleep(POLL_S)
    return []


def _processes() -> dict[object, str]:
    """The children; what they started in turn is theirs to end."""
    return {pid: _words(pid) for pid in _children()}


def _children() -> list[int]:
    tasks = Path("/proc/self/task")
    try:
        # psutil reads the parent of every process there is.
        return [
            int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()
        ]
    except OSError:
        return [child.pid for child in psutil.Process().children()]


def _descendants(before: Held) -> list[str]:
    """What the children left behind have started."""
    lines = []
    for pid in set(_children()) - set(before.processes):
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(pid).children(recursive=True)
            lines += [f"process {_words(child.pid)}, started by {pid}" for child in below]
    return lines


def _words(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        command = ""
    return f"{pid}: {command or 'ended, and nobody waited for it'}"


def _threads() -> dict[object, str]:
    return {
        thread: repr(thread)
        for thread in threading.enumerate()
        if not thread.name.startswith(tuple(LASTING_THREADS))
    }


def _files() -> dict[object, str]:
    """Open files, sockets and pipes, where the system lists them."""
    found: dict[object, str] = {}
    if not FDS.exists():
        return found
    of_loops = _files_of_jupyters_loops()
    for name in os.listdir(FDS):  # noqa: PTH208 (a Path for each costs more than the look)
        with contextlib.suppress(OSError):
            target = os.readlink(f"{FDS}/{name}")  # noqa: PTH115
            # The listing itself is one of them.
            if (
                target not in LASTING_FILES
                and not target.startswith("/proc/")
                and not target.endswith(SHELLS_HISTORY)
                and name not in of_loops
            ):
                found[name, target] = f"{name}: {target}"
    return found


def _files_of_jupyters_loops() -> set[str]:
    """jupyter_core keeps an event loop for each thread that ever waited for a kernel, for good."""
    found: set[str] = set()
    for loop in _JUPYTERS_LOOPS.copy():
        if not loop.is_closed():
            for part in ("_selector", "_ssock", "_csock"):
                found.add(str(getattr(loop, part).fileno()))
    return found


def _temporary() -> dict[object, str]:
    folder = tempfile.gettempdir()
    return {
        name: f"{folder}/{name}"
        for name in os.listdir(folder)  # noqa: PTH208
        if not name.startswith(tuple(LASTING_TEMPORARY))
    }


def pytest_collection_finish() -> None:
    """Leave what is there before the first test out of every collection: it lives on.

    Else each look for garbage goes through all tests and libraries, in a tenth of a second or more.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A short folder for this run's temporary files and its children's: other runs have theirs."""
    tmp_path_factory.getbasetemp()  # pytest's own is looked for, and kept, where it always is
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="wz", dir="/tmp", ignore_cleanup_errors=True) as folder,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def jupyters_loops() -> Iterator[None]:
    """Know the event loops that jupyter_core makes and never closes."""

    def known(prefer_selector_loop: bool = False) -> asyncio.AbstractEventLoop:
        loop = ensure_event_loop(prefer_selector_loop)
        _JUPYTERS_LOOPS.add(loop)
        return loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jupyter_core.utils.ensure_event_loop", known)
        yield


@pytest.fixture(scope="session", autouse=True)
def lasting_threads() -> None:
    """Begin what lives as long as the process before any test could be taken for its owner."""
    IO.loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=IO_WORKERS))


@pytest.fixture(autouse=True)
def nothing_left_behind(
    request: pytest.FixtureRequest, temporary_folder: Path, lasting_threads: None
) -> Iterator[None]:
    """Fail a test that leaves a process, a thread, a file, a socket or a temporary file."""
    before = held()
    yield
    if left := left_behind(before):
        pytest.fail("\n  ".join([f"{request.node.nodeid} left behind:", *left]), pytrace=False)
