"""A log as it is kept: the text once, everything else beside it, and the same log again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.errors import OperationInterrupted
from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, End, Notice, Progress, StateChanged
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.service.encoded_log import EncodedLog
from wiz_kernel_ext.service.kept_log import pack, unpack

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.lists(
    st.one_of(
        st.builds(Delta, text=text, n_tokens=st.integers(1, 300)),
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


@given(events, st.sampled_from(["answer", "other answer", "interrupted", "none"]))
def test_a_log_comes_back_as_it_was_whatever_it_ends_with(said: list[AnyEvent], how: str) -> None:
    whole = text_of(said)
    error = OperationInterrupted("cut off", operation_id="op", text=whole).info()
    end = {
        "answer": End(state="done", result=raw(AnswerInfo(text=whole))),
        "other answer": End(state="done", result=raw(AnswerInfo(text=whole + "!"))),
        "interrupted": End(state="interrupted", error=error),
        "none": End(state="done"),
    }[how]
    log = list(log_of([*said, end]))
    kept, packed = pack(log)
    assert kept == whole
    assert unpack(kept, packed) == log


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
