"""The families' templates, and where an answer of each of them is over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.fake_backend import END, FakeModel
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.chat.formats import FORMATS
from wiz_kernel_ext.engine.chat.template import ChatTemplate
from wiz_kernel_ext.engine.chat.turns import Turns
from wiz_kernel_ext.engine.runaway import REPEATS, Runaway
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.chat_templates import RAW, TEMPLATE_NAMES
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions

TALK = [("system", "RULES"), ("user", "ASKED"), ("assistant", "SAID"), ("user", "THEN")]


def messages(talk: list[tuple[str, str]]) -> list[ChatMessage]:
    return [ChatMessage(role=role, content=text) for role, text in talk]  # type: ignore[arg-type]


def written(name: str, talk: list[tuple[str, str]] = TALK) -> str:
    return ChatTemplate(FORMATS[name]).render(
        messages=[{"role": role, "content": text} for role, text in talk],
        add_generation_prompt=True,
        bos_token="<s>",
        eos_token="</s>",
    )


def test_every_name_has_its_text() -> None:
    assert {*FORMATS, RAW} == set(TEMPLATE_NAMES)


@pytest.mark.parametrize("name", FORMATS)
def test_every_family_writes_all_that_was_said_in_its_order(name: str) -> None:
    text = written(name)
    places = [text.index(said) for _, said in TALK]
    assert places == sorted(places)
    assert text.count("RULES") == 1
    assert written(name, TALK[1:]).count("RULES") == 0
    assert not text.endswith("THEN")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chatml", "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n"),
        ("llama2", "<s>[INST] A [/INST]"),
        ("gemma", "<s><start_of_turn>user\nA<end_of_turn>\n<start_of_turn>model\n"),
        ("phi3", "<|user|>\nA<|end|>\n<|assistant|>\n"),
        ("vicuna", "<s>USER: A ASSISTANT:"),
    ],
)
def test_a_question_is_written_as_the_family_has_it(name: str, text: str) -> None:
    assert written(name, [("user", "A")]) == text


@pytest.mark.parametrize(
    ("template", "stop"),
    [
        ("chatml", ("<|im_end|>", "<|im_start|>user")),
        ("gemma", ("<end_of_turn>", "<start_of_turn>user")),
        ("alpaca", ("\n### Instruction:",)),
        ("falcon", ("\nUser:",)),
        ("mistral", ("[INST]",)),
    ],
)
def test_what_the_vocabulary_has_no_token_for_ends_an_answer_as_text(
    template: str, stop: tuple[str, ...]
) -> None:
    assert ChatEncoder(FakeModel(), template).turns.stop == stop


def test_what_it_has_a_token_for_ends_an_answer_as_that_token() -> None:
    own = "{% for m in messages %}<user>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    turns = ChatEncoder(FakeModel(chat_template=own)).turns
    assert turns.tokens == frozenset({END})
    assert turns.stop == ()
    assert turns.markers == ("</s>", "<user>user")


@pytest.mark.parametrize(
    "own",
    [
        "{% for m in messages %}[{{ m.content }}]{% endfor %}",
        "{% for m in messages %}{{ m.content }}. {% endfor %}",
        "{{ raise_exception('never') }}",
        "fixed",
    ],
)
def test_a_template_without_marks_of_turns_ends_nothing(own: str) -> None:
    assert ChatEncoder(FakeModel(chat_template=own)).turns.stop == ()


def test_a_model_without_a_template_completes_the_last_text_alone() -> None:
    encoder = ChatEncoder(FakeModel(add_bos=True))
    assert encoder.is_raw
    assert bytes(encoder.encode(messages(TALK[1:]))[1:]) == b"THEN"
    assert bytes(encoder.encode(messages(TALK))[1:]) == b"RULES\n\nTHEN"
    # A control token's text is text here too.
    assert END not in encoder.encode(messages([("user", "a</s>")]))
    assert encoder.turns == Turns()


def test_a_chat_model_can_be_asked_for_raw_text_and_a_raw_one_for_a_chat() -> None:
    chat = ChatEncoder(FakeModel(chat_template=FORMATS["zephyr"]), RAW)
    assert bytes(chat.encode(messages(TALK))) == b"RULES\n\nTHEN"
    named = ChatEncoder(FakeModel(), "vicuna").encode(messages([("user", "A")]))
    assert bytes(named[1:]) == b"USER: A ASSISTANT:"
    given = ChatEncoder(FakeModel(), "Q: {{ messages[0].content }}").encode(
        messages([("user", "A")])
    )
    assert bytes(given) == b"Q: A"


@pytest.mark.parametrize("wrong", ["chatm", "no template at all"])
def test_neither_a_name_nor_a_template_is_a_typed_error_that_lists_the_names(wrong: str) -> None:
    with pytest.raises(BadRequest, match="chat template") as refused:
        ChatEncoder(FakeModel(), wrong)
    assert "chatml" in (refused.value.hint or "")


def test_tools_for_a_model_without_a_template_are_refused() -> None:
    with pytest.raises(BadRequest, match="tools"):
        ChatEncoder(FakeModel()).encode(messages(TALK), [{"name": "f"}])


def run_away(text: str, piece: int = 3, markers: tuple[str, ...] = ()) -> str | None:
    """What is found in `text`, which comes in pieces."""
    runaway = Runaway(markers)
    for i in range(0, len(text), piece):
        if what := runaway.push(text[i : i + piece]):
            return what
    return None


@pytest.mark.parametrize("cycle", ["Yes.\n", "Yes.\n\n", "A: hm\nB: hm\n", "1\n2\n3\n4\n"])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_the_same_lines_ten_times_in_a_row_are_a_runaway(cycle: str, piece: int) -> None:
    assert run_away("So:\n" + cycle * (REPEATS - 1), piece) is None
    assert run_away("So:\n" + cycle * REPEATS, piece) == "it said the same 10 times in a row"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{n}\n" for n in range(200)),
        "".join(f"{{\n  'n': {n}\n}},\n" for n in range(50)),
        "\n" * 100,
        "| a | b |\n|---|---|\n" + "| 0 | 0 |\n" * 9,
        "x" * 100_000,
    ],
)
def test_an_answer_that_only_looks_alike_goes_on(text: str) -> None:
    assert run_away(text) is None


@pytest.mark.parametrize("piece", [1, 4, 1000])
def test_marks_of_turns_as_text_again_and_again_are_a_runaway(piece: int) -> None:
    marks = ("</s>", "<user>user")
    assert run_away("In ChatML, </s> ends a turn and <user>user begins one.", piece, marks) is None
    assert run_away("a</s>\n<user>user\nb</s>\n", piece, marks) is not None


class Stuck(FakeModel):
    """A model that says the same line with every token."""

    def piece(self, token: int) -> bytes:
        return b"I am stuck.\n" if token < 256 else b""

    def ends_generation(self, token: int) -> bool:
        return False


def stuck(turns: Turns = Turns(), **options: Any) -> Prompted:  # noqa: B008 - frozen
    rig = Rig(model=Stuck())
    prompted = Prompted()
    listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
    rig.engine.submit(list(b"Go"), PromptOptions(max_tokens=50, **options), listener, turns)
    rig.run()
    return prompted


def test_a_runaway_answer_is_ended_and_that_is_said() -> None:
    prompted = stuck()
    assert prompted.info.finish_reason == "runaway"
    assert prompted.info.text == "I am stuck.\n" * REPEATS
    assert prompted.deltas == prompted.info.text
    (notice,) = [event.text for event in prompted.events if isinstance(event, Notice)]
    assert notice == "The answer was ended: it said the same 10 times in a row."


def test_who_wants_repetitions_gets_them() -> None:
    prompted = stuck(allow_repeats=True)
    assert (prompted.info.finish_reason, prompted.info.usage.n_tokens) == ("length", 50)


def test_the_end_of_a_turn_as_text_ends_an_answer_before_it() -> None:
    prompted = stuck(Turns(stop=("stuck.",)))
    assert (prompted.info.finish_reason, prompted.info.text) == ("stop", "I am ")


def test_without_the_turns_the_same_answer_runs_on_over_them() -> None:
    assert "stuck." in stuck(allow_repeats=True).info.text
