"""`search`: models on the hub, or what a repository has."""

from __future__ import annotations

import argparse
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, Parser, UserInterface
from wiz_kernel_ext.commands.flags import add_flags, flags, given
from wiz_kernel_ext.protocol.hub_requests import SearchHub

FLAGS = flags(SearchHub, {"fits": "fits", "context_size": "ctx", "limit": "limit"})


def arguments(parser: Parser, face: Face) -> None:
    """TEXT and how to narrow it."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="words, or one repository")
    add_flags(parser, FLAGS.values())


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Repositories for words; a repository's models for its name."""
    from wiz_kernel_ext.commands import model_tables as tables

    values = given(arguments, FLAGS.values())
    fits = bool(values.get("fits"))
    if len(arguments.text) == 1 and is_repository(arguments.text[0]):
        listing = ui.client.list_repo(arguments.text[0], context_size=values.get("context_size"))
        ui.show(tables.listing_line(listing), tables.listing_tables(listing, fits=fits))
        return tables.running(listing) if fits else listing
    hits = ui.client.search(" ".join(arguments.text), **values)
    ui.show("", [tables.hit_table(hits, fits=fits)])
    return hits


def is_repository(word: str) -> bool:
    """Whether one word can only be a repository, and nothing to search for."""
    return "/" in word or word.startswith("hf:")


COMMAND = Command(
    help="find models on the hub, or list what a repository has",
    more="""With TEXT, repositories with GGUF files; with user/repo, the models in it: quant, size,
    and whether each fits this machine.

        {0}search qwen2.5 instruct --fits --ctx 8192
        {0}search Qwen/Qwen2.5-1.5B-Instruct-GGUF""",
    arguments=arguments,
    run=run,
    lists=True,
)
