"""Local GGUF models for notebooks, in a process that outlives the kernel.

The names below load on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from wiz_kernel_ext.client import AsyncClient, AsyncOperation, Client, Operation
    from wiz_kernel_ext.errors import WizError
    from wiz_kernel_ext.notebook.widgets import Chat, Downloader, Status
    from wiz_kernel_ext.protocol.answer import Answer
    from wiz_kernel_ext.protocol.options import PromptOptions
    from wiz_kernel_ext.settings import Settings
    from wiz_kernel_ext.worker.llama_worker import LlamaWorker

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncOperation",
    "Chat",
    "Client",
    "Downloader",
    "LlamaWorker",
    "Operation",
    "PromptOptions",
    "Settings",
    "Status",
    "WizError",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_HOMES = {
    "Answer": "protocol.answer",
    "AsyncClient": "client",
    "AsyncOperation": "client",
    "Chat": "notebook.widgets",
    "Client": "client",
    "Downloader": "notebook.widgets",
    "LlamaWorker": "worker.llama_worker",
    "Operation": "client",
    "PromptOptions": "protocol.options",
    "Settings": "settings",
    "Status": "notebook.widgets",
    "WizError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext wiz_kernel_ext`: register the magics."""
    from wiz_kernel_ext.notebook import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext wiz_kernel_ext`: take them away again; the service lives on."""
    from wiz_kernel_ext.notebook import unregister

    unregister(shell)
