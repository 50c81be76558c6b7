"""What the terminal's commands on texts share: where the texts are from, and the model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

from wiz_kernel_ext.cli.prompt import is_person, read_input, ready_model
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.texts import lines_of
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.printable import json_safe

T = TypeVar("T")


def texts_given(words: list[str], usage: str) -> list[str]:
    """The line's texts, else the lines of standard input; raises BadRequest where there are none.

    A person at a terminal is not waited for.
    """
    if words:
        # A locale that knows ASCII only leaves other letters as bytes.
        return [os.fsencode(word).decode("utf-8", "surrogateescape") for word in words]
    if is_person():
        raise BadRequest("TEXT is missing.", hint=usage, field="texts")
    with taken():
        texts = lines_of(read_input())
    if not texts:
        raise BadRequest("Standard input has no texts.", hint=usage, field="texts")
    return texts


def asked(name: str | None, ask: Callable[[Client, str | None], T]) -> T:
    """What `ask` returns of a client and the path of the model, which is ready by then."""
    client = Client()
    try:
        return ask(client, ready_model(client, name, None))
    finally:
        client.close()


def print_json(value: Any) -> None:
    """As JSON, in ASCII: numbers for the most part."""
    print(json_safe(json.dumps(value)))
