"""A log as it is kept: the text once, everything else beside it, and the same log again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.errors import OperationInterrupted
from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import (
    AnyEvent,
    Delta,
    End,
    Notice,
    Progress,
    StateChanged,
    Thinking,
)
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.service.encoded_log import EncodedLog
from wiz_kernel_ext.service.kept_log import pack, thinking_of, unpack

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.lists(
    st.one_of(
        st.builds(Delta, text=text, n_tokens=st.integers(1, 300)),
        st.builds(Thinking, text=text, n_tokens=st.integers(1, 300)),
        st.builds(Progress, stage=st.sampled_from("ab"), done=st.floats(0, 1)),
        st.builds(Notice, text=text),
        st.just(StateChanged(state="running")),
    ),
    max_size=30,
)


def log_of(said: list[AnyEvent]) -> EncodedLog:
    log = EncodedLog()
    for event in said:
        log.append(raw(event))
    return log


def text_of(said: list[AnyEvent]) -> str:
    return "".join(event.text for event in said if isinstance(event, Delta))


def thought_in(said: list[AnyEvent]) -> str:
    return "".join(event.text for event in said if isinstance(event, Thinking))


HOW = ["answer", "other answer", "other thinking", "no thinking", "interrupted", "none"]


@given(events, st.sampled_from(HOW))
def test_a_log_comes_back_as_it_was_whatever_it_ends_with(said: list[AnyEvent], how: str) -> None:
    whole, thought = text_of(said), thought_in(said)
    error = OperationInterrupted("cut off", operation_id="op", text=whole).info()
    end = {
        "answer": End(state="done", result=raw(AnswerInfo(text=whole, thinking=thought))),
        "other answer": End(state="done", result=raw(AnswerInfo(text=whole + "!"))),
        "other thinking": End(
            state="done", result=raw(AnswerInfo(text=whole, thinking=thought + "!"))
        ),
        "no thinking": End(state="done", result=raw(AnswerInfo(text=whole))),
        "interrupted": End(state="interrupted", error=error),
        "none": End(state="done"),
    }[how]
    log = list(log_of([*said, end]))
    kept, packed = pack(log)
    assert kept == whole
    assert unpack(kept, packed) == log
    assert thinking_of(log) == thought


def test_of_a_text_nothing_is_kept_twice() -> None:
    pieces = ["once ", "upon ", "a ", "time"] * 50
    whole = "".join(pieces)
    said: list[AnyEvent] = [Delta(text=piece) for piece in pieces]
    for end in (
        End(state="done", result=raw(AnswerInfo(text=whole))),
        End(state="interrupted", error=OperationInterrupted("cut off", text=whole).info()),
    ):
        _, packed = pack(log_of([*said, end]))
        assert not any(word in packed for word in (b"once", b"upon", b"time "))


def test_of_what_was_thought_nothing_is_kept_twice() -> None:
    said: list[AnyEvent] = [Thinking(text="deep "), Thinking(text="thought"), Delta(text="Yes")]
    end = End(state="done", result=raw(AnswerInfo(text="Yes", thinking="deep thought")))
    _, packed = pack(log_of([*said, end]))
    assert (packed.count(b"deep"), packed.count(b"thought")) == (1, 1)
