"""`python stub_probe.py FAULT WAY`: a probe whose engine is a stub that fails as told, for real."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import msgspec

from tests.engine.fake_backend import END, FakeContext, FakeModel
from wiz_kernel_ext.engine.backend import (
    Backend,
    Context,
    ContextParameters,
    LibraryRefused,
    LoadParameters,
    Model,
    OnLoadProgress,
)
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.engine_check.probe import ANSWER, run
from wiz_kernel_ext.protocol.devices import Device


class StubContext(FakeContext):
    """Says the right answer, letter by letter."""

    def __init__(self, parameters: ContextParameters, backend: StubBackend) -> None:
        super().__init__(parameters.pool_size)
        self.backend = backend
        self.left = list(ANSWER.encode())

    def decode(self, batch: Any) -> None:
        self.backend.at("decode")
        super().decode(batch)

    def sample(self, sampler: Any, row: int) -> int:
        token = self.left.pop(0) if self.left else END
        return token + 1 if self.backend.is_wrong and token != END else token


class StubModel(FakeModel):
    """Whose context says it."""

    def __init__(self, backend: StubBackend) -> None:
        super().__init__()
        self.backend = backend

    def create_context(self, parameters: ContextParameters) -> Context:
        assert (parameters.threads == 1) == self.backend.way.one_thread
        self.backend.at("context")
        return StubContext(parameters, self.backend)


class StubBackend(Backend):
    """Fails at its stage unless the way avoids it."""

    supports_gpu_offload = True

    def __init__(self, fault: dict[str, Any], way: Way) -> None:
        self.fault = fault
        self.way = way
        self.at("import")

    @property
    def is_wrong(self) -> bool:
        return self.fault["how"] == "wrong" and not self.is_avoided

    @property
    def is_avoided(self) -> bool:
        needed: dict[str, bool] = self.fault["unless"]
        return bool(needed) and all(getattr(self.way, name) == v for name, v in needed.items())

    def at(self, stage: str) -> None:
        if self.fault["stage"] != stage or self.is_avoided:
            return
        how = self.fault["how"]
        if how == "hang":
            time.sleep(3600)
        elif how == "refuse":
            raise LibraryRefused("not enough of it", [])
        elif how.startswith("SIG"):
            os.kill(os.getpid(), signal.Signals[how])

    def versions(self) -> dict[str, str]:
        return {}

    def devices(self) -> list[Device]:
        return []

    def load(self, path: str, parameters: LoadParameters, on_progress: OnLoadProgress) -> Model:
        assert (parameters.gpu_layers != 0) == self.way.gpu
        assert parameters.extra_buffers == self.way.extra_buffers
        self.at("load")
        return StubModel(self)


if __name__ == "__main__":
    way = msgspec.json.decode(sys.argv[2], type=Way)
    run(lambda: StubBackend(json.loads(sys.argv[1]), way), way)
