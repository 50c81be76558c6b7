"""Where a panel is made: this kernel's notebook, and a client that watches without starting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.current_notebook import Notebook

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client


@dataclass(frozen=True)
class PanelClients:
    """What a panel is given; `watching` never starts a service."""

    notebook: Notebook
    watching: Client


def panel_clients() -> PanelClients:
    """Those of this process; raises BadRequest outside IPython."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise BadRequest(
            "A panel needs a notebook.", hint="In a script, use Client().", field="shell"
        )
    magics = shell.magics_manager.registry.get("WizMagics")
    return PanelClients(magics.notebook if magics else _unregistered(shell), _watching())


@cache
def _watching() -> Client:
    from wiz_kernel_ext.client import Client

    return Client(start=False)


@cache
def _unregistered(shell: object) -> Notebook:
    from IPython.core.interactiveshell import InteractiveShell

    from wiz_kernel_ext.client import Client

    assert isinstance(shell, InteractiveShell)
    return Notebook(shell, Client)
