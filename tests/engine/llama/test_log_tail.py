"""The last lines of the library, whole, with the reason of a failure."""

from __future__ import annotations

from wiz_kernel_ext.engine.llama.log_tail import CONTINUED, DEBUG, ERROR, INFO, WARNING, LogTail


def test_lines_in_pieces_are_put_together_and_dots_of_progress_left_out() -> None:
    written: list[str] = []
    tail = LogTail(written.append, least=INFO)
    tail.add(INFO, "load: read")
    tail.add(CONTINUED, "ing\nnext")
    tail.add(CONTINUED, "....\n")
    tail.add(CONTINUED, "....\n")
    assert tail.lines() == ["load: reading", "next...."]
    assert written == ["load: reading\n", "next....\n"]


def test_only_what_is_worth_it_is_written_and_debug_is_not_kept() -> None:
    written: list[str] = []
    tail = LogTail(written.append)
    tail.add(DEBUG, "details\n")
    tail.add(INFO, "info\n")
    tail.add(WARNING, "warning\n")
    tail.add(ERROR, "error\n")
    assert written == ["error\n"]
    assert tail.lines() == ["info", "warning", "error"]


def test_the_reason_is_the_first_error_without_the_functions_name() -> None:
    tail = LogTail(lambda _: None)
    tail.add(ERROR, "gguf_init: tensor 'x' is out of bounds\n")
    tail.add(ERROR, "llama_load: failed to load model\n")
    assert tail.reason() == "tensor 'x' is out of bounds"
    tail.clear()
    assert tail.reason() == ""
    tail.add(ERROR, "no function here\n")
    assert tail.reason() == "no function here"


def test_only_the_last_fifty_lines_are_kept() -> None:
    tail = LogTail(lambda _: None)
    for n in range(80):
        tail.add(INFO, f"{n}\n")
    assert len(tail.lines()) == 50
    assert tail.lines()[-1] == "79"


def test_what_is_no_news_is_left_out_until_the_next_load() -> None:
    written: list[str] = []
    tail = LogTail(written.append)
    tail.is_muted = True
    tail.add(ERROR, "graph_compute: failed\n")
    assert (written, tail.reason()) == ([], "")
    tail.clear()
    tail.add(ERROR, "load: no such file\n")
    assert tail.reason() == "no such file"
