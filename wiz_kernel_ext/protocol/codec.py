"""Bytes to messages and back: the three frames of a comm, and checked payloads.

A comm is `Open` (target and payload), any number of `Message`s either way, and one `Close`, with a
result or an error. Payloads stay encoded (`Raw`) until the layer that knows their type.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Hashable
from typing import Any, TypeVar, cast, get_args

import msgspec
import msgspec.structs

from wiz_kernel_ext.errors import BadRequest, ErrorInfo, UnknownTarget
from wiz_kernel_ext.protocol.events import NIL
from wiz_kernel_ext.protocol.requests import AnyRequest
from wiz_kernel_ext.protocol.targets import TARGETS
from wiz_kernel_ext.protocol.values import plain

PROTOCOL_VERSION = 1

T = TypeVar("T")


class Open(msgspec.Struct, frozen=True, array_like=True, tag="open"):
    """The first frame of a comm: the asker picks its id.

    `surroundings` is what its environment says (see `surroundings.py`), beside the payload so that
    it is in nothing that is kept or shown. An older client sends none, an older service skips it.
    """

    comm: str
    target: str
    payload: msgspec.Raw
    surroundings: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"Open({self.comm!r}, {self.target!r}, …)"


class Message(msgspec.Struct, frozen=True, array_like=True, tag="msg"):
    """A frame in the middle: an event one way, an acknowledgement or a cancel the other."""

    comm: str
    data: msgspec.Raw


class Close(msgspec.Struct, frozen=True, array_like=True, tag="close"):
    """The last frame: an `error`, or else a `result`, which may be null (the asker's always is)."""

    comm: str
    result: msgspec.Raw = NIL
    error: ErrorInfo | None = None


_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)
AnyFrame = Open | Message | Close

_encoder = msgspec.msgpack.Encoder()


@functools.cache
def _decoder(type: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(type)


def encode(value: Any) -> bytes:
    """Any message, or plain builtins, as msgpack; raises BadRequest where it is too deep."""
    try:
        return _encoder.encode(value)
    except RecursionError:
        raise _too_deep() from None


def raw(value: Any) -> msgspec.Raw:
    """`value` encoded, to be put inside another message."""
    return msgspec.Raw(encode(value))


def raw_request(value: Any) -> msgspec.Raw:
    """What a person asks, encoded; raises BadRequest naming what cannot be, and where in it."""
    try:
        return raw(value)
    except _UNENCODABLE:
        return raw(plain(value))


def sound(request: T) -> T:
    """`request` if it could be sent, or what it means; raises as `raw_request`."""
    try:
        encode(request)
    except _UNENCODABLE:
        return msgspec.convert(plain(request), type(request))
    return request


def message_frame(comm: str, data: Any) -> bytes:
    """A `Message` around `data`, the two encoded in one go."""
    return _encoder.encode(Message(comm, data))


def decode(data: bytes | msgspec.Raw, type: type[T]) -> T:
    """A message of `type`; raises BadRequest naming the field that does not fit."""
    try:
        return cast(T, _decoder(cast(Hashable, type)).decode(data))
    except UnicodeDecodeError as error:
        raise BadRequest(f"A text in it is not UTF-8: {error}.", field="") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.DecodeError as error:
        raise bad_request(error, type) from None


def decode_any(data: bytes | msgspec.Raw) -> Any:
    """Plain builtins; raises BadRequest where it is no message."""
    return decode(data, object)


def _too_deep() -> BadRequest:
    return BadRequest("It is nested too deeply to be sent.", hint="Make it flatter.", field="")


def decode_frame(data: bytes) -> AnyFrame:
    """One frame of a comm; raises BadRequest if it is none."""
    try:
        return cast(AnyFrame, _decoder(cast(Hashable, AnyFrame)).decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Not a frame of this protocol: {error}.", field="frame") from None


def named_comm(data: bytes) -> str | None:
    """The comm that a frame which is none still names, so that it can be answered."""
    # Read by hand: what follows may be what cannot be read.
    if not data or data[0] & 0xF0 != 0x90:
        return None
    _, at = _text_at(data, 1)
    comm, _ = _text_at(data, at)
    return comm


def _text_at(data: bytes, at: int) -> tuple[str | None, int]:
    """The short text that begins there and where it ends; None if there is none."""
    first = data[at] if at < len(data) else 0
    if first & 0xE0 == 0xA0:
        start, size = at + 1, first & 0x1F
    elif first == 0xD9 and at + 1 < len(data):
        start, size = at + 2, data[at + 1]
    else:
        return None, len(data)
    text = data[start : start + size]
    try:
        return (text.decode() if len(text) == size else None), start + size
    except UnicodeDecodeError:
        return None, len(data)


def decode_request(target: str, payload: bytes | msgspec.Raw) -> AnyRequest:
    """The request that `payload` is to `target`; raises UnknownTarget or BadRequest."""
    request_type = TARGETS.get(target)
    if request_type is None:
        raise UnknownTarget(
            f"There is no handler called {target!r}.",
            hint=f"Handlers: {', '.join(TARGETS)}.",
            field="target",
        )
    return decode(payload, request_type)


def build(type: type[T], values: dict[str, Any]) -> T:
    """A message of `type` from Python names, checked as the wire would check it."""
    unknown = [name for name in values if name not in type.__struct_fields__]  # type: ignore[attr-defined]
    if unknown:
        fields = ", ".join(type.__struct_fields__)  # type: ignore[attr-defined]
        raise BadRequest(
            f"Unknown option {unknown[0]!r}.", hint=f"Known: {fields}.", field=unknown[0]
        )
    defaults = {field.name: field.default for field in _fields(type)}
    # None is what is not set, also where a field is never None.
    values = {
        name: made
        for name, value in values.items()
        if (made := plain(value, name)) is not None or defaults[name] in (None, msgspec.NODEFAULT)
    }
    try:
        return msgspec.convert(msgspec.to_builtins(type(**values)), type)
    except msgspec.ValidationError as error:
        raise bad_request(error, type) from None
    except RecursionError:
        raise _too_deep() from None
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{error}.", field="") from None


def bad_request(error: Exception, type: Any) -> BadRequest:
    """A message library's complaint about a `type` as ours, with the field it names."""
    text = str(error)
    what, _, path = text.partition(" - at `")
    if "matching regex" in what:
        what = "Expected a name: one line of text, not empty"
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if "unknown field" in what or "missing required field" in what:
        name = what.rpartition("field `")[2].rstrip("`")
        field = f"{field}.{name}" if field else name
    where = f" ({field})" if field and field not in what else ""
    return BadRequest(f"{what}{where}.", hint=_known(type, field), field=field)


def _known(type: Any, field: str) -> str:
    """The fields there are where `field` is one of: `type`'s own, or those of a part of it."""
    for name in field.split(".")[:-1]:
        inner = {f.encode_name: f.type for f in _fields(type)}.get(name)
        type = next((kind for kind in (inner, *get_args(inner)) if _fields(kind)), None)
    names = [f.encode_name for f in _fields(type)]
    return f"It takes: {', '.join(names)}." if names else ""


def _fields(type: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    is_message = isinstance(type, builtins.type) and issubclass(type, msgspec.Struct)
    return msgspec.structs.fields(type) if is_message else ()
