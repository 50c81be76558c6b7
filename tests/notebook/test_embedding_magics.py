"""`%wiz_embed` and `%%wiz_rerank` in a real kernel, and vectors from a `Client` made in a cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from tests.support.tiny_bert import write_tiny_bert


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("models") / "bert.gguf")


@pytest.fixture(scope="module")
def kernel() -> Iterator[FrontEnd]:
    home = Home.make()
    kernel = FrontEnd(home, "/work/vectors.ipynb")
    kernel.must("%load_ext wiz_kernel_ext")
    yield kernel
    kernel.close()
    home.close()


def test_a_cells_lines_become_an_array(kernel: FrontEnd, bert: Path) -> None:
    ran = kernel.must(
        f"%%wiz_embed -o vectors --normalize --model {bert}\na cat {{x}}\n\n  a dog --normalize\n"
    )
    assert ran.text.splitlines()[0].startswith("2 vectors of 48 numbers · mean of ")
    kept = kernel.must(
        "vectors is _, vectors.shape, str(vectors.dtype), round(float((vectors**2).sum()), 4)"
    )
    assert kept.text == "(True, (2, 48), 'float32', 2.0)"


def test_a_line_is_one_text_of_the_notebooks_model(kernel: FrontEnd) -> None:
    kernel.must("%wiz_load demo")
    ran = kernel.must("%wiz_embed how do kernels sleep")
    assert ran.text.startswith("1 vector of 256 numbers · mean of ")
    assert "not trained for vectors" in ran.text
    empty = kernel.page("%wiz_embed --normalize")
    assert empty.status == "error" and "There is no text" in empty.error[0]


def test_a_client_made_in_a_cell_uses_the_notebooks_model(kernel: FrontEnd) -> None:
    ran = kernel.must("from wiz_kernel_ext import Client\nClient().embed(['one', 'two']).shape")
    assert ran.text.endswith("(2, 256)")
    assert "EmbeddingWarning: The model was made to chat" in ran.text
    assert "Client().embed(['one', 'two'])" in ran.text, "the warning is not of the cell's line"


def test_a_cells_lines_are_ranked(kernel: FrontEnd, bert: Path) -> None:
    ran = kernel.must(
        f'%%wiz_rerank -o found --query "a dog" --model {bert}\na cat\na dog\nthe cold river\n'
    )
    assert "no reranker" in ran.text
    assert ran.text.index("a dog") < ran.text.index("a cat")
    assert kernel.must("[one.index for one in found][0], found is _").text == "(1, True)"
    refused = kernel.page("%%wiz_rerank\na cat\n")
    assert refused.status == "error" and "no query" in refused.error[0]
