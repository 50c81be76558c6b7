"""What to do next, in the words of the place where it is read.

Where an error is raised nobody knows who will read it: the service answers notebooks, terminals and
programs alike. So a hint names a command as `wiz pull user/repo`, or an option alone as `--ctx N`,
in backticks, and here that becomes a magic, a command line or a call; a flag or a keyword. Which
place this process is, is said once at its start.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import Literal

Place = Literal["notebook", "terminal", "python"]

_COMMAND = re.compile(r"`wiz (?P<name>[a-z]+)(?P<rest>(?: [^`]*)?)`")
_OPTION = re.compile(r"`(?P<option>--[a-z-]+)(?: (?P<value>[^`]+))?`")
# Where a keyword is called otherwise than its flag.
_KEYWORDS = {
    "ctx": "context_size",
    "seqs": "sequences",
    "batch": "batch_size",
    "model": "model_path",
}
_METHODS = {
    "alias": "set_alias",
    "convert": "convert_model",
    "ops": "operations",
    "quantize": "quantize_model",
    "rm": "remove_model",
    "unload": "unload_model",
    "verify": "verify_model",
}
_place: Place = "python"


def read_in(place: Place) -> None:
    """From now on hints are read there: a notebook's kernel and the command line say so."""
    global _place
    _place = place


def worded(hint: str) -> str:
    """`hint` with its commands as this process's user would write them."""
    hint = _COMMAND.sub(lambda match: _command(match["name"], match["rest"].strip()), hint)
    return _OPTION.sub(lambda match: _option(match["option"], match["value"] or ""), hint)


def _option(option: str, value: str) -> str:
    if _place != "python":
        return f"{option} {value}".rstrip()
    return f"{_keyword(option)}={_literal(value) if value else True}"


def _keyword(option: str) -> str:
    name = option.removeprefix("--")
    return _KEYWORDS.get(name, name.replace("-", "_"))


def _literal(word: str) -> str:
    """A number as one, a name in capitals as what is to be put in, all else in quotes."""
    return word if word.isdigit() or word.isupper() else repr(word)


def _command(name: str, rest: str) -> str:
    if _place == "notebook":
        return f"%wiz_{name} {rest}".strip()
    if _place == "terminal":
        return f"jupyter wiz {name} {rest}".strip()
    words = shlex.split(rest)
    if name == "alias" and (not words or words[0] == "--default"):
        name, words = ("set_default_model", words[1:]) if words else ("aliases", [])
    if name == "doctor":  # no method of a client: what it is about may be that none can be had
        return " ".join([sys.executable, "-m", "wiz_kernel_ext", name, *words])
    arguments: list[str] = []
    for word in words:
        if not word.startswith("--"):
            last = arguments.pop() if arguments and arguments[-1].endswith("=True") else ""
            value = word if word.isdigit() and last else repr(word)
            arguments.append(last.removesuffix("True") + value)
        elif word != "--yes":  # which answers a question that a program is not asked
            arguments.append(f"{_keyword(word)}=True")
    return f"client.{_METHODS.get(name, name)}({', '.join(arguments)})"
