"""The libraries of a process are read where the system tells them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from wiz_kernel_ext.children.libraries import native_libraries

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/PID/maps")


def test_the_cxx_library_is_named_before_those_that_need_it() -> None:
    code = "import llama_cpp, zmq, sys; print('ready', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    try:
        names = [path.rpartition("/")[2] for path in native_libraries(child.pid)]
    finally:
        child.communicate()
    kinds = ["libstdc++", "libllama", "libzmq"]
    positions = [next(n for n, name in enumerate(names) if name.startswith(k)) for k in kinds]
    assert positions[0] == min(positions)
    assert len(names) == len(set(names))


def test_a_process_that_is_gone_has_none() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert native_libraries(child.pid) == []


def test_libraries_of_no_interest_are_left_out() -> None:
    ctypes.CDLL("libm.so.6")
    assert not any("libm.so" in path for path in native_libraries(os.getpid()))
