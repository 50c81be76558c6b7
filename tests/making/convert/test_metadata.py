"""A converted file says what it is and where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.making.convert.running import converted, llama_logits
from wiz_kernel_ext.making.convert.metadata import safe_name
from wiz_kernel_ext.making.convert.vocabulary import Vocabulary

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def keys(path: Path) -> dict[str, Any]:
    """The keys of a GGUF."""
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def test_a_cached_checkpoint_keeps_its_repository_commit_and_licence(tmp_path: Path) -> None:
    folder = tmp_path / "models--some--Small-Model" / "snapshots" / COMMIT
    write_checkpoint(folder, "smollm")
    card = "---\nlicense: other\nlicense_name: 'my-licence'\nlanguage: en\n---\nlicense: no\n"
    (folder / "README.md").write_text(card)
    report = converted(folder, tmp_path / "model.gguf", "bf16")
    found = {k: v for k, v in keys(tmp_path / "model.gguf").items() if k.startswith("general.")}
    assert found == {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Small-Model",
        "general.organization": "some",
        "general.source.repo_url": "https://huggingface.co/some/Small-Model",
        "general.source.url": f"https://huggingface.co/some/Small-Model/tree/{COMMIT}",
        "general.license": "other",
        "general.license.name": "my-licence",
        "general.file_type": 32,
        "general.quantization_version": 2,
    }
    assert report.name == "Small-Model"


def test_name_repository_and_commit_can_be_given(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model", "smollm")
    converted(tmp_path / "model", tmp_path / "m.gguf", name="N", repo="a/b", commit="c")
    found = keys(tmp_path / "m.gguf")
    assert found["general.name"] == "N"
    assert found["general.source.url"] == "https://huggingface.co/a/b/tree/c"


def test_a_model_named_phi_3_loads_without_phi_3s_tokens(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "Phi-3-tiny", "phi3-longrope")
    converted(tmp_path / "Phi-3-tiny", tmp_path / "m.gguf")
    assert keys(tmp_path / "m.gguf")["general.name"] == "Phi 3-tiny"
    assert llama_logits(tmp_path / "m.gguf", [1, 2]).shape[0] == 2


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["a"], "My Phi 3 and phi 3"),
        (["</s>", "<unk>", "<s>", "<|endoftext|>"], "My Phi-3 and phi3"),
    ],
)
def test_the_name_of_phi_3_is_kept_where_it_is_right(tokens: list[str], expected: str) -> None:
    vocabulary = Vocabulary("llama", tokens, [1] * len(tokens), [])
    assert safe_name("My Phi-3 and phi3", vocabulary) == expected
