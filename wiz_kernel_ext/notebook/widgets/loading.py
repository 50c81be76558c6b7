"""Loading a model from a panel: the ladder of `%wiz_load`, followed on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.magics.host import located
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ModelInfo

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation

Show = Callable[[dict[str, Any] | None], None]


def begin_load(client: Client, model: str, show: Show, context_size: int | None = None) -> None:
    """Start loading `model` and return; `show` is told the progress, then None or the error."""
    operation = client.start(LoadModel(model_path=located(model)))
    show({"model": model, "fraction": None})
    threading.Thread(
        target=_follow, args=(client, operation, model, show, context_size), daemon=True
    ).start()


def _follow(
    client: Client, operation: Operation, model: str, show: Show, context_size: int | None
) -> None:
    try:
        for events in operation.batches(INTERVAL_S):
            steps = [event for event in events if isinstance(event, Progress) and event.total]
            if steps:
                show({"model": model, "fraction": steps[-1].done / (steps[-1].total or 1.0)})
        loaded: ModelInfo = operation.result()
        context = CreateContext(model_path=loaded.model_path, context_size=context_size)
        client.request(context)
    except WizError as error:
        show({"model": model, "fraction": None, **described(error)})
    else:
        show(None)
