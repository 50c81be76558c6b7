"""A database on disk, and a clock that stands where a test puts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wiz_kernel_ext.store import Database, OperationStore, SessionStore


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wiz.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(path)
    yield database
    database.close()


@pytest.fixture
def sessions(database: Database) -> SessionStore:
    return SessionStore(database, clock=Clock())


@pytest.fixture
def operations(database: Database) -> OperationStore:
    return OperationStore(database)
