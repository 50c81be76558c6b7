"""What a model is called in a panel: one name for one file, whoever mentions it.

The name is the one it has among the models of this machine, which is what a person types; a file
that is not among them, or by its path only, has the name its worker gives it, or else its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.protocol.results import LOAD_KINDS, OperationInfo, Status

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client


class ModelNames:
    """The names of models by their paths; the library is asked once for each path."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._asked: set[str] = set()

    def of(self, path: str, otherwise: str = "") -> str:
        """The name of the model at `path`; `otherwise` is what to call it if it has none here."""
        if path and path not in self._names and path not in self._asked:
            self._asked.add(path)
            try:
                models = self._client.models()
                self._names.update(
                    {m.path: m.name for m in models if not Path(m.name).is_absolute()}
                )
            except WizError:
                self._asked.discard(path)
        return self._names.get(path) or otherwise or path.rpartition("/")[2]

    def over(self, status: Status) -> Status:
        """`status`, its models called by their names."""
        workers = [
            msgspec.structs.replace(worker, model=self.of(worker.model_path, worker.model))
            for worker in status.workers
        ]
        called = {worker.model_path: worker.model for worker in workers}
        operations = [
            msgspec.structs.replace(operation, title=self._title(operation, called))
            for operation in status.operations
        ]
        return msgspec.structs.replace(status, workers=workers, operations=operations)

    def _title(self, operation: OperationInfo, called: dict[str, str]) -> str:
        if operation.kind not in LOAD_KINDS:
            return operation.title
        path = operation.model_path or operation.title
        # What a model was asked for by is its path, or the name that it has already.
        return self.of(path, called.get(path, "")) if "/" in path else path
