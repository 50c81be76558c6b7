"""Where an answer of a chat model is over: what its template writes behind it, found by asking it.

A template is rendered with words nobody uses; what stands behind the assistant's is the end of its
turn, and what comes then is the beginning of the user's. Where the vocabulary has no token for
these, a model writes them as text, and then goes on for both. Pure; called by `encoder.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.errors import BadRequest

_LEAST_CHARS = 4
"""A shorter text between turns is no marker: it may stand in any answer."""


@dataclass(frozen=True)
class Turns:
    """What ends an answer: `stop` strings and `tokens`; `markers` are what should never come.

    The vocabulary has tokens for `markers`: as text, and again and again, they are a runaway's.
    """

    stop: tuple[str, ...] = ()
    tokens: frozenset[int] = frozenset()
    markers: tuple[str, ...] = ()


NO_TURNS = Turns()


def find_turns(model: Model, render: Callable[[list[dict[str, str]]], str], bos: str) -> Turns:
    """The turns of a template; `render` raises BadRequest for what it cannot write."""
    words = {"first": "wizfirstquestion", "answer": "wizonlyanswer", "then": "wizsecondquestion"}
    asked = [
        {"role": "user", "content": words["first"]},
        {"role": "assistant", "content": words["answer"]},
    ]
    try:
        ended = render(asked)
        went_on = render([*asked, {"role": "user", "content": words["then"]}])
    except BadRequest:  # it has other demands: nothing is known then
        return NO_TURNS
    if words["answer"] not in ended or words["then"] not in went_on:
        return NO_TURNS
    end = ended.rpartition(words["answer"])[2]
    between = went_on.rpartition(words["answer"])[2].partition(words["then"])[0]
    begin = between.removeprefix(end) if between.startswith(end) else ""
    stop: list[str] = []
    tokens: set[int] = set()
    markers: list[str] = []
    for text in (end.strip(), begin.strip().removeprefix(bos)):
        if not text:
            continue
        token = _control_token(model, text)
        if token is None:
            stop.append(text if _is_mark(text[0]) else f"\n{text}")
        elif text == end.strip():
            tokens.add(token)
        if token is not None:
            markers.append(text)
    long = [text for text in stop if len(text.strip()) >= _LEAST_CHARS]
    return Turns(tuple(long), frozenset(tokens), tuple(markers))


def _control_token(model: Model, text: str) -> int | None:
    """The control token that `text` begins with, None if it begins with text."""
    first = next(iter(model.tokenize(text, parse_special=True)), None)
    return first if first is not None and not model.piece(first) else None


def _is_mark(character: str) -> bool:
    """Whether a marker begins with what words and headings do not begin with."""
    return not (character.isalnum() or character == "#")
