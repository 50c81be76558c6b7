"""`%wiz_unload` and `%wiz_stop`: give memory back, end the service."""

from __future__ import annotations

from wiz_kernel_ext.commands.service_tables import unloaded_line
from wiz_kernel_ext.errors import ModelNotLoaded
from wiz_kernel_ext.notebook.magics.arguments import STOP, UNLOAD
from wiz_kernel_ext.notebook.magics.host import NO_SERVICE, MagicHost, located, say
from wiz_kernel_ext.protocol.requests import UnloadModel


def unload(host: MagicHost, line: str) -> None:
    """`%wiz_unload [MODEL]`; starts no service."""
    arguments = UNLOAD.parse_line(line)
    client = host.notebook.client
    if not client.running():
        say(host, NO_SERVICE)
        return
    model = located(arguments.model) if arguments.model else None
    try:
        info = client.request(UnloadModel(model_path=model, force=arguments.force))
    except ModelNotLoaded:
        if model:
            raise
        say(host, "No model is loaded.")
        return
    say(host, unloaded_line(info))


def stop(host: MagicHost, line: str) -> None:
    """`%wiz_stop`."""
    STOP.parse_line(line)
    client = host.notebook.client
    if not client.running():
        say(host, NO_SERVICE)
        return
    client.stop()
    host.notebook.close()
    say(host, "The service has stopped. Conversations are kept.")
