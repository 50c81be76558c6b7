"""Loading models and creating contexts, for a client's raw call and for a prompt that needs one.

Knows how a name becomes a file and how each model was loaded last, so that it can be loaded the
same way again after a crash.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.protocol.events import StateChanged
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo
from wiz_kernel_ext.service.clients import ClientState
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.supervisor import Supervisor, model_key


class Loading:
    """Loads models through the supervisor and remembers how."""

    def __init__(self, supervisor: Supervisor, operations: Operations, library: Library) -> None:
        self._supervisor = supervisor
        self._operations = operations
        self._library = library
        self._loads: dict[str, LoadModel] = {}
        self._contexts: dict[str, CreateContext] = {}

    def locate(self, name: str | None) -> Path:
        """The file that a model's name leads to; raises ModelFileNotFound, AmbiguousModel."""
        if (name is not None and not name.strip()) or (
            name is None and not self._library.default()
        ):
            raise BadRequest(
                "No model is named.",
                hint="Name a .gguf file, or 'demo' for the bundled model.",
                field="modelPath",
            )
        try:
            found = self._library.resolve(name, Path("/"))
        except ModelFileNotFound as error:
            if name is None or Path(name).is_absolute() or not name.endswith(".gguf"):
                raise
            # The asker, who knows its working directory, has looked there.
            raise ModelFileNotFound(
                f"There is no model file {name!r}, neither in the working directory nor in the "
                "models directory.",
                hint=error.info().hint,
            ) from None
        if isinstance(found, Path):
            return found
        raise ModelFileNotFound(
            f"{found} is not on this machine.", hint=f"Fetch it first: `wiz pull {found}`."
        )

    async def begin(self, request: LoadModel, client: str, state: ClientState) -> Operation:
        """Start the operation that loads what `request` names, or the client's default."""
        request = self._with_defaults(request, state)
        path = self.locate(request.model_path)
        operation = Operation("load", title=path.name, client=client, model_path=str(path))

        async def body(operation: Operation) -> ModelInfo:
            operation.emit(StateChanged(state="running"))
            info = await self.load(operation, request)
            state.model = model_key(path)
            return info

        await self._operations.start(operation, body)
        return operation

    async def load(self, operation: Operation, request: LoadModel) -> ModelInfo:
        """Load within an operation that already runs, a prompt's or its own."""
        path = self.locate(request.model_path)
        request = msgspec.structs.replace(request, model_path=str(path))
        info = await self._supervisor.load(path, request, operation.emit, operation.on_cancel)
        self._library.used(path)
        if not info.shared:
            self._loads[model_key(path)] = msgspec.structs.replace(request, reload=False)
        return info

    async def create_context(self, key: str | None, request: CreateContext) -> ContextInfo:
        """Create the context of a loaded model; raises ModelNotLoaded, Conflict."""
        info = await self._supervisor.create_context(key, request)
        if not info.shared and key is not None:
            self._contexts[key] = msgspec.structs.replace(request, reload=False, model_path=None)
        return info

    def remembered(self, key: str) -> tuple[LoadModel, CreateContext] | None:
        """How this model was loaded the last time in this service's life."""
        load = self._loads.get(key)
        return (load, self._contexts.get(key, CreateContext())) if load else None

    def _with_defaults(self, request: LoadModel, state: ClientState) -> LoadModel:
        """What `worker:initialize` set, where the request sets nothing."""
        given = {
            name: value
            for name in ("model_path", "gpu_layers", "use_mmap", "use_mlock")
            if getattr(request, name) is None
            and (value := getattr(state.defaults, name)) is not None
        }
        return msgspec.structs.replace(request, **given)
