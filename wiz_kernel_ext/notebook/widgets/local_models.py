"""The models on this machine, as a downloader shows them: listed, loaded, unloaded, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.notebook.widgets.loading import begin_load

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

Show = Callable[..., object]


class LocalModels:
    """Asks `client()`, which may start a service; `show` takes parts of a `DownloaderState`."""

    def __init__(self, client: Callable[[], Client], watching: Client, show: Show) -> None:
        self._client = client
        self._watching = watching
        self._show = show
        self._names: dict[str, str] = {}

    def refresh(self) -> None:
        """Show what there is, and what of it is loaded."""
        loaded = self._loaded()
        models = self._watching.models()
        self._names = {model.path: model.name for model in models}
        self._show(
            models=[{**catalogue.local(model), "loaded": model.path in loaded} for model in models]
        )

    def name(self, path: str) -> str:
        """What the model at `path` is called here."""
        return self._names.get(path) or path.rpartition("/")[2]

    def path(self, model: str) -> str:
        """The path of the model that is called so here; else what it is called."""
        return next((path for path, name in self._names.items() if name == model), model)

    def load(self, path: str, context_size: int | None = None) -> None:
        """Begin to load a model and return; how it goes is shown."""

        def show(load: dict[str, Any]) -> None:
            self._show(load={**load, "model": self.name(path)})
            if load["state"] != "running":
                # What could not be loaded may have been deleted.
                self.refresh()

        begin_load(self._client(), path, show, context_size)

    def unload(self, path: str) -> None:
        """Give a model's memory back; raises Conflict while it answers."""
        self._client().unload_model(path)
        self.refresh()

    def ask_delete(self, model: str) -> dict[str, Any]:
        """What deleting a model would take away."""
        asked = self._client().remove_model(model, only_ask=True)
        return {**catalogue.deletion(asked), "loaded": bool(self._loaded() & set(asked.files))}

    def delete(self, model: str, loaded_path: str | None) -> str:
        """Delete a model, after unloading `loaded_path` if it is given; returns what to say."""
        if loaded_path:
            self._client().unload_model(loaded_path)
        gone = self._client().remove_model(model)
        self.refresh()
        return f"{gone.name} deleted: {size(gone.freed_bytes)} freed."

    def _loaded(self) -> set[str]:
        return {worker.model_path for worker in self._watching.status().workers}
