"""What was left out before is found again, by what the conversation says."""

from __future__ import annotations

from wiz_kernel_ext.engine.overflow import Cut
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.worker.cuts import MAX_CUTS, Cuts, Known


def told(n_turns: int, first: str = "q0") -> list[ChatMessage]:
    """So many turns, and a last question."""
    messages: list[ChatMessage] = []
    for i in range(n_turns):
        question = first if i == 0 else f"q{i}"
        messages += [
            ChatMessage(role="user", content=question),
            ChatMessage(role="assistant", content=f"a{i}"),
        ]
    return [*messages, ChatMessage(role="user", content="last")]


KNOWN = Known(Cut(0, 4), n_tokens=10, n_whole=20, summary="s")


def test_a_conversation_that_went_on_finds_its_cut_and_another_does_not() -> None:
    cuts = Cuts()
    cuts.keep("drop", told(5), KNOWN)
    assert cuts.find("drop", told(5)) == KNOWN
    assert cuts.find("drop", told(9)) == KNOWN
    assert cuts.find("middle", told(9)) is None
    assert cuts.find("drop", told(9, first="other")) is None
    # Here what was cut is not all of older turns: it ends in the last one.
    assert cuts.find("drop", told(1)) is None


def test_the_later_of_two_cuts_counts() -> None:
    cuts = Cuts()
    later = Known(Cut(0, 6), n_tokens=15, n_whole=30)
    cuts.keep("drop", told(5), later)
    cuts.keep("drop", told(5), KNOWN)
    assert cuts.find("drop", told(9)) == later


def test_no_text_passes_for_another_cut_otherwise() -> None:
    cuts = Cuts()
    one = [
        ChatMessage(role="user", content="a\nassistant 1 b"),
        ChatMessage(role="user", content="last"),
    ]
    cuts.keep("drop", one, Known(Cut(0, 1), n_tokens=1, n_whole=2))
    other = [
        ChatMessage(role="user", content="a"),
        ChatMessage(role="assistant", content="b"),
        ChatMessage(role="user", content="last"),
    ]
    assert cuts.find("drop", other) is None


def test_the_oldest_are_forgotten() -> None:
    cuts = Cuts()
    for i in range(MAX_CUTS + 1):
        cuts.keep("drop", told(5, first=f"first {i}"), KNOWN)
    assert cuts.find("drop", told(5, first="first 0")) is None
    assert cuts.find("drop", told(5, first="first 1")) == KNOWN
