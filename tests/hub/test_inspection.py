"""Looking into files on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import gguf_bytes as g
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound
from wiz_kernel_ext.hub.inspection import inspect


async def test_the_demo_model_tells_all_about_itself() -> None:
    inspection = await inspect(model_path(), 512)
    assert (inspection.quant, inspection.n_parts) == ("Q8_0", 1)
    assert inspection.size_bytes == size_of(model_path())
    assert 0.9 < sum(t.size_bytes for t in inspection.tensors) / inspection.size_bytes < 1
    assert inspection.n_tensors == sum(t.count for t in inspection.tensors)
    assert inspection.special_tokens["eos"] < inspection.n_vocab
    assert inspection.chat_template and inspection.tokenizer.startswith("gpt2")
    assert inspection.metadata["general.architecture"] == inspection.architecture
    fit = inspection.fit
    assert fit is not None
    assert (fit.verdict, fit.basis, fit.context_size) == ("fits", "measured", 512)


async def test_a_split_model_counts_all_its_parts(tmp_path: Path) -> None:
    meta = g.llama_metadata() | {"split.count": (g.U32, 2)}
    first = tmp_path / "m-00001-of-00002.gguf"
    first.write_bytes(g.gguf_bytes(meta))
    with pytest.raises(GgufInvalid, match=r"m-00002-of-00002\.gguf is missing"):
        await inspect(first)
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(g.small_model())
    inspection = await inspect(first)
    assert inspection.n_parts == 2
    assert inspection.size_bytes == size_of(first) + len(g.small_model())
    assert inspection.fit is not None and inspection.fit.basis == "header"


async def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileNotFound, match="none"):
        await inspect(tmp_path / "none.gguf")
    path = tmp_path / "notes.gguf"
    path.write_text("Dear diary")
    with pytest.raises(GgufInvalid, match=r"notes\.gguf is not a GGUF file"):
        await inspect(path)


def size_of(path: Path) -> int:
    """A file's length in bytes."""
    return path.stat().st_size
