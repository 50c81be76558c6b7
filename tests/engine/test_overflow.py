"""Which turns go where a conversation does not fit: whole ones, found with few looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.engine.overflow import (
    DEFAULT_ANSWER,
    HEAD,
    KEEP,
    Cut,
    old_turns,
    plan_cut,
    room_for,
)
from wiz_kernel_ext.protocol.messages import ChatMessage, Role

ROLES: tuple[Role, ...] = ("user", "assistant", "tool", "system")


def message(role: Role, n_chars: int = 10) -> ChatMessage:
    return ChatMessage(role=role, content="x" * n_chars)


def n_tokens(messages: Sequence[ChatMessage]) -> int:
    """A template of three tokens a message, and one at the end; a token is four characters."""
    return 1 + sum(3 + math.ceil(len(m.content) / 4) for m in messages)


class Counter:
    """Counts a cut's prompt and how often it was asked."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self.messages = messages
        self.n_asked = 0

    def __call__(self, cut: Cut) -> int:
        self.n_asked += 1
        return n_tokens(cut.kept(self.messages))


conversations = st.tuples(
    st.lists(
        st.builds(message, st.sampled_from(ROLES), st.integers(0, 200)), min_size=1, max_size=60
    ),
    st.integers(0, 200),
).map(lambda both: [*both[0], message("user", both[1])])


@given(conversations, st.integers(8, 600), st.booleans())
def test_whatever_is_planned_fits_is_whole_turns_and_keeps_what_must_stay(
    messages: list[ChatMessage], room: int, is_middle: bool
) -> None:
    n_all = n_tokens(messages)
    if n_all <= room:
        return
    count = Counter(messages)
    goals = [int(KEEP * room), room]
    cut = plan_cut(messages, n_all, goals, count, n_head=int(HEAD * room) if is_middle else 0)
    turns = old_turns(messages)
    alone = [m for i, m in enumerate(messages) if m.role == "system" or i >= _last_turn(messages)]
    if cut is None:
        assert n_tokens(alone) > room or not turns
        return
    assert n_tokens(cut.kept(messages)) <= room
    assert {cut.start} <= {turn.start for turn in turns}
    assert {cut.end} <= {turn.stop for turn in turns}
    kept = cut.kept(messages)
    assert [m for m in kept if m.role == "system"] == [m for m in messages if m.role == "system"]
    assert kept[-len(messages) + _last_turn(messages) :] == messages[_last_turn(messages) :]
    after = [m.role for m in messages[cut.end :] if m.role != "system"]
    assert after[0] == "user"
    n_turns = len(turns)
    heads = math.log2(n_turns + 1) + 2 if is_middle else 1
    assert count.n_asked <= heads + 4 + math.log2(n_turns + 1)


def _last_turn(messages: Sequence[ChatMessage]) -> int:
    return max(i for i, m in enumerate(messages) if m.role == "user")


@given(conversations)
def test_turns_are_questions_with_all_that_follows_and_cover_all_but_the_last(
    messages: list[ChatMessage],
) -> None:
    turns = old_turns(messages)
    places = [i for turn in turns for i in turn]
    first = next(i for i, m in enumerate(messages) if m.role != "system")
    assert places == list(range(first, _last_turn(messages)))
    for turn in turns:
        assert [messages[i].role for i in turn].count("user") <= 1
        assert turn.start == first or messages[turn.start].role == "user"


def equal_turns(n: int) -> list[ChatMessage]:
    """A system prompt, `n` turns of 20 tokens (7 and 13) and a question of 7."""
    turn = [message("user", 16), message("assistant", 40)]
    return [message("system", 16), *turn * n, message("user", 16)]


def test_dropping_takes_the_oldest_and_more_than_must_go() -> None:
    messages = equal_turns(50)
    cut = plan_cut(messages, n_tokens(messages), [300, 400], Counter(messages))
    assert cut is not None
    assert cut.start == 1
    assert 240 <= n_tokens(cut.kept(messages)) <= 300


def test_the_middle_goes_where_the_beginning_is_to_stay() -> None:
    messages = equal_turns(50)
    cut = plan_cut(messages, n_tokens(messages), [300, 400], Counter(messages), n_head=100)
    assert cut is not None
    kept_before = n_tokens(messages[1 : cut.start])
    assert 60 <= kept_before <= 101
    assert cut.end < len(messages) - 1


def test_a_beginning_too_long_to_stay_goes_too() -> None:
    long = [message("user", 4000), message("assistant")]
    messages = [message("system"), *long, *equal_turns(5)[1:]]
    cut = plan_cut(messages, n_tokens(messages), [75, 100], Counter(messages), n_head=25)
    assert cut is not None
    assert cut.start == 1
    assert n_tokens(cut.kept(messages)) <= 100


def test_a_goal_nothing_meets_gives_way_to_the_next() -> None:
    messages = [*equal_turns(4)[:-1], message("user", 280)]
    alone = n_tokens([messages[0], messages[-1]])
    cut = plan_cut(messages, n_tokens(messages), [alone - 1, alone + 25], Counter(messages))
    assert cut == Cut(1, 7)
    assert plan_cut(messages, n_tokens(messages), [alone - 1], Counter(messages)) is None


def test_what_tools_said_goes_and_stays_with_its_question() -> None:
    messages = [
        message("user", 400),
        message("assistant"),
        message("tool", 400),
        message("assistant"),
        message("user"),
        message("assistant"),
        message("tool"),
    ]
    cut = plan_cut(messages, n_tokens(messages), [100], Counter(messages))
    assert cut is not None
    assert cut.left_out(messages) == [0, 1, 2, 3]
    assert [m.role for m in cut.kept(messages)] == ["user", "assistant", "tool"]


def test_system_messages_between_turns_stay() -> None:
    messages = [message("user"), message("system"), message("assistant"), message("user")]
    cut = Cut(0, 3)
    assert cut.left_out(messages) == [0, 2]
    assert [m.role for m in cut.kept(messages)] == ["system", "user"]


def test_a_conversation_of_a_thousand_turns_takes_a_handful_of_looks() -> None:
    messages = equal_turns(1000)
    count = Counter(messages)
    assert plan_cut(messages, n_tokens(messages), [3000, 4000], count) is not None
    assert count.n_asked <= 4


@pytest.mark.parametrize(
    ("context_size", "max_tokens", "room"),
    [
        (4096, 100, 3996),
        (4096, None, 3072),
        (100_000, None, 100_000 - DEFAULT_ANSWER),
        (512, 10_000, 256),
        (8, 1, 7),
    ],
)
def test_the_room_leaves_an_answer_what_it_may_have(
    context_size: int, max_tokens: int | None, room: int
) -> None:
    assert room_for(context_size, max_tokens) == room
