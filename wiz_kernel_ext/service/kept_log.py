"""The log of an ended operation as it is kept: its text once, and all else without it.

Pure. Of the pieces of text only their lengths stay, of the end all but the answer, which is the
same text again, and what was thought before it; `unpack` puts all of it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.codec import decode, encode, raw
from wiz_kernel_ext.protocol.events import Delta, End, Thinking
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.service.encoded_log import DeltaHead, EncodedEvent, ThinkingHead


class _Pieces(msgspec.Struct, frozen=True, array_like=True, tag="pieces"):
    """Deltas of consecutive numbers: how many characters of the text each has, and tokens."""

    first: int
    n_chars: list[int]
    n_tokens: list[int]


class _Whole(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """Any other event."""

    seq: int
    event: msgspec.Raw


class _TextlessEnd(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """The end, where its result or its error says the whole text again."""

    seq: int
    end: msgspec.Raw


_Item = _Pieces | _Whole | _TextlessEnd


def pack(entries: Iterable[EncodedEvent]) -> tuple[str, bytes]:
    """A log as its text and the rest; a piece of text that cannot be read is left out."""
    text: list[str] = []
    thinking: list[str] = []
    items: list[_Item] = []
    for entry in entries:
        thinking += _thoughts([entry])
        if isinstance(entry.head, DeltaHead):
            try:
                piece = decode(entry.data, Delta)
            except BadRequest:
                continue
            text.append(piece.text)
            last = items[-1] if items else None
            if not isinstance(last, _Pieces) or last.first + len(last.n_chars) != entry.seq:
                last = _Pieces(entry.seq, [], [])
                items.append(last)
            last.n_chars.append(len(piece.text))
            last.n_tokens.append(piece.n_tokens)
        elif isinstance(entry.head, End) and (
            end := _without(entry.head, "".join(text), "".join(thinking))
        ):
            items.append(_TextlessEnd(entry.seq, raw(end)))
        else:
            items.append(_Whole(entry.seq, entry.data))
    return "".join(text), encode(items)


def unpack(text: str, packed: bytes) -> list[EncodedEvent]:
    """The log that was packed; raises BadRequest where `packed` is damaged."""
    entries: list[EncodedEvent] = []
    at = 0
    for item in decode(packed, list[_Item]):
        if isinstance(item, _Whole):
            entries.append(EncodedEvent.of(item.seq, item.event))
        elif isinstance(item, _TextlessEnd):
            end = _with(decode(item.end, End), text, thinking_of(entries))
            entries.append(EncodedEvent.of(item.seq, raw(end)))
        else:
            for i, (n_chars, n_tokens) in enumerate(zip(item.n_chars, item.n_tokens, strict=True)):
                piece = Delta(text=text[at : at + n_chars], n_tokens=n_tokens)
                entries.append(EncodedEvent.of(item.first + i, raw(piece)))
                at += n_chars
    return entries


def thinking_of(entries: Iterable[EncodedEvent]) -> str:
    """What was thought in a log; a piece that cannot be read is left out."""
    return "".join(_thoughts(entries))


def _thoughts(entries: Iterable[EncodedEvent]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry.head, ThinkingHead):
            with suppress(BadRequest):
                yield decode(entry.data, Thinking).text


def answer_of(end: End) -> AnswerInfo | None:
    """The answer an operation ended with; None where it ended with something else."""
    try:
        return decode(end.result, AnswerInfo)
    except BadRequest:
        return None


def _without(end: End, text: str, thinking: str) -> End | None:
    """The end without the text that its result or its error repeats; None if none does."""
    if not text and not thinking:
        return None
    if end.error is not None:
        details = dict(end.error.details)
        if not text or details.pop("text", None) != text:
            return None
        return msgspec.structs.replace(
            end, error=msgspec.structs.replace(end.error, details=details)
        )
    answer = answer_of(end)
    if answer is None or (answer.text, answer.thinking) != (text, thinking):
        return None
    return msgspec.structs.replace(
        end, result=raw(msgspec.structs.replace(answer, text="", thinking=""))
    )


def _with(end: End, text: str, thinking: str) -> End:
    if end.error is not None:
        details = {**end.error.details, "text": text}
        return msgspec.structs.replace(
            end, error=msgspec.structs.replace(end.error, details=details)
        )
    answer = decode(end.result, AnswerInfo)
    return msgspec.structs.replace(
        end, result=raw(msgspec.structs.replace(answer, text=text, thinking=thinking))
    )
