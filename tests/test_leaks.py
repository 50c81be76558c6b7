"""The check after each test finds what is left behind, each kind of it, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import leaks

TESTS = """
import os, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path
import pytest
from tests.support import leaks

leaks.GRACE_S = 0.3
KEPT = []

def waiting():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

@pytest.fixture(scope="module")
def lasting():
    child, folder, opened = waiting(), tempfile.mkdtemp(), socket.socket()
    yield child
    child.communicate()
    Path(folder).rmdir()
    opened.close()

def test_process():
    KEPT.append(waiting())

def test_thread():
    threading.Thread(target=time.sleep, args=(30,), daemon=True, name="lazy").start()

def test_socket():
    KEPT.append(socket.socket())

def test_file(tmp_path):
    KEPT.append((tmp_path / "opened").open("w"))

def test_temporary():
    KEPT.append(tempfile.mkdtemp(prefix="forgotten-"))

def test_what_a_wider_fixture_holds(lasting):
    assert lasting.poll() is None

def test_what_ends_a_moment_later():
    threading.Thread(target=time.sleep, args=(0.1,), daemon=True).start()

def test_nothing():
    with tempfile.TemporaryDirectory(), socket.socket():
        child = waiting()
        child.communicate()
"""
ROOT = Path(__file__).parents[1]
KINDS = {
    "process": r"process \d+: .*input\(\)",
    "thread": r"thread <Thread\(lazy, .*",
    "socket": r"open \d+: socket:\[\d+\]",
    "file": r"open \d+: .*/opened",
    "temporary": r"temporary .*/forgotten-.*",
}


def test_each_kind_of_leak_fails_the_test_that_left_it(tmp_path: Path) -> None:
    (tmp_path / "test_leaking.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.leaks", "--rootdir", "."]
    run = subprocess.run(
        [*command, "--basetemp", "base", "-p", "no:cacheprovider", "-q", "-rA", "test_leaking.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(
        re.findall(r"^test_leaking.py::test_(\w+) left behind:\n  (.*)$", run.stdout, re.MULTILINE)
    )
    assert set(found) == set(KINDS), run.stdout
    for kind, words in KINDS.items():
        assert re.fullmatch(words, found[kind]), found[kind]
    assert "8 passed, 5 errors" in run.stdout


def test_two_looks_in_a_row_see_the_same() -> None:
    assert leaks.held().beyond(leaks.held()) == []


@pytest.mark.parametrize("table", [leaks.LASTING_THREADS, leaks.LASTING_FILES])
def test_what_is_allowed_has_a_reason(table: dict[str, str]) -> None:
    assert all(table.values())
