"""Models and contexts as the library opens them: how far it is, and its refusals in words.

Called by `ModelHost`, on the engine's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wiz_kernel_ext.engine.backend import (
    Backend,
    Context,
    ContextParameters,
    LibraryRefused,
    LoadCancelled,
    LoadParameters,
    Model,
    OnLoadProgress,
)
from wiz_kernel_ext.errors import ModelLoadFailed, OperationCancelled
from wiz_kernel_ext.out_of_memory import says_no_memory
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.worker.call import Call

PROGRESS_INTERVAL_S = 0.05
_NEWER = (
    "The file is well formed; it may need a newer llama-cpp-python: `wiz doctor` tells which is "
    "installed."
)
_LESS = (
    "Take a smaller context (--ctx, context_size), fewer sequences (--seqs, sequences) or a "
    "smaller file (another quantization)."
)
_FEWER = "Fewer layers on the card leave it more room (--gpu-layers, gpu_layers)."


class Opening:
    """Loads models with the library that `backend` gives, and counts how often it told how far."""

    def __init__(self, backend: Callable[[], Backend], clock: Callable[[], float]) -> None:
        self._backend = backend
        self._clock = clock
        self.n_told = 0

    def load(self, path: Path, parameters: LoadParameters, call: Call) -> Model:
        """The model at `path`; raises OperationCancelled, ModelLoadFailed with what to do."""
        try:
            return self._backend().load(str(path), parameters, self._progress(call))
        except LoadCancelled:
            raise OperationCancelled(f"Loading {path.name} was cancelled.") from None
        except LibraryRefused as error:
            less = f"{_LESS} {_FEWER}" if parameters.gpu_layers else _LESS
            hint = less if says_no_memory([str(error), *error.log]) else None
            hint = _NEWER if "unknown model architecture" in f"{error} {error.log}" else hint
            raise ModelLoadFailed(
                f"llama.cpp cannot load {path.name}: {error}.", hint=hint, log=error.log
            ) from None

    def _progress(self, call: Call) -> OnLoadProgress:
        """Tell the asker how far a load is, not too often, and the library whether to go on."""
        told_at = float("-inf")

        def progress(fraction: float) -> bool:
            nonlocal told_at
            self.n_told += 1
            now = self._clock()
            if fraction >= 1.0 or now - told_at >= PROGRESS_INTERVAL_S:
                told_at = now
                call.emit(Progress(stage="load", done=fraction, total=1.0))
            return not call.cancelled

        return progress


def create_context(model: Model, parameters: ContextParameters) -> Context:
    """A context for `model`; raises ModelLoadFailed where the library refuses."""
    try:
        return model.create_context(parameters)
    except LibraryRefused as error:
        raise ModelLoadFailed(
            f"llama.cpp cannot create the context: {error}.", hint=_LESS, log=error.log
        ) from None
