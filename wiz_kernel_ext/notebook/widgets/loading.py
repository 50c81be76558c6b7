"""Loading a model from a panel: followed on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.magics.host import located
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.requests import Load

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation

Show = Callable[[dict[str, Any] | None], None]


def begin_load(client: Client, model: str, show: Show, context_size: int | None = None) -> None:
    """Start loading `model` and return; `show` is told the progress, then None or the error.

    What should be known of the model is in `notices`.
    """
    operation = client.start(Load(model=located(model), context_size=context_size))
    show({"model": model, "fraction": None})
    threading.Thread(target=_follow, args=(operation, model, show), daemon=True).start()


def _follow(operation: Operation, model: str, show: Show) -> None:
    notices: list[str] = []
    try:
        for events in operation.batches(INTERVAL_S):
            notices += [event.words for event in events if isinstance(event, Notice)]
            steps = [event for event in events if isinstance(event, Progress) and event.total]
            if steps:
                fraction = steps[-1].done / (steps[-1].total or 1.0)
                show({"model": model, "fraction": fraction, "notices": notices})
        operation.result()
    except WizError as error:
        show({"model": model, "fraction": None, "notices": notices, **described(error)})
    else:
        show(None)
