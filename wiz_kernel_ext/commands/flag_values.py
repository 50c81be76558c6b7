"""Values of options that are more than a number or a word: files, JSON, templates, times."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.protocol.chat_templates import MAX_TEMPLATE_CHARS, TEMPLATE_NAMES, is_jinja

MAX_FILE_CHARS = 1 << 20
_SWITCH = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def chat_template(text: str) -> str:
    """A family's name, or what is in a file; raises argparse.ArgumentTypeError for neither."""
    if text in TEMPLATE_NAMES or is_jinja(text):
        return text
    template = _file(text, MAX_TEMPLATE_CHARS, f"a file, or one of {', '.join(TEMPLATE_NAMES)}")
    if not is_jinja(template):
        raise argparse.ArgumentTypeError(f"takes a Jinja template: {text!r} has none")
    return template


def schema(text: str) -> dict[str, Any]:
    """A JSON schema, or what is in a file with one."""
    is_json = text.lstrip().startswith("{")
    source = text if is_json else _file(text, MAX_FILE_CHARS, "a JSON schema, or a file with one")
    try:
        found = msgspec.json.decode(source)
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"takes a JSON schema: {error}") from None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("takes a JSON schema, which is an object")
    return found


def grammar(text: str) -> str:
    """A grammar, or what is in a file with one: every grammar has a rule."""
    if "::=" in text or "\n" in text:
        return text
    return _file(text, MAX_FILE_CHARS, "a GBNF grammar, or a file with one")


def think(text: str) -> bool | int:
    """A switch (on, off), or a number of tokens."""
    switch = _SWITCH.get(text.strip().lower())
    return int(text) if switch is None else switch


READERS: dict[str, Callable[[str], Any]] = {
    "chat_template": chat_template,
    "schema": schema,
    "grammar": grammar,
    "think": think,
}
"""How the text of an option is read, by its field, where its type does not say it all."""
METAVARS = {
    "chat_template": "NAME|FILE",
    "schema": "FILE|JSON",
    "grammar": "FILE|TEXT",
    "think": "on|off|N",
    "draft": "MODEL",
    "projector": "FILE",
    "overflow": "refuse|drop|middle|summarize",
}
TAKES = {
    "schema": "a JSON schema, or a file with one",
    "grammar": "a GBNF grammar, or a file with one",
    "think": "on, off or a number of tokens",
}


def _file(text: str, limit: int, takes: str) -> str:
    try:
        return Path(text).expanduser().read_bytes()[: 4 * limit].decode()
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise argparse.ArgumentTypeError(f"takes a text file: {text!r} is none") from None
        why = getattr(error, "strerror", None) or str(error)
        raise argparse.ArgumentTypeError(f"takes {takes}, not {text[:80]!r} ({why})") from None
