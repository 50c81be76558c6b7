"""The models on this machine, for a downloader's page: listed, loaded, unloaded, deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.notebook.widgets.loading import begin_load
from wiz_kernel_ext.notebook.widgets.panel import Panel

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client


class LocalModels:
    """Asks `client()`, which may start a service, and tells `panel`'s page."""

    def __init__(self, client: Callable[[], Client], watching: Client, panel: Panel) -> None:
        self._client = client
        self._watching = watching
        self._panel = panel

    def tell(self) -> None:
        """What there is, and what of it is loaded."""
        loaded = self._loaded()
        models = [
            {**catalogue.local(model), "loaded": model.path in loaded}
            for model in self._watching.models()
        ]
        self._panel.post({"kind": "library", "models": models})

    def load(self, path: str, context_size: int | None = None) -> None:
        """Begin to load a model; how it ends is told."""

        def show(loading: dict[str, Any] | None) -> None:
            self._panel.post({"kind": "loading", "loading": loading, "name": Path(path).name})
            if loading is None or "error" in loading:
                # What could not be loaded may have been deleted.
                self.tell()

        begin_load(self._client(), path, show, context_size)

    def unload(self, path: str) -> None:
        """Give a model's memory back; raises Conflict while it answers."""
        self._client().unload_model(path)
        self.tell()

    def ask_delete(self, action: dict[str, Any]) -> None:
        """Tell the view that asks what deleting a model would take away."""
        asked = self._client().remove_model(action["model"], only_ask=True)
        loaded = bool(self._loaded() & set(asked.files))
        deletion = {**catalogue.deletion(asked), "loaded": loaded}
        self._panel.post({"kind": "deletion", "view": action["view"], "deletion": deletion})

    def delete(self, model: str, loaded_path: str | None) -> None:
        """Delete a model, after unloading `loaded_path` if it is given."""
        if loaded_path:
            self._client().unload_model(loaded_path)
        gone = self._client().remove_model(model)
        text = f"{gone.name} deleted: {size(gone.freed_bytes)} freed."
        self._panel.post({"kind": "note", "text": text})
        self.tell()
        self._panel.refresh_form()

    def _loaded(self) -> set[str]:
        return {worker.model_path for worker in self._watching.status().workers}
