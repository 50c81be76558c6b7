"""Fill-in-the-middle tokens, in real vocabularies written for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.llama.backend import load_vocabulary

QWEN = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>")


def vocabulary(path: Path, *tokens: str) -> Path:
    return write_tiny_gguf(path / "v.gguf", Shape(more_control_tokens=tokens))


def test_the_tokens_of_a_code_model_are_found_by_their_texts(tmp_path: Path) -> None:
    model = load_vocabulary(str(vocabulary(tmp_path, *QWEN)))
    fim = model.facts.fim
    assert fim is not None
    assert fim.middle is not None
    texts = [model.text_of(token) for token in (fim.prefix, fim.middle, fim.suffix)]
    assert texts == list(QWEN[:3])
    assert {model.text_of(token) for token in fim.ends} >= {*QWEN}
    model.close()


@pytest.mark.parametrize("tokens", [(), QWEN[:1], QWEN[:2], (QWEN[0], QWEN[2])])
def test_too_few_of_them_are_none(tmp_path: Path, tokens: tuple[str, ...]) -> None:
    model = load_vocabulary(str(vocabulary(tmp_path, *tokens)))
    assert model.facts.fim is None
    model.close()
