"""Python types as JSON schemas, and JSON read back as those types.

What msgspec knows is its: dataclasses, TypedDicts, NamedTuples, `Literal`, `Enum`, `list[T]`,
`Union`, attrs and its own structs. Where a Pydantic class takes part, Pydantic does both; it is not
imported unless such a class is there.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec

from wiz_kernel_ext.errors import AnswerInvalid, BadRequest


def type_of(schema: Any) -> Any:
    """The type that an answer's value is to be of; None where a plain schema was given."""
    return None if schema is None or isinstance(schema, dict) else schema


def schema_of(shape: Any) -> dict[str, Any]:
    """The JSON schema of a type; a plain schema as it is. Raises BadRequest for what is neither."""
    if isinstance(shape, dict):
        return shape
    try:
        if _is_pydantic(shape):
            found: dict[str, Any] = _adapter(shape).json_schema()
            return found
        return msgspec.json.schema(shape)
    except Exception as error:
        raise BadRequest(
            f"{_named(shape)} has no JSON schema: {error}",
            hint="Give a dataclass, a TypedDict, a Pydantic class, an Enum, a Literal, a list of "
            "these, or a JSON schema.",
            field="schema",
        ) from None


def read_json(text: str, type: Any) -> Any:
    """The value that `text` is; raises AnswerInvalid where it is not of `type`."""
    try:
        if type is None:
            return msgspec.json.decode(text)
        if _is_pydantic(type):
            return _adapter(type).validate_json(text)
        return msgspec.json.decode(text, type=type)
    except ValueError as error:
        raise AnswerInvalid(
            f"The answer is no {_named(type)}: {error}",
            hint="Ask again, or take the text and correct it.",
            text=str(text),
        ) from None


def _is_pydantic(shape: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether `shape` is a Pydantic class, or has one in it."""
    if hasattr(shape, "model_json_schema") or hasattr(shape, "__pydantic_fields__"):
        return True
    if id(shape) in seen:
        return False
    seen |= {id(shape)}
    return any(_is_pydantic(part, seen) for part in [*get_args(shape), *_hints(shape)])


def _hints(shape: Any) -> list[Any]:
    """The types of a class's fields, where they can be found."""
    if not hasattr(shape, "__annotations__"):
        return []
    try:
        return list(get_type_hints(shape).values())
    except Exception:  # a name that is not there: who reads the type next says so better
        return list(shape.__annotations__.values())


def _adapter(shape: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(shape)


def _named(shape: Any) -> str:
    return "JSON" if shape is None else str(getattr(shape, "__name__", None) or repr(shape))[:80]
