"""What people hand to a call: taken as a person would expect, or refused where it is wrong."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.calls import build_prompt
from wiz_kernel_ext.protocol.codec import build, decode, encode, raw_request, sound
from wiz_kernel_ext.protocol.hub_requests import ConvertModel, Inspect
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import CreateContext, Load, LoadModel, Prompt, UnloadModel
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.protocol.values import plain

HALF = "ab\ud83dcd"


class Size(enum.Enum):
    LARGE = 4096


@pytest.mark.parametrize(
    ("kind", "values", "made"),
    [
        (LoadModel, {"model_path": Path("/m/x.gguf")}, LoadModel(model_path="/m/x.gguf")),
        (LoadModel, {"gpu_layers": np.int8(3)}, LoadModel(gpu_layers=3)),
        (LoadModel, {"use_mmap": np.bool_(True)}, LoadModel(use_mmap=True)),
        (LoadModel, {"keep_alive_s": np.float32(0.5)}, LoadModel(keep_alive_s=0.5)),
        (LoadModel, {"keep_alive_s": Decimal("1.5")}, LoadModel(keep_alive_s=1.5)),
        (LoadModel, {"keep_alive_s": Fraction(1, 2)}, LoadModel(keep_alive_s=0.5)),
        (CreateContext, {"context_size": np.float64(4096)}, CreateContext(context_size=4096)),
        (CreateContext, {"context_size": 4096.0}, CreateContext(context_size=4096)),
        (CreateContext, {"context_size": Size.LARGE}, CreateContext(context_size=4096)),
        (CreateContext, {"context_size": np.array(4096)}, CreateContext(context_size=4096)),
        (CreateContext, {"kv_type": np.str_("f16"), "seed": None}, CreateContext(kv_type="f16")),
        (PromptOptions, {"stop": np.array(["a", "b"])}, PromptOptions(stop=["a", "b"])),
        (PromptOptions, {"stop": ("a", "b")}, PromptOptions(stop=["a", "b"])),
        (PromptOptions, {"temperature": np.longdouble(0.5)}, PromptOptions(temperature=0.5)),
        (PromptOptions, {"temperature": 1}, PromptOptions(temperature=1.0)),
        (
            PromptOptions,
            {"logit_bias": {np.int64(5): np.float32(2), 7: -1}},
            PromptOptions(logit_bias={"5": 2.0, "7": -1.0}),
        ),
        (
            ConvertModel,
            {"source": Path("c"), "output": Path("o"), "llama_cpp": Path("l")},
            ConvertModel(source="c", output="o", llama_cpp="l"),
        ),
        (ConvertModel, {"source": "c", "out_type": None}, ConvertModel(source="c")),
        (Load, {"model": Path("demo"), "reload": None}, Load(model="demo")),
        (Load, {"model": Path("demo"), "session": np.str_("s")}, Load(model="demo", session="s")),
        (Inspect, {"model": Path("m.gguf")}, Inspect(model="m.gguf")),
    ],
)
def test_natural_values_are_taken(kind: Any, values: dict[str, Any], made: Any) -> None:
    assert build(kind, values) == made


def test_an_answer_can_be_the_next_prompt_and_messages_may_be_dictionaries() -> None:
    answer = Answer(AnswerInfo(text="Yes.", finish_reason="stop"))
    messages = [{"role": "user", "content": answer}, ChatMessage(role="assistant", content="No.")]
    prompt = build_prompt(Prompt, answer, {"messages": messages, "tools": None})
    assert prompt == Prompt(
        prompt="Yes.",
        messages=[
            ChatMessage(role="user", content="Yes."),
            ChatMessage(role="assistant", content="No."),
        ],
    )
    assert decode(raw_request(prompt), Prompt) == prompt


def test_a_request_made_by_hand_is_taken_as_well() -> None:
    odd: Any = Path("/m/x.gguf")
    assert decode(raw_request(UnloadModel(model_path=odd)), UnloadModel).model_path == "/m/x.gguf"
    assert sound(UnloadModel(model_path=odd)) == UnloadModel(model_path="/m/x.gguf")
    whole = Prompt(prompt="x")
    assert sound(whole) is whole


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"prompt": b"hello"}, "prompt", "is bytes"),
        ({"prompt": bytearray(b"x")}, "prompt", "is bytes"),
        ({"prompt": memoryview(b"x")}, "prompt", "is bytes"),
        ({"prompt": Path("question.txt")}, "prompt", "is a path"),
        ({"prompt": object()}, "prompt", "takes no object"),
        ({"prompt": "x", "stop": [b"x"]}, "stop[0]", "is bytes"),
        ({"prompt": "x", "tools": [{"a": {"b": b"x"}}]}, "tools[0].a.b", "is bytes"),
        ({"prompt": "x", "temperature": float("nan")}, "temperature", "is nan"),
        ({"prompt": "x", "dry_base": np.float64("inf")}, "dry_base", "is inf"),
        ({"prompt": "x", "temperature": 1j}, "temperature", "takes no complex"),
        ({"prompt": "x", "tools": LOOP}, "tools", "more than 100 deep"),
        ({"prompt": "x", "logit_bias": {(1, 2): 1}}, "logit_bias", "has a name that is a tuple"),
        ({"prompt": HALF}, "prompt", "character 3 of 5 (U+D83D)"),
        ({"prompt": "x", "stop": ["ok", HALF]}, "stop[1]", "character 3"),
        ({"prompt": "x", "session": "\udce9"}, "session", "character 1"),
        ({"prompt": "x", "tools": [{"name": HALF}]}, "tools[0].name", "character 3"),
        ({"prompt": "x", "tools": [{HALF: 1}]}, "a name in tools[0]", "character 3"),
        (
            {"prompt": "x", "messages": [ChatMessage(role="user", content=HALF)]},
            "messages[0].content",
            "character 3",
        ),
        ({"prompt": "x", "model_path": Path("a\udcff.gguf")}, "model_path", "character 2"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(
    values: dict[str, Any], field: str, words: str
) -> None:
    prompt = values.pop("prompt")
    with pytest.raises(BadRequest) as caught:
        build_prompt(Prompt, prompt, values)
    error = caught.value
    assert error.details["field"].startswith(field)
    assert words in error.message
    assert error.hint
    # The error itself can be sent, printed and shown.
    encode(error.info())
    f"{error.message} {error.hint}".encode()


def test_a_request_made_by_hand_is_refused_with_the_place_too() -> None:
    for request in (Prompt(prompt=HALF), Load(model="m", system_prompt=HALF)):
        for look in (raw_request, sound):
            with pytest.raises(BadRequest, match=r"(prompt|systemPrompt) cannot be encoded"):
                look(request)


def test_pandas_values_are_taken() -> None:
    pandas = pytest.importorskip("pandas")
    row = pandas.DataFrame({"n": [64, None], "t": [0.5, 1.0], "s": ["a", "b"]}).iloc[0]
    options = {"max_tokens": row["n"], "temperature": row["t"], "seed": pandas.NA}
    assert build(PromptOptions, options) == PromptOptions(max_tokens=64, temperature=0.5)
    stop = pandas.Series(["a", "b"])
    assert build(PromptOptions, {"stop": stop}) == PromptOptions(stop=["a", "b"])
    assert plain(pandas.NaT) is None
    with pytest.raises(BadRequest, match="takes no DataFrame"):
        plain(pandas.DataFrame({"a": [1]}), "stop")
