"""What to do next, in the words of the place where it is read.

Where an error is raised nobody knows who will read it: the service answers notebooks, terminals and
programs alike. So a hint names a command as `wiz pull user/repo`, in backticks, and here that
becomes a magic, a command line or a call. Which place this process is, is said once at its start.
"""

from __future__ import annotations

import re
import sys
from typing import Literal

Place = Literal["notebook", "terminal", "python"]

_COMMAND = re.compile(r"`wiz (?P<name>[a-z]+)(?P<rest>(?: [^`]*)?)`")
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
    return _COMMAND.sub(lambda match: _command(match["name"], match["rest"].split()), hint)


def _command(name: str, words: list[str]) -> str:
    if _place == "notebook":
        return " ".join([f"%wiz_{name}", *words])
    if _place == "terminal":
        return " ".join(["jupyter wiz", name, *words])
    if name == "alias" and (not words or words[0] == "--default"):
        name, words = ("set_default_model", words[1:]) if words else ("aliases", [])
    if name == "doctor":  # no method of a client: what it is about may be that none can be had
        return " ".join([sys.executable, "-m", "wiz_kernel_ext", name, *words])
    arguments: list[str] = []
    for word in words:
        if not word.startswith("--"):
            last = arguments.pop() if arguments and arguments[-1].endswith("=True") else ""
            arguments.append(last.removesuffix("True") + repr(word))
        elif word != "--yes":  # which answers a question that a program is not asked
            arguments.append(f"{word[2:].replace('-', '_')}=True")
    return f"client.{_METHODS.get(name, name)}({', '.join(arguments)})"
