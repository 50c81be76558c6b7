"""`%wiz_ops`, `%wiz_attach`, `%wiz_cancel`: what runs, what ran, seeing it again, ending it."""

from __future__ import annotations

import time
from typing import Any

from wiz_kernel_ext.commands.service_tables import operation_table
from wiz_kernel_ext.errors import OperationNotFound
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.follow import follow, follow_work
from wiz_kernel_ext.notebook.magics.arguments import ATTACH, CANCEL, OPS
from wiz_kernel_ext.notebook.magics.host import NO_SERVICE, MagicHost, say
from wiz_kernel_ext.notebook.magics.prompt import answer_view
from wiz_kernel_ext.notebook.views.job import WorkView
from wiz_kernel_ext.notebook.views.load import LoadView
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.views.tables import tables_drawing
from wiz_kernel_ext.protocol.results import TERMINAL_STATES, OperationInfo


def show(host: MagicHost, line: str) -> None:
    """`%wiz_ops [-n N]`; starts no service."""
    arguments = OPS.parse_line(line)
    client = host.notebook.client
    if not client.running():
        say(host, NO_SERVICE)
        return
    table = operation_table(client.operations(arguments.n), time.time())
    host.screen.show(tables_drawing("", [table]))


def attach(host: MagicHost, line: str) -> Any:
    """`%wiz_attach [ID]`."""
    arguments = ATTACH.parse_line(line)
    variable = checked_variable(arguments.o)
    client = host.notebook.client
    info = client.operation(arguments.id) if arguments.id else _latest(host)
    operation = client.attach(info.id)
    if info.kind == "prompt":
        about = f"session {info.session}" if info.session else ""
        view = answer_view(host, about, info.id)
        return follow(
            operation,
            view,
            lambda answer: host.notebook.keep(variable, answer),
            host.notebook.leaving,
        )
    if info.kind != "load":
        work = WorkView(host.screen, info.title, info.id, time.monotonic)
        follow_work(operation, work, host.notebook.leaving)
        return None
    bar = LoadView(host.screen, info.title, time.monotonic)
    bar.begin()
    for events in operation.batches(INTERVAL_S):
        bar.take(events)
    operation.result()
    bar.say("done")
    return None


def cancel(host: MagicHost, line: str) -> None:
    """`%wiz_cancel [ID]`; starts no service."""
    arguments = CANCEL.parse_line(line)
    client = host.notebook.client
    if not client.running():
        say(host, NO_SERVICE)
        return
    if arguments.id:
        ended = client.cancel(arguments.id)
    else:
        session, _ = host.notebook.open_session(host.session or None)
        ended = sorted({*client.cancel(), *client.cancel(session=session.id)})
    say(host, f"Cancelled: {', '.join(ended)}" if ended else "Nothing was running.")


def _latest(host: MagicHost) -> OperationInfo:
    session, _ = host.notebook.open_session(host.session or None)
    client = host.notebook.client
    found = client.operations(50, session=session.id)
    # Work on models belongs to no session: what runs of it may be what this notebook began.
    work = [info for info in client.operations(50) if info.kind != "prompt"]
    running = [info for info in [*found, *work] if info.state not in TERMINAL_STATES]
    if not running and not found:
        raise OperationNotFound(f"The session {session.name} has no operation yet.")
    return (running or found)[0]
