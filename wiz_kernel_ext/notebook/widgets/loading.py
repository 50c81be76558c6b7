"""Loading a model from a panel, followed on a thread of its own, as plain values for its state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.notices import one_each
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.local_paths import located
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.requests import Load

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

Show = Callable[[dict[str, Any]], None]


def begin_load(client: Client, model: str, show: Show, context_size: int | None = None) -> None:
    """Start loading `model` and return; `show` is told how it goes, at last done or failed."""
    threading.Thread(
        target=_load, args=(client, model, show, context_size), name="wiz-load", daemon=True
    ).start()


def shown(
    model: str,
    state: str = "running",
    *,
    fraction: float | None = None,
    notices: list[str] | None = None,
    problem: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A load of `model` as a panel's state has it; `state` is "running", "done" or "failed"."""
    return {
        "model": model,
        "state": state,
        "fraction": fraction,
        "notices": notices or [],
        "problem": problem,
    }


def _load(client: Client, model: str, show: Show, context_size: int | None) -> None:
    notices: list[str] = []
    show(shown(model))
    try:
        operation = client.start(Load(model=located(model), context_size=context_size))
        for events in operation.batches(INTERVAL_S):
            notices += [event.words for event in events if isinstance(event, Notice)]
            steps = [event for event in events if isinstance(event, Progress)]
            if steps and steps[-1].text:
                show(shown(model, notices=one_each([*notices, steps[-1].words])))
            elif steps and steps[-1].total:
                fraction = steps[-1].done / steps[-1].total
                show(shown(model, fraction=fraction, notices=one_each(notices)))
        operation.result()
    except WizError as error:
        show(shown(model, "failed", notices=one_each(notices), problem=described(error)))
    else:
        show(shown(model, "done", notices=one_each(notices)))
