"""The page's side of a panel: plain ES modules from `page/`, joined into the one that travels.

A front end is given a widget's module as text, which can import nothing by a relative path. So the
imports between our own files are resolved here, by putting each file before those that need it;
top-level names are unique across files.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("page")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def module(name: str) -> str:
    """The module `name` with all that it imports, as one text."""
    order: list[str] = []
    _collect(name, order)
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(file))) for file in order)


@cache
def style(*names: str) -> str:
    """The style sheets as one text."""
    return "\n".join(_read(name) for name in names)


def _collect(name: str, order: list[str]) -> None:
    for needed in _IMPORT.findall(_read(name)):
        if needed not in order:
            _collect(needed, order)
    order.append(name)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
