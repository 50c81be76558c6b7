"""`stop`: end the service and its models."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import Command, UserInterface


def run(ui: UserInterface, arguments: argparse.Namespace) -> None:
    """End the service and wait for it."""
    service = ui.client.stop()
    ui.close()
    ui.show(f"The service (pid {service.pid}) has stopped. Conversations are kept.")


COMMAND = Command(
    help="end the service and every model it holds, for all notebooks",
    more="Conversations are kept; what needs the service next starts it again.",
    run=run,
    starts_service=False,
)
