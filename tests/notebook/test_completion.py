"""What the Tab key offers after a magic's name."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.notebook.conftest import Cells
from wiz_kernel_ext.errors import ServiceDied
from wiz_kernel_ext.notebook.magics.completion import complete, model_files
from wiz_kernel_ext.protocol.results import OperationInfo


def offered(cells: Cells, line: str) -> list[str]:
    """What fits at the end of `line`."""
    symbol = "" if line.endswith(" ") else re.split(r"[\s:]", line)[-1]
    event = SimpleNamespace(
        command=line.split()[0], line=line, symbol=symbol, text_until_cursor=line
    )
    return [word for word in complete(cells.shell, event) if word.startswith(symbol)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%wiz_prompt --temp", ["--temperature"]),
        ("%wiz_load --c", ["--chat-template", "--check-tensors", "--convert", "--ctx"]),
        ("%wiz_load d", ["demo"]),
        ("%wiz_load demo --ctx ", []),
        ("%wiz_prompt --session ", ["notes", "'two words'"]),
        ("%wiz_attach ", ["op1", "op2"]),
        ("%wiz_cancel op", ["op2"]),
        ("%wiz_unload ", ["/m/demo.gguf"]),
        ("%wiz_prompt What is ", []),
        ("%wiz_status ", []),
        ("%wiz_load u", ["u/r:Q8_0"]),
        ("%wiz_rm ", ["small", "u/r:Q8_0"]),
        ("%wiz_rm u/r:Q", ["Q8_0"]),
        ("%wiz_pull s", ["small"]),
        ("%wiz_verify u/r:Q8_0 ", []),
        ("%wiz_quantize small Q6", ["Q6_K"]),
        ("%wiz_alias --default s", ["small"]),
        ("%wiz_collections r", ["remove", "refresh"]),
        ("%wiz_collections remove ", ["team"]),
        ("%wiz_search --fi", ["--fits"]),
    ],
)
def test_options_and_names_that_exist_are_offered(
    cells: Cells, line: str, expected: list[str]
) -> None:
    cells.client.known = [
        OperationInfo(id="op1", kind="prompt", state="done"),
        OperationInfo(id="op2", kind="prompt", state="running"),
    ]
    assert sorted(offered(cells, line)) == sorted(expected)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_ipython_itself_offers_them(cells: Cells) -> None:
    _, found = cells.shell.complete("--temp", "%%wiz_prompt --temp", 19)
    assert "--temperature" in found


def test_without_a_service_nothing_is_started_and_nothing_offered(cells: Cells) -> None:
    cells.client.is_running = False
    assert offered(cells, "%wiz_prompt --session ") == []


def test_an_error_is_no_completion(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ServiceDied("gone")

    monkeypatch.setattr(cells.client, "sessions", refuse)
    assert offered(cells, "%wiz_prompt --session ") == []


def test_model_files_are_found_here_and_one_level_below(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.gguf", "sub/b.gguf", "c.txt"):
        (tmp_path / name).touch()
    assert [Path(p).name for p in model_files(tmp_path)] == ["a.gguf", "b.gguf"]
