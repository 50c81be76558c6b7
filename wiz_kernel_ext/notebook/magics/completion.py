"""Completion after a magic's name: its options, and models, sessions and operations that exist.

Asks the service only if one runs, and starts none; an error here is no completion, never a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import TryNext

from wiz_kernel_ext.commands.command import KnownNames
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.folders import entries
from wiz_kernel_ext.notebook.magics.parsers import COMMANDS, PARSERS

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

MAX_MODEL_FILES = 200


def add_completion(shell: Any) -> None:
    """Complete the lines of every `wiz_` magic in `shell`, now and when they are loaded again."""
    if "wiz_load" in _completed(shell):
        return
    for name in PARSERS:
        for magic in (f"%wiz_{name}", f"%%wiz_{name}"):
            shell.set_hook(
                "complete_command", lambda _, event: complete(shell, event), str_key=magic
            )


def complete(shell: Any, event: Any) -> list[str]:
    """What could stand at the cursor; `event` is IPython's."""
    magics = shell.magics_manager.registry.get("WizMagics")
    if magics is None:
        raise TryNext
    name = event.command.lstrip("%").removeprefix("wiz_")
    # IPython completes from the last colon on, and names of models have one.
    before, blank, word = event.text_until_cursor.rpartition(" ")
    head = word.removesuffix(event.symbol)
    words = f"{before}{blank}".split()[1:]
    found = candidates(name, words, word, ServiceNames(magics.notebook))
    return [match.removeprefix(head) for match in found if match.startswith(head)]


def candidates(name: str, words: list[str], symbol: str, known: KnownNames) -> list[str]:
    """The completions of `symbol` after `words` on a line of the magic of the command `name`."""
    parser = PARSERS[name]
    last = words[-1] if words else ""
    if last == "--session":
        return known.sessions()
    if last == "--default":
        return known.library()
    if last.startswith("-") and parser.takes_value(last):
        return []
    if symbol.startswith("-"):
        return [option for option in parser.option_names() if option.startswith("--")]
    return COMMANDS[name].completes(words, known)


class ServiceNames:
    """The names that a running service has."""

    def __init__(self, notebook: Any) -> None:
        self._notebook = notebook

    def model_files(self) -> list[str]:
        """The GGUF files in the working directory and one level below."""
        return model_files(Path())

    def quants(self) -> list[str]:
        """What can be quantized to."""
        from wiz_kernel_ext.making.quantize import QUANTS

        return list(QUANTS)

    def sessions(self) -> list[str]:
        """Names of sessions, latest used first."""
        return self._ask(lambda client: [_word(session.name) for session in client.sessions()])

    def loaded(self) -> list[str]:
        """Models that are loaded."""
        return self._ask(lambda client: [worker.model_path for worker in client.status().workers])

    def library(self) -> list[str]:
        """Models on this machine, and the user's names."""
        return self._ask(
            lambda client: [
                *(_word(model.name) for model in client.models()),
                *client.aliases().aliases,
            ]
        )

    def collections(self) -> list[str]:
        """Names of collections."""
        return self._ask(lambda client: [one.name for one in client.collections()])

    def operations(self, *, running: bool) -> list[str]:
        """Ids of operations, latest first."""
        return self._ask(
            lambda client: [
                info.id
                for info in client.operations(50)
                if not running or info.state in ("queued", "running")
            ]
        )

    def _ask(self, question: Callable[[Client], Iterable[str]]) -> list[str]:
        client: Client = self._notebook.client
        try:
            return list(question(client)) if client.running() else []
        except WizError:
            return []


def model_files(folder: Path) -> list[str]:
    """The GGUF files in `folder` and one level below."""
    here = entries(folder)
    found = [path for path in [*here, *chain(*map(entries, here))] if path.suffix == ".gguf"]
    return [str(path) for path in sorted(found)[:MAX_MODEL_FILES]]


def _completed(shell: Any) -> set[str]:
    hooks = shell.strdispatchers.get("complete_command")
    return {key.lstrip("%") for key in hooks.strs} if hooks else set()


def _word(name: str) -> str:
    """`name` as one word of a magic's line."""
    if not any(c.isspace() for c in name):
        return name
    return f'"{name}"' if "'" in name else f"'{name}'"
