"""Training and export, on a network small enough for a test; needs the [demo] extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
pytest.importorskip("tokenizers")

from wiz_kernel_ext.demo.batches import Batches, rendered  # noqa: E402
from wiz_kernel_ext.demo.corpus import Author, Writer  # noqa: E402
from wiz_kernel_ext.demo.export import export  # noqa: E402
from wiz_kernel_ext.demo.muon import orthogonalized  # noqa: E402
from wiz_kernel_ext.demo.network import Llama, Shape  # noqa: E402
from wiz_kernel_ext.demo.tokenizer import VOCABULARY_SIZE, train_tokenizer  # noqa: E402
from wiz_kernel_ext.demo.train import Plan, Trainer  # noqa: E402

TINY = Shape(width=32, layers=2, heads=2, kv_heads=1, feed_forward=64, context=512)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    author = Author(Writer(0))
    dialogues = (author.dialogue() for _ in range(1500))
    return train_tokenizer("".join(s.text for s in rendered(d)) for d in dialogues)


@pytest.fixture
def trainer(tokenizer: Any) -> Trainer:
    ticks = iter(range(10_000))  # a second per look at the clock
    plan = Plan(minutes=0.15, batch_tokens=512, threads=1)
    return Trainer(plan, TINY, tokenizer, clock=lambda: float(next(ticks)))


def test_a_word_has_the_same_tokens_wherever_it_stands(tokenizer: Any) -> None:
    alone = tokenizer.encode("Zarquinha").ids
    inside = tokenizer.encode("Hello Zarquinha, 12").ids
    assert any(inside[i : i + len(alone)] == alone for i in range(len(inside)))
    assert tokenizer.get_vocab_size() == VOCABULARY_SIZE


def test_the_tokenizer_gives_back_every_text(tokenizer: Any) -> None:
    for text in ("ação 😀 漢字\n\n    x = 1", "  two  spaces ", "<tool_call>\n{}\n</tool_call>"):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_answers_count_more_than_prompts_and_long_ones_less_per_token(tokenizer: Any) -> None:
    author = Author(Writer(1))
    batch = next(iter(Batches(author, tokenizer, tokens=2048, context=512, seed=0)))
    assert int(batch.answers.max()) == len(batch.skills)
    for answer in range(1, len(batch.skills) + 1):
        own = batch.weights[batch.answers == answer]
        assert float(own.sum()) == pytest.approx((10 * len(own)) ** 0.5, rel=1e-4)
    assert float(batch.weights[batch.answers == 0].mean()) < 0.2


def test_the_network_does_not_look_ahead() -> None:
    torch.manual_seed(0)
    network = Llama(TINY).eval()
    ids = torch.randint(0, TINY.vocabulary, (1, 12))
    changed = ids.clone()
    changed[0, 8:] = 7
    with torch.no_grad():
        one, other = network.hidden(ids), network.hidden(changed)
    assert torch.allclose(one[0, :8], other[0, :8], atol=1e-5)
    assert not torch.allclose(one[0, 8:], other[0, 8:], atol=1e-5)


@pytest.mark.parametrize("size", [(16, 40), (40, 16)])
def test_muon_updates_are_nearly_orthogonal(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    update = orthogonalized(torch.randn(3, *size))
    assert 0.6 < torch.linalg.svdvals(update).min() <= torch.linalg.svdvals(update).max() < 1.3


def test_a_checkpoint_goes_on_where_it_stopped(trainer: Trainer, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    trainer.run(checkpoint)
    assert trainer.progress >= 1
    again = Trainer(Plan(minutes=1), TINY, trainer.tokenizer)
    again.load(torch.load(checkpoint, weights_only=True))
    assert (again.steps, again.tokens) == (trainer.steps, trainer.tokens)
    for one, other in zip(again.network.parameters(), trainer.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_export_is_a_gguf_with_tokenizer_and_template(trainer: Trainer, tmp_path: Path) -> None:
    trainer.save(tmp_path / "checkpoint.pt")
    made = export(tmp_path / "checkpoint.pt", tmp_path / "tiny.gguf")
    reader = gguf.GGUFReader(made)
    assert reader.get_field("general.architecture").contents() == "llama"
    assert reader.get_field("llama.context_length").contents() == TINY.context
    assert "<tool_call>" in reader.get_field("tokenizer.chat_template").contents()
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds["blk.1.attn_q.weight"] == "Q8_0"
    assert kinds["output_norm.weight"] == "F32"
    assert "output.weight" not in kinds  # tied to token_embd.weight
