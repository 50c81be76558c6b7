"""LoRA on the real library: it says what the merged model says; what does not fit is refused."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.lora_gguf import Lora, write_lora, write_merged
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.engine.backend import Batch, ContextParameters, LoadParameters, Model
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.llama.backend import LlamaBackend, LlamaContext
from wiz_kernel_ext.engine.llama.picking import logits_of
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound, ModelLoadFailed, WizError
from wiz_kernel_ext.protocol.adapters import ScaledAdapter
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo

STYLE = Lora(seed=1)
OTHER = Lora(seed=2, rank=2, tensors=r"blk\.[0-2]\.(attn_[qkv]|ffn_down)\.weight")
QUESTIONS = ["What is a kernel?", "Tell me a story.", "2 + 2?", "Qual é a capital de Portugal?"]


def load(path: Path) -> Model:
    return LlamaBackend().load(str(path), LoadParameters(), lambda _: True)


class Files:
    """The demo in 32 bits, and two adapters for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = write_merged(folder / "base.gguf", model_path())
        self.style = write_lora(folder / "style.gguf", self.base, STYLE)
        self.other = write_lora(folder / "other.gguf", self.base, OTHER)

    def merged(self, *loras: tuple[Lora, float]) -> Path:
        return write_merged(self.folder / "merged.gguf", model_path(), *loras)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("lora"))


@pytest.fixture(scope="module")
def model(files: Files) -> Iterator[Model]:
    model = load(files.base)
    yield model
    model.close()


class Answers:
    """An engine on the real model; F32 cells, so that little depends on rounding."""

    def __init__(self, model: Model, slots: int = 4) -> None:
        self.chat = ChatEncoder(model)
        parameters = ContextParameters(
            pool_size=2048, sequence_ids=2 * slots, batch_size=64, threads=1, kv_type="f32"
        )
        self.context = model.create_context(parameters)
        self.engine = Engine(
            model,
            self.context,
            context_size=512,
            slots=slots,
            sequence_ids=2 * slots,
            batch_size=64,
            seed=None,
            clock=time.monotonic,
        )

    def submit(
        self, text: str, *adapters: tuple[Path, float], n: int = 24
    ) -> list[AnswerInfo | WizError]:
        ends: list[AnswerInfo | WizError] = []
        self.engine.submit(
            self.chat.encode([ChatMessage(role="user", content=text)]),
            PromptOptions(temperature=0.0, max_tokens=n),
            Listener(on_event=lambda _: None, on_end=ends.append),
            adapters=[ScaledAdapter(str(path), scale) for path, scale in adapters],
        )
        return ends

    def run(self) -> None:
        while self.engine.is_busy:
            self.engine.step()

    def ask(self, text: str, *adapters: tuple[Path, float]) -> AnswerInfo:
        ends = self.submit(text, *adapters)
        self.run()
        (info,) = ends
        assert isinstance(info, AnswerInfo), info
        return info

    def close(self) -> None:
        self.engine.close()
        self.context.close()


@pytest.fixture
def answers(model: Model) -> Iterator[Answers]:
    answers = Answers(model)
    yield answers
    answers.close()


def texts_of(path: Path) -> list[str]:
    """What the model at `path` says to the questions."""
    model = load(path)
    answers = Answers(model)
    texts = [answers.ask(question).text for question in QUESTIONS]
    answers.close()
    model.close()
    return texts


def logits_after(model: Model, tokens: list[int], *adapters: tuple[Path, float]) -> Any:
    """The logits of the last of `tokens`."""
    context = model.create_context(
        ContextParameters(pool_size=256, sequence_ids=1, batch_size=64, threads=1, kv_type="f32")
    )
    assert isinstance(context, LlamaContext)
    loaded = [(model.load_adapter(str(path)), scale) for path, scale in adapters]
    context.use_adapters(loaded)
    batch = Batch()
    (row,) = batch.add(0, 0, tokens, n_outputs=1)
    context.decode(batch)
    logits = np.array(logits_of(context._context, row, model.facts.n_vocab))
    context.close()
    for adapter, _ in loaded:
        adapter.close()
    return logits


SETS: list[list[tuple[str, Lora, float]]] = [
    [("style", STYLE, 1.0)],
    [("style", STYLE, 0.8)],
    [("other", OTHER, -1.5)],
    [("style", STYLE, 0.75), ("other", OTHER, 2.0)],
]


@pytest.mark.parametrize("adapters", SETS)
def test_an_adapter_says_what_the_model_says_that_it_is_merged_into(
    files: Files, model: Model, answers: Answers, adapters: list[tuple[str, Lora, float]]
) -> None:
    merged = files.merged(*((lora, scale) for _, lora, scale in adapters))
    used = [(getattr(files, name), scale) for name, _, scale in adapters]
    texts = [answers.ask(question, *used).text for question in QUESTIONS]
    assert texts == texts_of(merged)
    assert texts != [answers.ask(question).text for question in QUESTIONS]
    tokens = model.tokenize(QUESTIONS[0], parse_special=False)
    other = load(merged)
    expected, plain = logits_after(other, tokens), logits_after(model, tokens)
    other.close()
    found = logits_after(model, tokens, *used)
    assert np.abs(found - expected).max() < 1e-3 < np.abs(plain - expected).max()


def test_prompts_of_several_sets_at_once_say_what_each_says_alone(
    files: Files, answers: Answers, model: Model
) -> None:
    sets: list[list[tuple[Path, float]]] = [
        [],
        [(files.style, 1.0)],
        [(files.style, 0.5)],
        [(files.other, 1.0), (files.style, 1.0)],
    ]
    asked = [(q, used) for q in QUESTIONS for used in sets]
    ends = [answers.submit(question, *used) for question, used in asked]
    answers.run()
    together = [end[0].text for end in ends if isinstance(end[0], AnswerInfo)]
    alone = []
    for question, used in asked:
        fresh = Answers(model)
        alone.append(fresh.ask(question, *used).text)
        fresh.close()
    assert together == alone
    assert len(set(together)) > len(QUESTIONS)


def test_going_back_and_forth_finds_the_cells_and_reads_no_file_again(
    files: Files, answers: Answers
) -> None:
    question = "Why is this a question that is somewhat longer than the others are?"
    style = (files.style, 1.0)
    first = [answers.ask(question), answers.ask(question, style)]
    again = [answers.ask(question), answers.ask(question, style)]
    assert [one.text for one in again] == [one.text for one in first]
    assert [one.usage.n_cached_tokens for one in first] == [0, 0]
    assert all(one.usage.n_cached_tokens > 10 for one in again)
    assert answers.engine._adapters.n_loads == 1


def test_an_adapter_for_a_quantized_model_is_as_for_the_whole_one(files: Files) -> None:
    quantized = load(model_path())
    tokens = quantized.tokenize(QUESTIONS[0], parse_special=False)
    found = logits_after(quantized, tokens, (files.style, 1.0))
    merged = load(files.merged((STYLE, 1.0)))
    expected = logits_after(merged, tokens)
    for one in (quantized, merged):
        one.close()
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def test_one_for_the_embedding_works_where_the_output_is_another_tensor(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", Shape(tied=False))
    rng = np.random.default_rng(3)
    a = rng.standard_normal((512, 2)).astype(np.float32)
    b = rng.standard_normal((64, 2)).astype(np.float32)
    name = "token_embd.weight"
    path = write_lora(
        tmp_path / "embedding.gguf",
        base,
        replaced={f"{name}.lora_a": a, f"{name}.lora_b": b},
    )
    model = load(base)
    tokens = model.tokenize("what a text", parse_special=False)
    with_it, without = (
        logits_after(model, tokens, (one, 1.0))
        for one in (path, write_lora(tmp_path / "plain.gguf", base))
    )
    model.close()
    assert np.abs(with_it - without).max() > 1e-3


def small(*shape: int) -> Any:
    return np.ones(shape, np.float32)


Q = "blk.0.attn_q.weight"
BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "another architecture": (
        lambda path, base: write_lora(path, base, architecture="qwen2"),
        "architecture 'qwen2', and this is 'llama'",
    ),
    "no adapter": (lambda path, base: shutil.copy(base, path), "it is no adapter at all"),
    "a control vector": (
        lambda path, base: write_lora(path, base, adapter_type="control_vector"),
        "of type 'control_vector'",
    ),
    "of another type": (
        lambda path, base: write_lora(path, base, general_type="model"),
        "of type 'lora'",
    ),
    "half a pair": (
        lambda path, base: write_lora(path, base, replaced={f"{Q}.lora_b": None}),
        "one of the two factors",
    ),
    "another width": (
        lambda path, base: write_lora(path, base, replaced={f"{Q}.lora_a": small(4, 64)}),
        "64×4 and 4×256, and that is 256×256",
    ),
    "another height": (
        lambda path, base: write_lora(path, base, replaced={f"{Q}.lora_b": small(64, 4)}),
        "and that is 256×256",
    ),
    "two ranks": (
        lambda path, base: write_lora(path, base, replaced={f"{Q}.lora_b": small(256, 5)}),
        "256×4 and 5×256",
    ),
    "three dimensions": (
        lambda path, base: write_lora(
            path,
            base,
            replaced={f"{Q}.lora_a": small(2, 4, 256), f"{Q}.lora_b": small(2, 256, 4)},
        ),
        "and that is 256×256",
    ),
    "whole numbers": (
        lambda path, base: write_lora(
            path, base, replaced={f"{Q}.lora_a": np.ones((4, 256), np.int32)}
        ),
        "of type I32 and F32",
    ),
    "a tensor there is not": (
        lambda path, base: write_lora(
            path,
            base,
            replaced={
                "blk.9.attn_q.weight.lora_a": small(4, 256),
                "blk.9.attn_q.weight.lora_b": small(256, 4),
            },
        ),
        "no tensor blk.9.attn_q.weight",
    ),
    "a norm": (
        lambda path, base: write_lora(path, base, replaced={"blk.0.attn_norm.weight": small(256)}),
        "blk.0.attn_norm.weight is no part of a LoRA",
    ),
    "an embedding that is the output too": (
        lambda path, base: write_lora(
            path,
            base,
            replaced={
                "token_embd.weight.lora_a": small(1536, 4),
                "token_embd.weight.lora_b": small(256, 4),
            },
        ),
        "uses for its output too",
    ),
    "a scale that is none": (
        lambda path, base: write_lora(path, base, replace(STYLE, alpha=float("nan"))),
        "alpha is no number",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_one_that_does_not_fit_is_refused_by_name_and_answers_go_on(
    files: Files, answers: Answers, tmp_path: Path, what: str
) -> None:
    write, why = BAD[what]
    path = tmp_path / "bad.gguf"
    write(path, files.base)
    with pytest.raises(ModelLoadFailed) as refused:
        answers.submit("hello", (path, 1.0))
    assert "bad.gguf is no adapter for base.gguf" in str(refused.value)
    assert why in str(refused.value)
    assert refused.value.hint
    assert answers.ask("hello", (files.style, 1.0)).text


def test_damaged_files_are_refused_wherever_they_are_damaged(
    files: Files, answers: Answers, tmp_path: Path
) -> None:
    whole = files.style.read_bytes()
    path = tmp_path / "bad.gguf"
    for bad in (b"", b"GGUF", whole[:-1], whole[: len(whole) // 2], whole[:300], b"x" + whole[1:]):
        path.write_bytes(bad)
        with pytest.raises(GgufInvalid, match=r"bad\.gguf"):
            answers.submit("hello", (path, 1.0))
    with pytest.raises(GgufInvalid, match="directory"):
        answers.submit("hello", (tmp_path, 1.0))
    with pytest.raises(ModelFileNotFound, match="nowhere"):
        answers.submit("hello", (tmp_path / "nowhere.gguf", 1.0))
    header_end = whole.index(b"blk.0.attn_q.weight.lora_a")
    n_refused = 0
    for at in range(0, header_end, 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            answers.submit("hello", (path, 1.0))
        except WizError as error:
            assert "bad.gguf" in str(error)
            n_refused += 1
    assert n_refused > header_end // 6
    answers.run()
    assert answers.ask("hello").text


def with_value(path: Path, source: Path, key: str, kind: int, value: bytes) -> Path:
    """Write `source` at `path` with another value of `key`, of the type numbered `kind`."""
    whole = source.read_bytes()
    name = struct.pack("<Q", len(key)) + key.encode()
    start = whole.index(name) + len(name)
    (old_kind,) = struct.unpack_from("<I", whole, start)
    n_old = 4 if old_kind == 6 else 8 + struct.unpack_from("<Q", whole, start + 4)[0]
    made = whole[:start] + struct.pack("<I", kind) + value + whole[start + 4 + n_old :]
    path.write_bytes(made + bytes(64))  # the data may begin later by now
    return path


@pytest.mark.parametrize("key", ["general.type", "general.architecture", "adapter.type"])
def test_a_key_of_another_type_than_the_library_insists_on_is_refused(
    files: Files, answers: Answers, tmp_path: Path, key: str
) -> None:
    path = with_value(tmp_path / "bad.gguf", files.style, key, 4, struct.pack("<I", 7))
    with pytest.raises(ModelLoadFailed, match=rf"bad\.gguf is .* it does not say its {key}"):
        answers.submit("hello", (path, 1.0))


def test_a_scale_of_64_bits_is_refused(files: Files, answers: Answers, tmp_path: Path) -> None:
    key = "adapter.lora.alpha"
    path = with_value(tmp_path / "bad.gguf", files.style, key, 12, struct.pack("<d", 8.0))
    with pytest.raises(ModelLoadFailed, match="alpha is no number"):
        answers.submit("hello", (path, 1.0))
