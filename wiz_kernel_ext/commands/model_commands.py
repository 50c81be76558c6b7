"""What the commands about models do, for the magics and for `jupyter wiz` alike.

Each takes an `Asker` and the arguments of its line (`commands/model_arguments.py`), shows what
people read and returns what scripts want. Knows the client; draws and asks nobody itself.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wiz_kernel_ext.commands import model_tables as report
from wiz_kernel_ext.commands.flags import given
from wiz_kernel_ext.commands.inspection_tables import inspection_line, inspection_tables
from wiz_kernel_ext.commands.model_arguments import (
    CONVERT_FLAGS,
    PULL_FLAGS,
    QUANTIZE_FLAGS,
    SEARCH_FLAGS,
)
from wiz_kernel_ext.commands.paths import absolute, located, located_source
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import AmbiguousModel, BadRequest, ChecksumMismatch
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub_requests import (
    ConvertModel,
    PullModel,
    QuantizeModel,
    VerifyModel,
)

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Asker(Protocol):
    """Who asks: a notebook or a terminal."""

    @property
    def client(self) -> Client:
        """The client."""

    def show(self, line: str, tables: Sequence[Table] = ()) -> None:
        """Let the user read this."""

    def confirm(self, question: str) -> bool | None:
        """What the user answers; None where nobody can be asked."""

    def follow(self, operation: Operation, title: str) -> Any:
        """Show how far `operation` is until it ends; its result."""


Command = Callable[[Asker, argparse.Namespace], Any]


def search(asker: Asker, arguments: argparse.Namespace) -> Any:
    """Repositories for words; a repository's models for its name."""
    values = given(arguments, SEARCH_FLAGS.values())
    if len(arguments.text) == 1 and is_repository(arguments.text[0]):
        listing = asker.client.list_repo(arguments.text[0], context_size=values.get("context_size"))
        fits = bool(values.get("fits"))
        asker.show(report.listing_line(listing), report.listing_tables(listing, fits=fits))
        return report.running(listing) if fits else listing
    hits = asker.client.search(" ".join(arguments.text), **values)
    asker.show("", [report.hit_table(hits, fits=bool(values.get("fits")))])
    return hits


def pull(asker: Asker, arguments: argparse.Namespace) -> str:
    """Download a model; its path."""
    values = {
        "model": located(arguments.model),
        "limit_bytes_per_s": arguments.limit_rate,
        **given(arguments, PULL_FLAGS.values()),
    }
    operation = asker.client.start(build(PullModel, values))
    path: str = asker.follow(operation, arguments.model)
    return path


def models(asker: Asker, arguments: argparse.Namespace) -> Any:
    """What is on this machine."""
    found = asker.client.models(check=arguments.check)
    asker.show("", [report.library_table(found, time.time())])
    return found


def rm(asker: Asker, arguments: argparse.Namespace) -> Any:
    """Delete a model, once that was agreed to."""
    model = located(arguments.model)
    deletion = asker.client.remove_model(model, only_ask=True)
    if not deletion.allowed:
        raise BadRequest(
            f"{deletion.name} is not deleted: {deletion.reason}",
            hint="Delete it with what it belongs to.",
            field="model",
        )
    if not arguments.yes:
        asker.show(report.deletion_line(deletion), [report.file_table(deletion.files)])
        agreed = asker.confirm(f"Delete {deletion.name}? [y/N] ")
        if agreed is None:
            raise BadRequest(
                f"{deletion.name} is not deleted: nobody can be asked here.",
                hint=f"To delete it: `wiz rm {arguments.model} --yes`",
                field="--yes",
            )
        if not agreed:
            asker.show("Nothing was deleted.")
            return None
    deleted = asker.client.remove_model(model)
    asker.show(report.deletion_line(deleted, done=True))
    return deleted


def convert(asker: Asker, arguments: argparse.Namespace) -> str:
    """Make a GGUF of a checkpoint; its path."""
    values = {
        "source": located_source(arguments.source),
        **given(arguments, CONVERT_FLAGS.values()),
    }
    request = build(ConvertModel, with_absolute_paths(values))
    path: str = asker.follow(asker.client.start(request), arguments.source)
    return path


def quantize(asker: Asker, arguments: argparse.Namespace) -> str:
    """Make a smaller GGUF; its path."""
    values = {
        "model": located(arguments.model),
        "quant": arguments.quant,
        **given(arguments, QUANTIZE_FLAGS.values()),
    }
    request = build(QuantizeModel, with_absolute_paths(values))
    path: str = asker.follow(
        asker.client.start(request), f"{arguments.model} → {arguments.quant.upper()}"
    )
    return path


def verify(asker: Asker, arguments: argparse.Namespace) -> Any:
    """Check a model's files; raises ChecksumMismatch naming the damaged ones."""
    operation = asker.client.start(VerifyModel(model=located(arguments.model)))
    found = asker.follow(operation, arguments.model)
    if found.bad:
        raise ChecksumMismatch(
            f"{found.name} is damaged: {', '.join(found.bad)}.",
            hint=f"Fetch it again: `wiz rm {found.name}`, then `wiz pull {found.name}`.",
            files=found.bad,
        )
    return found


def inspect(asker: Asker, arguments: argparse.Namespace) -> Any:
    """What a model says of itself."""
    found = asker.client.inspect(located(arguments.model), context_size=arguments.context_size)
    asker.show(inspection_line(found), inspection_tables(found))
    return found


def alias(asker: Asker, arguments: argparse.Namespace) -> Any:
    """Give names, give them up, and list them."""
    client = asker.client
    if arguments.name is not None:
        if arguments.model is None:
            raise BadRequest(
                f"What shall {arguments.name} stand for?",
                hint=f"`wiz alias {arguments.name} user/repo:Q4_K_M`",
                field="model",
            )
        name = _checked(arguments.name, "An alias")
        client.set_alias(name, located(arguments.model))
    if arguments.remove is not None:
        client.set_alias(_checked(arguments.remove, "An alias"), None)
    if arguments.default is not None:
        client.set_default_model(located(arguments.default))
    elif arguments.no_default:
        client.set_default_model(None)
    known = client.aliases()
    asker.show("", [report.alias_table(known)])
    return known


def collections(asker: Asker, arguments: argparse.Namespace) -> Any:
    """Keep, forget, read again and list collections."""
    match arguments.words:
        case []:
            found = asker.client.collections()
        case ["refresh"]:
            found = asker.client.collections(refresh=True)
        case ["add", name, source]:
            found = [asker.client.add_collection(_checked(name, "A collection"), located(source))]
        case ["remove", name]:
            gone = asker.client.remove_collection(_checked(name, "A collection"))
            asker.show(f"{gone.name} is forgotten; its models stay.")
            return gone
        case words:
            raise BadRequest(
                f"{' '.join(words)!r} is nothing to do with collections.",
                hint="add NAME SOURCE, remove NAME, refresh, or nothing to list them.",
                field="words",
            )
    asker.show("", report.collection_tables(found, time.time()))
    return found


COMMANDS: dict[str, Command] = {
    "search": search,
    "pull": pull,
    "models": models,
    "rm": rm,
    "convert": convert,
    "quantize": quantize,
    "verify": verify,
    "inspect": inspect,
    "alias": alias,
    "collections": collections,
}


def is_repository(word: str) -> bool:
    """Whether one word can only be a repository, and nothing to search for."""
    return "/" in word or word.startswith("hf:")


def chosen_from_table(error: AmbiguousModel) -> AmbiguousModel:
    """`error` where its choices are shown as a table beside it."""
    choices = error.details.get("choices") or []
    hint = f"Name one of them, like {choices[0]['name']}." if choices else error.info().hint
    return AmbiguousModel(error.message, hint=hint, **error.details)


def with_absolute_paths(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with paths as meant here; a plain name for `output` is the service's to place."""
    made = dict(values)
    if "llama_cpp" in values:
        made["llama_cpp"] = str(absolute(values["llama_cpp"]))
    if len(Path(values.get("output", "")).parts) > 1:
        made["output"] = str(absolute(values["output"]))
    return made


def _checked(name: str, what: str) -> str:
    if not _ALIAS.fullmatch(name):
        raise BadRequest(
            f"{what} cannot be called {name[:80]!r}.",
            hint="Use up to 64 letters, digits, dots, dashes and underscores.",
            field="name",
        )
    return name
