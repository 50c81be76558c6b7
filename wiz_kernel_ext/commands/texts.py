"""Vectors and rankings of texts, as people read them and as scripts do. Pure."""

from __future__ import annotations

from typing import Any

from wiz_kernel_ext.commands.numbers import shortened
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.protocol.embedding import Embeddings, Ranking

TEXT_WIDTH = 60
N_SHOWN = 4


def lines_of(text: str) -> list[str]:
    """The texts in a cell or a file: one on each line that has something on it."""
    return [line for line in text.splitlines() if line.strip()]


def vectors_line(found: Embeddings) -> str:
    """How many vectors there are, of what; what is to be known of them follows."""
    what = f"{found.n} vectors" if found.n != 1 else "1 vector"
    first = f"{what} of {found.dims} numbers · {found.pooling} of {found.n_tokens} tokens"
    return "\n".join([first, *found.notices])


def vectors_table(texts: list[str], found: Embeddings) -> Table:
    """Each text with the first numbers of its vector."""
    rows = [
        (shortened(text, TEXT_WIDTH), ", ".join(f"{x:.4f}" for x in row[:N_SHOWN]) + ", …")
        for text, row in zip(texts, found.rows(), strict=True)
    ]
    return Table("", ("text", "vector"), rows, "")


def vectors_json(found: Embeddings) -> dict[str, Any]:
    """All there is, the vectors as lists of numbers."""
    return {
        "model_path": found.model_path,
        "dims": found.dims,
        "pooling": found.pooling,
        "n_tokens": found.n_tokens,
        "truncated": found.truncated,
        "notices": found.notices,
        "vectors": found.rows(),
    }


def ranking_table(found: Ranking) -> Table:
    """The texts, best first."""
    rows = [(f"{one.score:.4f}", str(one.index), shortened(one.text, TEXT_WIDTH)) for one in found]
    return Table("", ("score", "index", "text"), rows, "")
