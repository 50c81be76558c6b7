"""Completion after a magic's name: its options, and models, sessions and operations that exist.

Only these: what Python knows is out of place in such a line. Asks the service only if one runs, and
starts none; an error here is no completion, never a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from wiz_kernel_ext.commands.command import KnownNames
from wiz_kernel_ext.commands.flags import Flag
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.folders import entries, is_folder
from wiz_kernel_ext.notebook.magics.parsers import COMMANDS, PARSERS
from wiz_kernel_ext.protocol.chat_templates import TEMPLATE_NAMES

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

MAX_MODEL_FILES = 200
MAX_ENTRIES = 500
IDENTIFIER = "wiz_kernel_ext.magics"

_LINE = re.compile(r"\s*(?P<percent>%{0,2})wiz_(?P<name>\w+)\s")
_CELL = re.compile(r"\s*%%wiz_(?P<name>\w+)(?:\s|$)")
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*(?:'|$)|"[^"]*(?:"|$))+""")


class _NothingElse(list[Any]):
    """No completion, in a way that keeps IPython from asking others for theirs."""

    def __len__(self) -> int:
        return 1


def add_completion(shell: Any) -> None:
    """Complete the lines of every `wiz_` magic in `shell`, now and when they are loaded again."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    matchers = shell.Completer.custom_matchers
    if any(getattr(one, "matcher_identifier", "") == IDENTIFIER for one in matchers):
        return

    matcher: Any = context_matcher(identifier=IDENTIFIER, priority=100)

    def match(context: Any) -> Any:
        found = complete(shell, context.full_text, context.cursor_line, context.text_until_cursor)
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, texts = found
        return {
            "completions": [SimpleCompletion(text) for text in texts] or _NothingElse(),
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": True,
        }

    matchers.insert(0, matcher(match))


def complete(
    shell: Any, full_text: str, cursor_line: int, until_cursor: str
) -> tuple[str, list[str]] | None:
    """What is being typed, and what it could become; None where that is not for us to say."""
    magics = shell.magics_manager.registry.get("WizMagics")
    if magics is None:
        return None
    cell = _CELL.match(full_text)
    if cursor_line and cell and cell["name"] in PARSERS:
        return "", []  # prose, to the cell's end
    line = _LINE.match(until_cursor)
    if line is None or line["name"] not in PARSERS:
        return None
    if not line["percent"] and not _is_magic_without_percent(shell, f"wiz_{line['name']}"):
        return None
    *words, fragment = _words(until_cursor[line.end() :])
    texts = candidates(line["name"], words, fragment, ServiceNames(magics.notebook))
    return fragment, texts


def _is_magic_without_percent(shell: Any, name: str) -> bool:
    return bool(shell.automagic) and name not in shell.user_ns


def _words(line: str) -> list[str]:
    """The words of a line as they are typed, the last being what is typed now (maybe empty)."""
    found = list(_WORD.finditer(line))
    words = [one[0] for one in found]
    return words if found and found[-1].end() == len(line) else [*words, ""]


def candidates(name: str, words: list[str], fragment: str, known: KnownNames) -> list[str]:
    """The completions of `fragment` after `words` on a line of the magic of the command `name`.

    Each is `fragment` gone on with, in quotes where it has blanks.
    """
    parser = PARSERS[name]
    last = words[-1] if words else ""
    option, equals, value = fragment.partition("=")
    if equals and parser.takes_value(option):
        return [f"{option}={text}" for text in _fitting(_values(name, option, value, known), value)]
    if last.startswith("-") and "=" not in last and parser.takes_value(last):
        return _fitting(_values(name, last, fragment, known), fragment)
    if fragment.startswith("-"):
        names = [option for option in parser.option_names() if option.startswith("--")]
        return [option for option in names if option.startswith(fragment)]
    texts = COMMANDS[name].completes(words, known)
    if (texts or not words) and _is_path(fragment) and not COMMANDS[name].takes_text:
        texts = [*texts, *path_entries(fragment, ".gguf")]  # a model may be any file
    return _fitting(texts, fragment)


def _values(name: str, option: str, fragment: str, known: KnownNames) -> list[str]:
    """What can stand behind an option."""
    if option == "--session":
        return known.sessions()
    if option == "--default":
        return known.library()
    action = PARSERS[name].action_of(option)
    flag = getattr(getattr(action, "type", None), "__self__", None)
    if not isinstance(flag, Flag):
        return []
    if flag.field == "chat_template":
        return [*TEMPLATE_NAMES, *path_entries(fragment, "")]
    if flag.field == "adapters":
        return path_entries(fragment, ".gguf")
    return _literals(flag.annotation)


def _literals(annotation: Any) -> list[str]:
    """The texts that a type names one by one."""
    parts = get_args(annotation)
    texts = [part for part in parts if isinstance(part, str)]
    return texts + [text for part in parts if get_args(part) for text in _literals(part)]


def _fitting(texts: Iterable[str], fragment: str) -> list[str]:
    """Those of `texts` that begin as what was typed does, as words of a line."""
    quote = fragment[:1] if fragment[:1] in ("'", '"') else ""
    typed = fragment.strip(quote) if quote else fragment
    fitting = dict.fromkeys(text for text in texts if text.startswith(typed))
    return [_word(text, quote) for text in fitting]


def _is_path(fragment: str) -> bool:
    return "/" in fragment or fragment.lstrip("'\"")[:1] in ("~", ".")


def path_entries(fragment: str, suffix: str) -> list[str]:
    """The folders, and the files of that suffix, where a path that is being typed leads."""
    typed = fragment.strip("'\"")
    head = typed[: typed.rfind("/") + 1]
    if typed.startswith("~") and not head:
        return ["~/"]
    found = []
    try:
        folder = Path(os.path.expandvars(head)).expanduser() if head else Path()
        for path in entries(folder):
            if path.name.startswith(".") and not typed[len(head) :].startswith("."):
                continue
            if is_folder(path):
                found.append(f"{head}{path.name}/")
            elif path.name.lower().endswith(suffix):
                found.append(head + path.name)
    except (OSError, ValueError, RuntimeError):
        return []
    return sorted(found)[:MAX_ENTRIES]


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
        return self._ask(lambda client: [session.name for session in client.sessions()])

    def loaded(self) -> list[str]:
        """Models that are loaded."""
        return self._ask(lambda client: [worker.model_path for worker in client.status().workers])

    def library(self) -> list[str]:
        """Models on this machine, and the user's names."""
        return self._ask(
            lambda client: [
                *(model.name for model in client.models()),
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


def _word(text: str, quote: str) -> str:
    """`text` as one word of a magic's line; a folder's stays open, as more of it follows."""
    if not quote and not any(c.isspace() for c in text):
        return text
    mark = quote if quote and quote not in text else '"' if "'" in text else "'"
    return f"{mark}{text}" if text.endswith("/") else f"{mark}{text}{mark}"
