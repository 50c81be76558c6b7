"""`alias`: short names for models, and a default."""

from __future__ import annotations

import argparse
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, Parser, UserInterface
from wiz_kernel_ext.commands.parsing import checked_name
from wiz_kernel_ext.errors import BadRequest


def arguments(parser: Parser, face: Face) -> None:
    """NAME and MODEL, or what else to do with names."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the short name")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="what it stands for")
    parser.add_argument("--remove", metavar="NAME", help="give a name up")
    parser.add_argument("--default", metavar="MODEL", help="what is meant where none is named")
    parser.add_argument("--no-default", action="store_true", help="have no default")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Give names, give them up, and list them."""
    from wiz_kernel_ext.commands.model_tables import alias_table
    from wiz_kernel_ext.local_paths import located

    client = ui.client
    if arguments.name is not None:
        if arguments.model is None:
            raise BadRequest(
                f"What shall {arguments.name} stand for?",
                hint=f"`wiz alias {arguments.name} user/repo:Q4_K_M`",
                field="model",
            )
        name = checked_name(arguments.name, "An alias")
        client.set_alias(name, located(arguments.model))
    if arguments.remove is not None:
        client.set_alias(checked_name(arguments.remove, "An alias"), None)
    if arguments.default is not None:
        client.set_default_model(located(arguments.default))
    elif arguments.no_default:
        client.set_default_model(None)
    known = client.aliases()
    ui.show("", [alias_table(known)])
    return known


COMMAND = Command(
    help="call a model by a short name",
    more="""Without arguments: the names there are.

        {0}alias small Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M
        {0}alias --default small""",
    arguments=arguments,
    run=run,
    lists=True,
)
