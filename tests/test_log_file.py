"""The last lines of a log, however long it is, and whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiz_kernel_ext.log_file import last_lines, shorten


def test_the_last_lines_without_empty_ones_and_of_a_missing_log_none(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n\n" for n in range(5000)))
    assert last_lines(log, 2) == ["line 4998", "line 4999"]
    assert last_lines(log, 4000) == [f"line {n}" for n in range(1000, 5000)]
    assert last_lines(log, 9000) == [f"line {n}" for n in range(5000)]
    assert last_lines(tmp_path / "missing", 2) == []


@pytest.mark.parametrize("n_lines", [0, -1])
def test_no_lines_are_none(tmp_path: Path, n_lines: int) -> None:
    (tmp_path / "log").write_text("a\n")
    assert last_lines(tmp_path / "log", n_lines) == []


def test_lines_longer_than_a_block_and_bytes_that_are_no_text_come_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 30_000 + b"\n\xff end")
    assert last_lines(log, 2) == ["x" * 30_000, "\ufffd end"]


def test_what_is_written_after_the_end_named_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a\nb\n")
    end = log.stat().st_size
    with log.open("a") as more:
        more.write("c\n")
    assert last_lines(log, 5, end=end) == ["a", "b"]


def test_a_log_that_grows_and_grows_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab") as writer:
        for n in range(1000):
            writer.write(f"line {n}\n".encode())
        writer.flush()
        shorten(log, 1 << 20)
        assert len(log.read_text().splitlines()) == 1000, "a short one stays as it is"
        shorten(log, 4000)
        writer.write(b"the last line\n")
    lines = log.read_text().splitlines()
    assert "gone" in lines[0]
    assert lines[-2:] == ["line 999", "the last line"]
    assert all(line.startswith("line ") for line in lines[1:-1])
    assert log.stat().st_size < 4000
