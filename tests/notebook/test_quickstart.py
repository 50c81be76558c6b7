"""The quickstart notebook, executed from top to bottom as nbclient and papermill do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

import wiz_kernel_ext
from tests.support.homes import Home

NOTEBOOK = Path(wiz_kernel_ext.__file__).parents[1] / "notebooks" / "quickstart.ipynb"


def text_of(cell: Any) -> str:
    """What a cell printed and drew, as plain text."""
    outputs = cell.get("outputs", [])
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    )


async def test_the_quickstart_runs_to_its_end_and_leaves_nothing_running(home: Home) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    await client.async_execute(env={**os.environ, **home.environment})
    assert home.processes() == []
    texts = {cell.source.splitlines()[0]: text_of(cell) for cell in notebook.cells}
    assert "session" in texts["%load_ext wiz_kernel_ext"]
    assert "Ana" in texts["%wiz_prompt --temperature 0 What is my name?"]
    assert texts["%wiz_attach"].startswith(
        texts["%wiz_prompt --temperature 0 What is my name?"].split(" · ")[0]
    )
    assert "'stop'" in texts["answer.finish_reason, answer.usage.n_tokens, answer.splitlines()[0]"]
    assert "has stopped" in texts["%wiz_unload"]
