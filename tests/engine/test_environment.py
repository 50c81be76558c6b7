"""The worker's threads wait as measured best, unless the user says otherwise."""

from __future__ import annotations

import subprocess
import sys

from wiz_kernel_ext.engine.environment import worker_environment
from wiz_kernel_ext.engine.threads import available_cores, default_threads
from wiz_kernel_ext.engine.way import Way


def test_threads_spin_a_little_by_default() -> None:
    environment = worker_environment({"PATH": "/bin"})
    assert environment["GOMP_SPINCOUNT"] == "1000"
    assert environment["PATH"] == "/bin"


def test_the_users_own_policy_wins() -> None:
    assert worker_environment({"GOMP_SPINCOUNT": "5"})["GOMP_SPINCOUNT"] == "5"
    assert "GOMP_SPINCOUNT" not in worker_environment({"OMP_WAIT_POLICY": "passive"})


def test_a_tiny_model_gets_one_thread_and_others_the_cores_there_are() -> None:
    assert default_threads(3_000_000) == 1
    assert default_threads(135_000_000) == available_cores() >= 1


def test_the_environment_and_the_worker_are_imported_without_llama_cpp() -> None:
    code = (
        "import sys, wiz_kernel_ext.engine.environment, wiz_kernel_ext.worker;"
        "print([m for m in sys.modules if m.split('.')[0] in ('llama_cpp', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_systems_cxx_library_is_loaded_first_where_the_way_says_so() -> None:
    code = "import os; print(open('/proc/self/maps').read().count('libstdc++'))"
    for way, expected in ((Way(), False), (Way(system_cxx=True), True)):
        environment = worker_environment({"PATH": "/usr/bin:/bin"}, way)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert (int(done.stdout) > 0) is expected
    both = worker_environment({"LD_PRELOAD": "libm.so.6"}, Way(system_cxx=True))["LD_PRELOAD"]
    assert both == "libstdc++.so.6:libm.so.6"
