"""Who goes first when memory runs out, and how often the system counts that somebody did."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.out_of_memory import FIRST_TO_GO, SECOND_TO_GO, memory_kills

SCORE = Path("/proc/self/oom_score_adj")
pytestmark = pytest.mark.skipif(not SCORE.exists(), reason="the system knows no such score")
NOBODY = 65534


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_a_worker_goes_before_its_service_and_both_before_whoever_asked(
    home: Home, client: Client
) -> None:
    client.load("demo")
    (worker,), (service,) = home.workers(), home.services()
    assert score(worker.pid) == FIRST_TO_GO
    assert score(service.pid) == SECOND_TO_GO
    assert int(SCORE.read_text()) < SECOND_TO_GO < FIRST_TO_GO


def test_an_ordinary_user_may_say_so() -> None:
    code = f"echo {FIRST_TO_GO} > /proc/self/oom_score_adj && cat /proc/self/oom_score_adj"
    user = NOBODY if os.geteuid() == 0 else None
    done = subprocess.run(
        ["/bin/sh", "-c", code], user=user, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(FIRST_TO_GO), done.stderr


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("4:cpu,memory:/a/b", "memory/a/b/memory.oom_control"),
        ("4:memory:/not/here", "memory/memory.oom_control"),
        ("0::/a", "a/memory.events"),
        ("0::/", "memory.events"),
    ],
)
def test_kills_are_counted_in_both_kinds_of_cgroup(tmp_path: Path, line: str, file: str) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"1:name=systemd:/x\n{line}\n")
    assert memory_kills(proc, cgroups) is None
    counter = cgroups / file
    counter.parent.mkdir(parents=True)
    counter.write_text("low 0\noom 5\noom_kill 3\n")
    assert memory_kills(proc, cgroups) == 3
    (proc / "vmstat").write_text("nr_free_pages 7\noom_kill 4\n")
    assert memory_kills(proc, cgroups) == 3
    counter.unlink()
    assert memory_kills(proc, cgroups) == 4
