"""Homes as shared machines have them: without locks, read-only, or under an open umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import tests.support
from tests.support.homes import Home
from tests.support.kernels import Kernel

LOCKLESS = Path(tests.support.__path__[0]) / "lockless"
USE = """
from wiz_kernel_ext import Client, WizError
client = Client()
try:
    client.load("demo")
    client.set_alias("mine", "demo")
    print(client.aliases().aliases, str(client.prompt("Hello")) != "")
except WizError as error:
    print(type(error).__name__, error, "|", error.hint)
"""


def use(environment: dict[str, str], umask: int = 0o022) -> str:
    """What a client says that loads, prompts and names a model."""
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lockless(home: Home, *folders: str, **places: str) -> dict[str, str]:
    return {
        **home.environment,
        "PYTHONPATH": str(LOCKLESS),
        "WIZ_TEST_LOCKLESS": os.pathsep.join(str(home.folder / folder) for folder in folders),
        **{name: str(home.folder / folder) for name, folder in places.items()},
    }


def test_a_home_without_locks_names_both_places_and_the_hint_leads_to_one_that_works(
    home: Home,
) -> None:
    said = use(lockless(home, "r", "d"))
    assert "No locks available" in said
    assert "WIZ_RUNTIME_DIR" in said
    assert "WIZ_DATA_DIR" in said
    there = use(lockless(home, "r", "d", WIZ_RUNTIME_DIR="lr", WIZ_DATA_DIR="ld"))
    assert "'mine': 'demo'" in there


def test_a_data_directory_without_locks_is_of_use_with_a_runtime_directory_that_has_them(
    home: Home,
) -> None:
    said = use(lockless(home, "r", "d", WIZ_RUNTIME_DIR="lr"))
    assert "'mine': 'demo'" in said
    assert "cannot be locked" in home.log()


def test_what_is_written_under_an_open_umask_is_its_owners_alone(home: Home) -> None:
    assert "'mine': 'demo'" in use(
        {**home.environment, "WIZ_RUNTIME_DIR": str(home.folder / "run" / "time")}, umask=0
    )
    open_to_others = [
        f"{path.relative_to(home.folder)} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in home.folder.rglob("*")
        if not path.is_symlink() and path.lstat().st_mode & 0o077 and not path.is_socket()
    ]
    assert open_to_others == []
    assert stat.S_IMODE((home.folder / "d" / "library.json").stat().st_mode) == 0o600


def test_a_read_only_homes_hint_works_in_the_same_kernel(home: Home) -> None:
    kernel = Kernel({**home.environment, "WIZ_DATA_DIR": "/proc/wiz"})
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        refused = kernel.run("%wiz_load demo")
        assert refused.status == "error"
        assert "WIZ_DATA_DIR" in " ".join([refused.text, *refused.traceback])
        kernel.run(f"%env WIZ_DATA_DIR={home.folder / 'd'}")
        loaded = kernel.run("%wiz_load demo")
        assert loaded.status == "ok", loaded
    finally:
        kernel.close()


def test_times_without_end_are_taken_by_client_and_service(home: Home) -> None:
    names = ("START_TIMEOUT_S", "DRAIN_TIMEOUT_S", "IDLE_EXIT_S", "KEEP_ALIVE_S")
    endless = {f"WIZ_{name}": "-1" for name in names}
    assert "'mine': 'demo'" in use({**home.environment, **endless})
    (service,) = home.services()
    time.sleep(2.5)  # two looks at whether it is idle
    assert service.is_running()
