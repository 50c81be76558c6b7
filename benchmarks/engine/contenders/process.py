"""The bench's side of the line to a contender: its process, what it answers, what it takes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.engine.contenders import Kind
from benchmarks.engine.works import Ask, Ran
from tests.support.homes import Home


class ContenderFailed(Exception):
    """A contender answered with an error, or its process ended."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The same for all: the model's file, cells of KV memory, threads that compute.

    `n_streams` is how many texts a work asks at once at most, `n_sequences` how many a loop without
    a scheduler takes at once of more.
    """

    model: str
    n_ctx: int
    n_threads: int
    n_streams: int
    n_sequences: int
    gpu: bool = False


class Contender:
    """A contender with its model in memory, once started."""

    def __init__(self, kind: Kind, setup: Setup) -> None:
        self.kind = kind
        self._setup = setup
        self._process: subprocess.Popen[str] | None = None
        self._folder = TemporaryDirectory()
        self._log = Path(self._folder.name) / "stderr"

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.kind.name

    def start(self) -> float:
        """A new process with the model loaded, instead of the one before; seconds for the load.

        Starting the interpreter and importing the library are not counted.
        """
        self._end_process()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self.kind.command,
                env={**os.environ, **self.environment()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        loaded = self._ordered({"load": {**asdict(self._setup), **self.kind.setup}})
        return float(loaded["seconds"])

    def ask(self, ask: Ask) -> Ran:
        """What it made of `ask`; raises ContenderFailed, after which it has to be started again."""
        load_s = self.start() if ask.restarted else 0.0
        work = {"texts": ask.texts, "n": ask.n, "limit_s": ask.limit_s}
        return Ran(**self._ordered({"work": work}), n_texts=len(ask.texts), load_s=load_s)

    def environment(self) -> dict[str, str]:
        """What its process gets besides the bench's own variables."""
        return {}

    def processes(self) -> list[psutil.Process]:
        """All that compute for it now."""
        if self._process is None:
            return []
        try:
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def close(self) -> None:
        """End all of it."""
        self._end_process()
        self._folder.cleanup()

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ordered(self, order: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None:
            raise ContenderFailed("It is not running.")
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise ContenderFailed(self._last_words()) from None
        line = process.stdout.readline()
        if not line:
            raise ContenderFailed(self._last_words())
        answered: dict[str, Any] = json.loads(line)
        if "error" in answered:
            raise ContenderFailed(answered["error"])
        return answered

    def _last_words(self) -> str:
        assert self._process is not None
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"Its process ended ({self._process.wait()}): {lines[-1] if lines else 'no word'}"


class OursContender(Contender):
    """A contender whose service and worker outlive its process, in a home of their own."""

    def __init__(self, kind: Kind, setup: Setup) -> None:
        super().__init__(kind, setup)
        self.home = Home.make()

    def environment(self) -> dict[str, str]:
        """Where its client finds its service."""
        return self.home.environment

    def processes(self) -> list[psutil.Process]:
        """The client's, the service and the worker."""
        return [*super().processes(), *self.home.processes()]

    def close(self) -> None:
        """End all of it, the service too."""
        super().close()
        self.home.close()


def make(kind: Kind, setup: Setup) -> Contender:
    """The contender of a kind; not started."""
    return (OursContender if kind.role == "ours" else Contender)(kind, setup)
