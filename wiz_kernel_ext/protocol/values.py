"""What people hand to a call, as a message has it: paths, numpy's and pandas' values, texts.

Knows no library but the standard one: a value is known by what it can do. What has no plain meaning
is refused, naming the field; so is text that cannot be encoded, saying where in it.
"""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Mapping
from typing import Any

import msgspec
import msgspec.structs

from wiz_kernel_ext.errors import BadRequest

Name = str | os.PathLike[str]
"""A model's name, or the path of a file."""
_MAX_DEPTH = 100
_PATHS = {
    "base",
    "draft",
    "file",
    "llama_cpp",
    "model",
    "model_path",
    "notebook",
    "output",
    "projector",
    "source",
}
_LISTS_OF_PATHS = {"adapters"}
_MISSING = {"NAType", "NaTType"}  # pandas' own None


def plain(value: Any, field: str = "", depth: int = 0) -> Any:
    """`value`, given as `field`, of None, truth values, numbers, texts, lists and dictionaries.

    Raises BadRequest naming the field, or the place in it ("messages[1].content").
    """
    if depth > _MAX_DEPTH:
        raise BadRequest(
            f"{_named(field)} is nested more than {_MAX_DEPTH} deep.",
            hint="Give something flatter, that does not contain itself.",
            field=field,
        )
    if value is None or isinstance(value, bool) or type(value).__name__ in _MISSING:
        return value if isinstance(value, bool) else None
    if isinstance(value, enum.Enum):
        return plain(value.value, field, depth + 1)
    if isinstance(value, str):
        return _text(value, field)
    if isinstance(value, bytes | bytearray | memoryview):
        raise BadRequest(
            f"{_named(field)} is bytes, and texts are sent.",
            hint="Decode them first: value.decode('utf-8').",
            field=field,
        )
    if isinstance(value, os.PathLike):
        return _path(value, field)
    if isinstance(value, msgspec.Struct):
        parts = msgspec.structs.fields(value)
        value = {part.encode_name: getattr(value, part.name) for part in parts}
    if isinstance(value, Mapping):
        return {
            _key(key, field): plain(one, _inside(field, _key(key, field)), depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one, f"{field}[{n}]", depth + 1) for n, one in enumerate(value)]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        made = value.tolist()
        return plain(made if type(made) is not type(value) else float(made), field, depth)
    return _number(value, field, whole=depth == 0)


def _text(value: str, field: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise BadRequest(
            f"{_named(field)} cannot be encoded: its character {error.start + 1} of {len(text)} "
            f"(U+{code:04X}) is half of a pair, or a byte that was no UTF-8.",
            hint="Take it out: text.encode('utf-8', 'replace').decode().",
            field=field,
            position=error.start,
        ) from None
    return text


def _path(value: os.PathLike[Any], field: str) -> str:
    is_one = field.rpartition(".")[2] in _PATHS or _snake(field) in _PATHS
    if not is_one and field.partition("[")[0] not in _LISTS_OF_PATHS:
        raise BadRequest(
            f"{_named(field)} is a path, and no path is taken there.",
            hint="To send what is in the file: path.read_text().",
            field=field,
        )
    return _text(os.fsdecode(value), field)


def _number(value: Any, field: str, *, whole: bool) -> int | float:
    """A number as Python's own; a whole one as an integer, which every field of numbers takes."""
    try:
        if hasattr(value, "__index__"):
            return int(value.__index__())
        number = float(value) if hasattr(value, "__float__") else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise BadRequest(
            f"{_named(field)} takes no {type(value).__name__}.",
            hint="Give a text, a number, a list or a dictionary.",
            field=field,
        )
    if not math.isfinite(number):
        raise BadRequest(
            f"{_named(field)} is {number}, which is no number to work with.",
            hint="Give another, or None for what is not set.",
            field=field,
        )
    return int(number) if whole and number.is_integer() else number


def _key(key: Any, field: str) -> str:
    if isinstance(key, str):
        return _text(key, f"a name in {_named(field)}")
    if hasattr(key, "__index__") and not isinstance(key, bool):
        return str(key.__index__())
    raise BadRequest(
        f"{_named(field)} has a name that is a {type(key).__name__}, not a text.",
        hint="Names are texts.",
        field=field,
    )


def _inside(field: str, key: str) -> str:
    return f"{field}.{key}" if field else key


def _snake(field: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in field)


def _named(field: str) -> str:
    return field or "The value"
