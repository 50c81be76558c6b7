"""Conversations too long for their context, on the demo model: what is left out is what is said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from wiz_kernel_ext.engine.overflow import Cut, old_turns, room_for
from wiz_kernel_ext.errors import BadRequest, ConstraintRefused, ContextOverflow
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt
from wiz_kernel_ext.protocol.results import AnswerInfo, LeftOut, Overflow
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.fitting import SUMMARY_TITLE, completed, notice, with_summary
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

CONTEXT = 256
N_CONVERSATIONS: dict[str, int] = {"summarize": 50}
"""How many are tried, where it is not 200: to sum up takes its time."""
AT_ONCE = 16
WORDS = (
    "the cat sat on a mat and then went away to find food in Paris with Ana, who is 31; "
    "def f(x): return x ** 2 # \u00e9t\u00e9 <|im_end|> \u65e5\u672c\n - list"
).split(" ")
QUESTION = "What is my name?"


@pytest.fixture
async def demo() -> AsyncIterator[LlamaWorker]:
    """The demo model in a small context."""
    worker = await LlamaWorker.create()
    await worker.load_model("demo")
    await worker.create_context(context_size=CONTEXT)
    yield worker
    await worker.close()


def conversation(rng: random.Random) -> list[ChatMessage]:
    """A system prompt or none, and turns of a question, perhaps tools' results, and an answer."""
    messages: list[ChatMessage] = []

    def say(role: Any, most: int) -> None:
        words = rng.choices(WORDS, k=rng.randrange(most))
        messages.append(ChatMessage(role=role, content=" ".join(words)))

    if rng.random() < 0.7:
        say("system", 10)
    for _ in range(rng.randrange(8, 14)):
        say("user", 24)
        while rng.random() < 0.2:
            say("assistant", 5)
            say("tool", 20)
        if rng.random() < 0.95:
            say("assistant", 12)
    return messages


def seen(messages: list[ChatMessage], left_out: LeftOut | None) -> list[ChatMessage]:
    """What the model was to read, from what is said of it."""
    if left_out is None:
        return messages
    kept = [m for i, m in enumerate(messages) if i not in left_out.messages]
    return with_summary(kept, left_out.summary, as_system=True) if left_out.summary else kept


@pytest.mark.parametrize("policy", ["refuse", "drop", "middle", "summarize"])
async def test_long_conversations_are_answered_and_what_is_left_out_is_exact(
    demo: LlamaWorker, policy: Overflow
) -> None:
    rng = random.Random(4)
    outcomes: list[str] = []

    async def ask(messages: list[ChatMessage]) -> None:
        whole = [*messages, ChatMessage(role="user", content=QUESTION)]
        n_whole = await demo.count(whole)
        try:
            answer = await demo.prompt(QUESTION, messages=messages, overflow=policy, max_tokens=1)
        except ContextOverflow as error:
            assert policy == "refuse"
            assert error.details["n_prompt_tokens"] == n_whole >= CONTEXT
            outcomes.append("refused")
            return
        left_out = answer.left_out
        assert answer.usage.n_prompt_tokens == await demo.count(seen(whole, left_out))
        assert answer.usage.n_prompt_tokens < CONTEXT
        if left_out is None:
            assert n_whole < CONTEXT
            outcomes.append("whole")
            return
        assert left_out.policy == policy
        n_kept = await demo.count([m for i, m in enumerate(whole) if i not in left_out.messages])
        assert left_out.n_tokens == n_whole - n_kept > 0
        assert len(whole) - 1 not in left_out.messages
        cut = Cut(left_out.messages[0], left_out.messages[-1] + 1)
        assert cut.left_out(whole) == left_out.messages
        assert {cut.start, cut.end} <= {i for t in old_turns(whole) for i in (t.start, t.stop)}
        outcomes.append("summed up" if left_out.summary else "cut")

    n = N_CONVERSATIONS.get(policy, 200)
    conversations = [conversation(rng) for _ in range(n)]
    for i in range(0, n, AT_ONCE):
        await asyncio.gather(*(ask(one) for one in conversations[i : i + AT_ONCE]))
    expected = {"refuse": "refused", "summarize": "summed up"}.get(policy, "cut")
    assert outcomes.count(expected) > 0.8 * n
    assert set(outcomes) <= {"whole", expected, "cut"}
    assert "cut" not in outcomes or policy != "refuse"


def turns(n: int) -> list[ChatMessage]:
    """A conversation of `n` turns, each its own."""
    told = [ChatMessage(role="system", content="Be brief.")]
    for i in range(n):
        told += [
            ChatMessage(role="user", content=f"Tell me about number {i} and its friends."),
            ChatMessage(role="assistant", content=f"Number {i} is a fine number."),
        ]
    return told


async def heard(worker: LlamaWorker, messages: list[ChatMessage], **fields: Any) -> Any:
    """The events and the answer of a prompt."""
    events: list[AnyEvent] = []
    options = PromptOptions(max_tokens=fields.pop("max_tokens", 4), temperature=0.0)
    request = Prompt(prompt=QUESTION, messages=messages, options=options, **fields)
    return events, await worker.handle(request, Call(events.append))


@pytest.mark.parametrize("policy", ["drop", "middle", "summarize"])
async def test_the_next_questions_share_the_beginning_until_the_room_is_full_again(
    demo: LlamaWorker, policy: Overflow
) -> None:
    cuts, cached = [], []
    for n in range(30, 50):
        events, info = await heard(demo, turns(n), overflow=policy)
        cuts.append((info.left_out.messages[-1], info.left_out.summary))
        cached.append(info.usage.n_cached_tokens / info.usage.n_prompt_tokens)
        asked = any(isinstance(event, Progress) and event.stage == "summary" for event in events)
        assert asked == (policy == "summarize" and cuts[-1] not in cuts[:-1])
    assert 3 <= len(set(cuts)) <= 12
    stayed = [share for share, a, b in zip(cached[1:], cuts, cuts[1:], strict=False) if a == b]
    assert stayed
    assert min(stayed) > 0.6


async def test_it_is_told_before_the_first_token(demo: LlamaWorker) -> None:
    events, info = await heard(demo, turns(40), overflow="drop")
    told = [event for event in events if isinstance(event, Notice)]
    assert [one.text for one in told] == [notice(info.left_out)]
    assert events.index(told[0]) < next(i for i, e in enumerate(events) if isinstance(e, Delta))


async def test_an_answers_room_is_kept_free(demo: LlamaWorker) -> None:
    for max_tokens in (1, 100, None):
        _, info = await heard(demo, turns(41), overflow="drop", max_tokens=max_tokens)
        assert info.usage.n_prompt_tokens <= room_for(CONTEXT, max_tokens)


async def test_a_conversation_that_fits_is_read_whole_under_every_policy(
    demo: LlamaWorker,
) -> None:
    for policy in ("drop", "middle", "summarize"):
        events, info = await heard(demo, turns(3), overflow=policy)
        assert info.left_out is None
        assert not [event for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("policy", ["drop", "middle", "summarize"])
async def test_the_last_question_alone_too_long_is_refused_under_every_policy(
    demo: LlamaWorker, policy: Overflow
) -> None:
    with pytest.raises(ContextOverflow, match="alone do not fit") as caught:
        await demo.prompt("word " * 400, messages=turns(4), overflow=policy)
    assert "overflow" not in (caught.value.hint or "")


async def test_to_refuse_names_the_ways_out(demo: LlamaWorker) -> None:
    with pytest.raises(ContextOverflow) as caught:
        await demo.prompt(QUESTION, messages=turns(40))
    assert "overflow='drop'" in caught.value.hint


async def test_a_cancel_during_the_summary_ends_the_prompt_at_once(demo: LlamaWorker) -> None:
    call: Call

    def on_event(event: AnyEvent) -> None:
        if isinstance(event, Progress) and event.stage == "summary" and event.done:
            call.cancel()

    call = Call(on_event)
    request = Prompt(prompt=QUESTION, messages=turns(60)[3:], overflow="summarize")
    info = await demo.handle(request, call)
    assert call.cancelled
    assert (info.text, info.finish_reason, info.left_out) == ("", "cancelled", None)


async def test_a_summary_goes_on_from_the_one_before(demo: LlamaWorker) -> None:
    told = [ChatMessage(role="system", content="Another one."), *turns(60)[1:]]
    lengths = []
    for n in (61, 101):
        events, _ = await heard(demo, told[:n], overflow="summarize")
        lengths.append(max(e.total or 0 for e in events if isinstance(e, Progress) and e.total))
    assert lengths[1] < 2 * lengths[0] * 40 / 60
    again = [ChatMessage(role="system", content="A third one."), *turns(60)[1:]]
    events, _ = await heard(demo, again[:101], overflow="summarize")
    assert lengths[1] < max(e.total or 0 for e in events if isinstance(e, Progress) and e.total)


async def test_a_session_here_keeps_all_and_is_read_in_part(demo: LlamaWorker) -> None:
    await demo.initialize_session(session="long", system_prompt="Be brief.")
    n_left_out = []
    for i in range(30):
        text = f"Tell me about number {i} and its good friends."
        answer = await demo.prompt(text, session="long", overflow="drop", max_tokens=8)
        n_left_out.append(len(answer.left_out.messages) if answer.left_out else 0)
    assert n_left_out == sorted(n_left_out)
    assert n_left_out[0] == 0 < n_left_out[-1]
    with pytest.raises(ContextOverflow) as caught:
        await demo.prompt(QUESTION, session="long")
    assert caught.value.details["n_prompt_tokens"] > CONTEXT


@pytest.mark.parametrize(
    ("template", "as_system"),
    [
        ("{% for m in messages %}{% if m.role != 'system' %}[{{ m.content }}]{% endif %}"
         "{% endfor %}", False),
        ("chatml", True),
    ],
)  # fmt: skip
async def test_a_summary_stands_where_the_template_reads_it(
    demo: LlamaWorker, template: str, as_system: bool
) -> None:
    call = {"overflow": "summarize", "chat_template": template, "max_tokens": 4}
    answer = await demo.prompt(QUESTION, messages=turns(40), **call)
    assert answer.left_out is not None
    assert answer.left_out.summary
    shown = await demo.show(QUESTION, messages=turns(40), **call)
    assert shown.left_out == answer.left_out
    assert shown.n_tokens == answer.usage.n_prompt_tokens
    title = f"{SUMMARY_TITLE} {answer.left_out.summary}"
    assert f"Be brief.\n\n{title}" in shown.text if as_system else f"[{title}\n\n" in shown.text


async def test_raw_text_has_no_turns_to_leave_out(demo: LlamaWorker) -> None:
    raw = {"chat_template": "raw", "overflow": "drop", "max_tokens": 2}
    answer = await demo.prompt("Once", messages=turns(40), **raw)
    assert answer.left_out is None
    with pytest.raises(ContextOverflow):
        await demo.prompt("word " * 400, messages=turns(40), **raw)


async def test_an_answer_begins_with_its_prefill_in_text_and_events(demo: LlamaWorker) -> None:
    events, info = await heard(demo, [], prefill="My name </s> is ", max_tokens=8)
    assert info.text.startswith("My name </s> is ")
    assert "".join(e.text for e in events if isinstance(e, Delta)) == info.text
    assert not info.text.startswith("My name </s> is  ")
    assert info.usage.n_tokens <= 8
    shown = await demo.show(QUESTION, messages=[], prefill="My name </s> is ")
    assert f"{shown.text}{shown.begun}".endswith("assistant\nMy name </s> is ")
    assert shown.n_tokens == info.usage.n_prompt_tokens


async def test_half_a_word_goes_on_in_the_answer(demo: LlamaWorker) -> None:
    asked: dict[str, Any] = {"messages": [], "temperature": 0.0, "max_tokens": 60}
    question = "What is the capital of France?"
    whole = await demo.prompt(question, **asked)
    assert whole.endswith(" Paris.")
    for cut in range(1, len(whole)):
        assert await demo.prompt(question, prefill=whole[:cut], **asked) == whole


async def test_an_answer_of_a_shape_has_it_with_its_prefill(demo: LlamaWorker) -> None:
    city = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 9}},
        "required": ["city"],
        "additionalProperties": False,
    }
    for prefill in ('{"city": "Par', '{"city": '):
        answer = await demo.prompt("Where?", messages=[], prefill=prefill, schema=city)
        assert answer.startswith(prefill)
        assert isinstance(answer.value["city"], str)
    several = await demo.prompt("Go?", messages=[], prefill="n", choices=["north", "no"], n=3)
    assert {one.text for one in several.alternatives} <= {"north", "no"}
    assert len(several.alternatives) == 3
    with pytest.raises(ConstraintRefused, match="begins with 'x'"):
        await demo.prompt("Go?", messages=[], prefill="x", choices=["north", "no"])


async def test_a_session_keeps_the_whole_answer_with_its_prefill(demo: LlamaWorker) -> None:
    await demo.initialize_session(session="begun")
    answer = await demo.prompt(QUESTION, session="begun", prefill="Well", max_tokens=4)
    assert (await demo.show("x", session="begun")).text.count(f"assistant\n{answer}") == 1


async def test_a_gap_is_refused_where_the_vocabulary_has_no_tokens_for_it(
    demo: LlamaWorker,
) -> None:
    with pytest.raises(BadRequest, match="fill-in-the-middle"):
        await demo.prompt("def f(", messages=[], suffix="return 1")


def test_what_an_answer_is_completed_with() -> None:
    class Given:
        prefill, left_out = "So ", LeftOut(policy="drop", messages=[1, 2], n_tokens=1234)

    info = completed(AnswerInfo(text="it is."), Given())  # type: ignore[arg-type]
    assert (info.text, info.left_out) == ("So it is.", Given.left_out)
    assert notice(Given.left_out) == "left out: 2 messages (1,234 tokens), the oldest"
