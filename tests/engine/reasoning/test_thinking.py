"""Thinking in the engine: told apart from the answer, bounded, and out of its way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.fake_backend import FakeClock, FakeContext
from tests.engine.reasoning.test_prompt import FIRST, MARKS, MarkedModel
from tests.engine.reasoning.transcripts import TEMPLATES
from tests.engine.test_engine import Prompted
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.chat.turns import Turns
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.reasoning.thinking import UNANSWERED
from wiz_kernel_ext.engine.runaway import REPEATS
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.protocol.events import Delta, Notice, Progress, Thinking
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions

END = 257


class ScriptedContext(FakeContext):
    """Says `script`, and goes on where what was forced took its place.

    What it says next is what is left of the script behind the mark the text so far ends with.
    """

    def __init__(self, script: list[int], after: dict[int, list[int]], n_prompt: int) -> None:
        super().__init__(1000, clock=FakeClock())
        self.script, self.after, self.n_prompt = script, after, n_prompt

    def sample(self, sampler: Any, row: int) -> int:
        said = self._known[row][self.n_prompt :]
        if said == self.script[: len(said)]:
            return [*self.script, END][len(said)]
        at = max(i for i, token in enumerate(said) if token in self.after)
        return [*self.after[said[at]], END][len(said) - at - 1]


def tokens(text: str) -> list[int]:
    return MarkedModel().tokenize(text, parse_special=True)


def answered(
    template: str,
    text: str,
    *,
    then: str = "",
    think: Any = None,
    turns: Turns = Turns(),  # noqa: B008 - frozen
    prompt: str = "A",
    **options: Any,
) -> Prompted:
    """What is heard of a prompt whose model says `text`, and `then` behind a forced end of it."""
    encoder = ChatEncoder(MarkedModel(chat_template=TEMPLATES[template]))
    asked = encoder.prompt(
        [ChatMessage(role="user", content=prompt)],
        think=think,
        allow_repeats=bool(options.get("allow_repeats")),
    )
    shut = asked.reasoning.shut if asked.reasoning else (0,)
    after = {shut[-1]: tokens(then)}
    context = ScriptedContext(tokens(text), after, len(asked.tokens))
    engine = Engine(
        MarkedModel(),
        context,
        context_size=600,
        slots=2,
        sequence_ids=4,
        batch_size=64,
        seed=None,
        clock=context.clock or FakeClock(),
    )
    prompted = Prompted()
    listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
    prompted.sequence = engine.submit(
        asked.tokens,
        PromptOptions(think=think, **options),
        listener,
        turns,
        reasoning=asked.reasoning,
    )
    while engine.is_busy:
        engine.step()
    assert context.n_samplers == 0
    return prompted


def thought(prompted: Prompted) -> str:
    return "".join(e.text for e in prompted.events if isinstance(e, Thinking))


def notices(prompted: Prompted) -> list[str]:
    return [e.text for e in prompted.events if isinstance(e, Notice)]


@pytest.mark.parametrize("template", ["qwen3", "magistral"])
def test_thinking_goes_out_as_thinking_and_the_answer_after_it(template: str) -> None:
    marks = {"qwen3": ("<think>\n", "\n</think>\n\n"), "magistral": ("[THINK]", "[/THINK]")}
    before, behind = marks[template]
    prompted = answered(template, f"{before}Let me see. {behind}It is four.")
    assert prompted.info.thinking == thought(prompted) == "Let me see."
    assert prompted.info.text == prompted.deltas == "It is four."
    assert prompted.info.usage.n_thinking_tokens >= len("Let me see.")
    kinds = [type(e) for e in prompted.events if not isinstance(e, Progress)]
    assert kinds.index(Delta) > max(i for i, kind in enumerate(kinds) if kind is Thinking)
    n_told = sum(e.n_tokens for e in prompted.events if isinstance(e, Thinking))
    assert prompted.info.usage.n_thinking_tokens == n_told
    assert notices(prompted) == []


def test_a_budget_closes_the_thinking_and_the_answer_follows() -> None:
    prompted = answered("deepseek-r1", "abcdefghij" * 5, then="It is four.", think=12)
    assert prompted.info.thinking == "abcdefghijab"
    assert prompted.info.text == "It is four."
    assert prompted.info.finish_reason == "stop"
    assert prompted.info.usage.n_thinking_tokens == 12
    assert prompted.info.usage.n_forced_tokens == len(tokens("\n</think>\n\n"))


def test_thinking_that_ends_before_its_budget_is_left_alone() -> None:
    prompted = answered("deepseek-r1", "abc</think>It is four.", think=12)
    assert (prompted.info.thinking, prompted.info.text) == ("abc", "It is four.")
    assert prompted.info.usage.n_forced_tokens == 0


def test_a_budget_closes_channels_with_all_that_stands_between_them() -> None:
    prompted = answered("gpt-oss", "abcdefghij", then="Four.", think=5)
    assert (prompted.info.thinking, prompted.info.text) == ("abcde", "Four.")


def test_thinking_that_repeats_itself_is_closed_and_that_is_said() -> None:
    line = "I go on.\n"
    prompted = answered("deepseek-r1", line * 30, then="Four.")
    assert prompted.info.thinking == line * REPEATS + "I"
    assert prompted.info.text == "Four."
    assert notices(prompted) == ["The thinking was closed: it said the same 10 times in a row."]
    repeats = answered("deepseek-r1", line * 30 + "</think>Four.", allow_repeats=True)
    assert repeats.info.thinking == (line * 30).rstrip()


def test_without_thinking_all_is_the_answer() -> None:
    prompted = answered("deepseek-r1", "It is four.", think=False)
    assert (prompted.info.thinking, prompted.info.text) == ("", "It is four.")
    assert prompted.info.usage.n_thinking_tokens == 0


def test_stop_strings_and_the_ends_of_turns_are_the_answers() -> None:
    text = "First STOP here.</think>Then STOP there."
    prompted = answered("deepseek-r1", text, stop=["STOP"], turns=Turns(stop=("First",)))
    assert prompted.info.thinking == "First STOP here."
    assert prompted.info.text == "Then "
    assert prompted.info.finish_reason == "stop"


def test_max_tokens_bounds_both_together() -> None:
    prompted = answered("deepseek-r1", "abc</think>defghi", max_tokens=6)
    assert (prompted.info.thinking, prompted.info.text) == ("abc", "de")
    assert prompted.info.finish_reason == "length"
    cut = answered("deepseek-r1", "abcdefghi", max_tokens=6)
    assert (cut.info.thinking, cut.info.text) == ("abcdef", "")
    assert notices(cut) == [UNANSWERED]


def test_what_ends_a_turn_elsewhere_ends_only_the_thinking_in_channels() -> None:
    end = FIRST + MARKS.index("<|end|>")
    head, final = "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"
    prompted = answered(
        "gpt-oss",
        f"{head}See.<|end|>{final}Four.<|end|>never read",
        turns=Turns(tokens=frozenset({end})),
    )
    assert (prompted.info.thinking, prompted.info.text) == ("See.", "Four.")
    assert prompted.info.finish_reason == "stop"


def test_a_mark_that_prints_nothing_stays_out_of_the_answer() -> None:
    prompted = answered("magistral", "[THINK]a[/THINK]b[/THINK]c[THINK]d")
    assert (prompted.info.thinking, prompted.info.text) == ("a", "bcd")


def test_a_sequence_says_whether_it_is_still_thinking() -> None:
    assert not answered("deepseek-r1", "abc</think>def").sequence.is_thinking
    assert answered("deepseek-r1", "abc", max_tokens=2).sequence.is_thinking
    assert not answered("qwen3", "abc").sequence.is_thinking


def test_a_turn_that_ends_within_the_thinking_goes_on_with_the_answer() -> None:
    prompted = answered("qwen3", "<think>\nhm", then="Yes.")
    assert (thought(prompted), prompted.info.text) == ("hm", "Yes.")
    assert prompted.info.finish_reason == "stop"
    silent = answered("qwen3", "<think>\nhm", then="")
    assert (silent.info.text, silent.info.finish_reason) == ("", "stop")
