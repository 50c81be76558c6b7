"""A real service whose disk is full again and again: every turn that ended well is there.

A few spells here; WIZ_SPELLS=100 for more. Needs root, for a small file system of its own.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import WizError

N_SPELLS = int(os.environ.get("WIZ_SPELLS", "4"))
N_TALKERS = 3
N_TURNS = 50


@pytest.fixture
def disk(home: Home) -> Iterator[Path]:
    """A file system of 32 MB, in the place of the data directory."""
    folder = home.places.data_dir
    kept = [(file.name, file.read_bytes()) for file in folder.glob("*") if file.is_file()]
    folder.mkdir(exist_ok=True, mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    for name, data in kept:
        (folder / name).write_bytes(data)
    try:
        yield folder
    finally:
        for service in home.services():
            service.terminate()
            service.wait(20)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


class Talker(threading.Thread):
    """Somebody who asks one thing after the other, and notes what was answered.

    Begins another conversation before one is too long for the context.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.acknowledged: dict[str, list[tuple[str, str]]] = {}
        self.errors: list[WizError] = []
        self.stopping = threading.Event()
        self.client = Client()
        self.client.load("demo")

    def run(self) -> None:
        n = 0
        while not self.stopping.is_set():
            session = f"talk {self.number} {n // N_TURNS}"
            n += 1
            turns = self.acknowledged.setdefault(session, [])
            try:
                self.client.open_session(session)
                answer = self.client.prompt(f"Hello {n}", session=session, max_tokens=12)
                turns.append((f"Hello {n}", str(answer)))
            except WizError as error:
                self.errors.append(error)
                time.sleep(0.05)


@pytest.mark.timeout(120 + 6 * N_SPELLS)
def test_no_acknowledged_turn_is_lost(home: Home, disk: Path) -> None:
    choose = random.Random(32)
    talkers = [Talker(n) for n in range(N_TALKERS)]
    for talker in talkers:
        talker.start()
    for _ in range(N_SPELLS):
        fill(disk / "ballast")
        time.sleep(choose.uniform(0.3, 1.5))
        (disk / "ballast").unlink()
        time.sleep(choose.uniform(0.1, 1.0))
    for talker in talkers:
        talker.stopping.set()
        talker.join()
    assert "is not recorded" in home.log(), "the disk was not full"
    time.sleep(2.5)  # what waits is written about once a second
    (service,) = home.services()
    service.kill()  # so that nothing is there but what is on the disk
    service.wait(10)
    for talker in talkers:
        acknowledged = [turn for turns in talker.acknowledged.values() for turn in turns]
        assert len(acknowledged) > N_SPELLS
        for session, turns in talker.acknowledged.items():
            messages = talker.client.session(session).messages
            assert [turn for turn in turns if turn[1]] == [
                (asked.content, said.content)
                for asked, said in zip(messages[::2], messages[1::2], strict=True)
            ]
            states = {o.state for o in talker.client.operations(1000, session=session)}
            assert states <= {"done"}, talker.errors  # none: it is no longer among those kept
        talker.client.close()
