"""`%wiz_unload` and `%wiz_stop`: give memory back, end the service."""

from __future__ import annotations

from wiz_kernel_ext.cli.report import unloaded_line
from wiz_kernel_ext.errors import ModelNotLoaded
from wiz_kernel_ext.notebook.magics.desk import NO_SERVICE, Desk, located, say
from wiz_kernel_ext.notebook.magics.lines import STOP, UNLOAD
from wiz_kernel_ext.protocol.requests import UnloadModel
from wiz_kernel_ext.protocol.results import UnloadInfo


def unload(desk: Desk, line: str) -> None:
    """`%wiz_unload [MODEL]`; starts no service."""
    arguments = UNLOAD.parse_line(line)
    client = desk.notebook.client
    if not client.running():
        say(desk, NO_SERVICE)
        return
    model = located(arguments.model) if arguments.model else None
    try:
        info = client.request(UnloadModel(model_path=model, force=arguments.force), UnloadInfo)
    except ModelNotLoaded:
        if model:
            raise
        say(desk, "No model is loaded.")
        return
    say(desk, unloaded_line(info))


def stop(desk: Desk, line: str) -> None:
    """`%wiz_stop`."""
    STOP.parse_line(line)
    client = desk.notebook.client
    if not client.running():
        say(desk, NO_SERVICE)
        return
    client.stop()
    desk.notebook.close()
    say(desk, "The service has stopped. Conversations are kept.")
