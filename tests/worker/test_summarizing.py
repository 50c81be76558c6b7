"""Old turns are summed up in pieces that fit, in a model's words: here scripted ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from wiz_kernel_ext.engine.overflow import Cut
from wiz_kernel_ext.protocol.events import AnyEvent, Progress
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.cuts import Known
from wiz_kernel_ext.worker.encoding import Encoding
from wiz_kernel_ext.worker.loaded import Encoded
from wiz_kernel_ext.worker.summarizing import MAX_SUMMARY, Summary, summary_size

CONTEXT = 400


class Scripted:
    """A model of one token a character, that answers its questions one after the other."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []
        self.options: list[PromptOptions] = []
        self.events: list[AnyEvent] = []
        self.call = Call(self.events.append)

    def encode(self, messages: list[ChatMessage]) -> Encoded:
        (message,) = messages
        nothing: Any = None
        return Encoded(nothing, nothing, [ord(c) for c in message.content])

    async def ask(self, encoded: Encoded, options: PromptOptions) -> AnswerInfo | None:
        self.questions.append("".join(map(chr, encoded.tokens)))
        self.options.append(options)
        text = self.answers.pop(0) if self.answers else "more"
        return None if text is None else AnswerInfo(text=text)

    async def of(
        self,
        messages: list[ChatMessage],
        before: Known | None = None,
        context_size: int = CONTEXT,
        encoding: Encoding | None = None,
    ) -> str | None:
        summary = Summary(self.encode, self.ask, context_size)
        cut = Cut(0, len(messages))
        return await summary.of(cut, messages, before, encoding or Encoding(), self.call)


@pytest.fixture
def encoding() -> Iterator[Encoding]:
    encoding = Encoding()
    yield encoding
    encoding.close()


def said(*texts: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text) for text in texts]


async def test_one_piece_is_one_question_greedy_and_bounded(encoding: Encoding) -> None:
    model = Scripted("  Ana\nis 31. ")
    assert await model.of(said("I am Ana.", "I am 31."), encoding=encoding) == "Ana is 31."
    assert model.questions[0].startswith("user: I am Ana.\nuser: I am 31.\n\n")
    assert model.options == [PromptOptions(temperature=0.0, max_tokens=summary_size(CONTEXT))]


async def test_every_piece_fits_carries_the_summary_on_and_nothing_is_lost(
    encoding: Encoding,
) -> None:
    words = [f"word{i}" for i in range(300)]
    model = Scripted("first", "second")
    assert await model.of(said(" ".join(words)), encoding=encoding) == "more"
    assert all(len(q) < CONTEXT - summary_size(CONTEXT) for q in model.questions)
    assert "summed up:\nfirst\n\n" in model.questions[1]
    assert "summed up:\nsecond\n\n" in model.questions[2]
    asked = [word for q in model.questions for word in q.split() if word.startswith("word")]
    assert [word for word in asked if word[4:].isdigit()] == words
    steps = [event for event in model.events if isinstance(event, Progress)]
    assert {step.stage for step in steps} == {"summary"}
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert len(steps) == len(model.questions)


async def test_only_what_is_new_is_added_to_a_summary(encoding: Encoding) -> None:
    model = Scripted("all of it")
    before = Known(Cut(0, 2), n_tokens=1, n_whole=2, summary="Ana, 31")
    assert await model.of(said("one", "two", "three"), before, encoding=encoding) == "all of it"
    (question,) = model.questions
    assert "summed up:\nAna, 31\n\nuser: three\n\n" in question


async def test_a_cut_without_a_summary_is_summed_up_from_its_beginning(
    encoding: Encoding,
) -> None:
    model = Scripted("s")
    before = Known(Cut(0, 2), n_tokens=1, n_whole=2)
    await model.of(said("one", "two", "three"), before, encoding=encoding)
    assert model.questions[0].startswith("user: one\n")


async def test_a_model_that_says_nothing_changes_nothing(encoding: Encoding) -> None:
    model = Scripted("", " \n")
    assert await model.of(said("one"), encoding=encoding) == ""
    before = Known(Cut(0, 1), n_tokens=1, n_whole=2, summary="s")
    assert await model.of(said("one", "two"), before, encoding=encoding) == "s"


async def test_a_context_too_small_to_ask_in_is_not_asked(encoding: Encoding) -> None:
    model = Scripted()
    assert await model.of(said("one " * 100), context_size=64, encoding=encoding) == ""
    assert not model.questions


async def test_a_cancel_while_it_is_asked_ends_it(encoding: Encoding) -> None:
    model = Scripted("first", None)
    assert await model.of(said("word " * 300), encoding=encoding) is None
    assert len(model.questions) == 2


def test_a_summary_is_an_eighth_of_a_small_context_and_bounded_in_a_large_one() -> None:
    assert [summary_size(n) for n in (8, 1024, 1 << 20)] == [1, 128, MAX_SUMMARY]
