"""What the Tab key offers after a magic's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter

from tests.notebook.conftest import Cells
from wiz_kernel_ext.errors import ServiceDied
from wiz_kernel_ext.notebook.magics.completion import model_files
from wiz_kernel_ext.notebook.magics.parsers import PARSERS
from wiz_kernel_ext.protocol.results import OperationInfo


def offered(cells: Cells, line: str) -> list[str]:
    """What IPython offers for the word at the end of `line`."""
    cursor = len(line)
    found = []
    with provisionalcompleter():
        for one in cells.shell.Completer.completions(line, cursor):
            assert one.end == cursor
            found.append(one.text)
    return found


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
        ("%wiz_rm u/r:Q", ["u/r:Q8_0"]),
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


def test_nothing_that_python_knows_is_offered(cells: Cells) -> None:
    cells.shell.user_ns["convertible"] = cells.shell.user_ns["zzz_variable"] = 1
    assert offered(cells, "%wiz_load --c") == [
        "--convert", "--ctx", "--check-tensors", "--chat-template"
    ]  # fmt: skip
    for line in ("%wiz_load zzz", "%wiz_prompt zzz", "%wiz_load demo --ctx ", "%wiz_load conv",
                 "%%wiz_prompt\nSay zzz", "%wiz_load --ctx="):  # fmt: skip
        assert offered(cells, line) == [], line
    # Other lines are Python's.
    assert "zzz_variable" in offered(cells, "%%wiz_prompts\nzzz")
    assert "zzz_variable" in offered(cells, "zzz")
    assert "zzz_variable" in offered(cells, "%time len(zzz")


def test_without_the_matcher_python_would_be_asked(cells: Cells) -> None:
    cells.shell.user_ns["convertible"] = 1
    kept = list(cells.shell.Completer.custom_matchers)
    cells.shell.Completer.custom_matchers.clear()
    try:
        assert offered(cells, "%wiz_load conv") or offered(cells, "%wiz_load --c")
    finally:
        cells.shell.Completer.custom_matchers[:] = kept


def test_values_that_have_names_are_offered(cells: Cells) -> None:
    assert offered(cells, "%wiz_load demo --kv-type q") == ["q8_0", "q4_0"]
    assert offered(cells, "%wiz_load demo --kv-type=q8") == ["--kv-type=q8_0"]
    assert offered(cells, "%wiz_load demo --gpu-layers ") == ["auto"]
    assert offered(cells, "%wiz_load demo --chat-template chat") == ["chatml"]
    assert "chatml" in offered(cells, "%wiz_prompt --chat-template ")
    assert offered(cells, "%wiz_load --convert q") == ["q8_0"]


def test_files_are_offered_as_words_of_the_line(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two words").mkdir()
    for name in ("my model.gguf", "plain.gguf", "two words/it's.gguf", "notes.txt", ".hidden.gguf"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert offered(cells, "%wiz_load my") == ["'my model.gguf'"]
    assert offered(cells, "%wiz_load 'my m") == ["'my model.gguf'"]
    assert offered(cells, '%wiz_load "my m') == ['"my model.gguf"']
    assert offered(cells, "%wiz_load ./") == ["'./my model.gguf'", "./plain.gguf", "'./two words/"]
    assert offered(cells, "%wiz_load './two words/") == ['"./two words/it\'s.gguf"']
    assert offered(cells, "%wiz_load ~/pl") == ["~/plain.gguf"]
    assert offered(cells, f"%wiz_inspect {tmp_path}/pl") == [f"{tmp_path}/plain.gguf"]
    assert offered(cells, "%wiz_load ./.h") == ["./.hidden.gguf"]
    assert offered(cells, "%wiz_load /nowhere/at/all/") == []
    assert "./notes.txt" in offered(cells, "%wiz_load --chat-template ./")
    assert offered(cells, "%wiz_prompt --adapter pl") == ["plain.gguf"]
    for word in ("'my model.gguf'", '"./two words/it\'s.gguf"', "~/plain.gguf"):
        assert PARSERS["load"].parse_line(word).model.strip("'") in word


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
