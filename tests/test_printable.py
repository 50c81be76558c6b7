"""What is printed moves no cursor and fills no clipboard, and no encoding ends a command."""

from __future__ import annotations

import io
import json
import pickle
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.screen import Drawing, TerminalScreen
from wiz_kernel_ext.notebook.views.answer import PlainAnswer
from wiz_kernel_ext.printable import (
    PrintableStream,
    encodable,
    json_safe,
    one_line,
    printable,
    printable_streams,
    write_control,
)
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import Delta, Notice
from wiz_kernel_ext.protocol.results import AnswerInfo

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
EVIL = "a\x1b[2Jb\x1b]52;c;aGk=\x07c\x9b31md\re\x08f\u202eg"


def test_what_a_terminal_would_obey_is_seen_instead() -> None:
    assert printable(EVIL) == r"a\x1b[2Jb\x1b]52;c;aGk=\x07c\x9b31md\re\x08f\u202eg"
    assert printable("olá\tx\r\ny\n→ 🙂 שלום") == "olá\tx\ny\n→ 🙂 שלום"
    assert one_line("a\nb\tc\x1b") == r"a\nb\tc\x1b"


@given(st.text())
def test_nothing_raw_is_left(text: str) -> None:
    assert not RAW.search(printable(text))
    assert printable(printable(text)) == printable(text)
    safe = json_safe(json.dumps([text], ensure_ascii=False))
    assert json.loads(safe) == [text]
    assert printable(safe) == safe


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_writes_every_text(encoding: str) -> None:
    binary = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(binary, encoding=encoding))
    print("→ olá 🙂", "\x1b", file=stream)
    stream.flush()
    assert binary.getvalue().startswith("→ olá".encode(encoding, "backslashreplace"))
    assert encodable("🙂", stream).encode(encoding)


def test_only_our_own_sequences_reach_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with printable_streams():
        print(EVIL)
        print(EVIL, file=sys.stderr)
        write_control(sys.stderr, "\r\x1b[K")
    caught = capsys.readouterr()
    assert not RAW.search(caught.out)
    assert caught.err.removesuffix("\r\x1b[K") == printable(EVIL) + "\n"
    print(EVIL)  # and outside the block it would
    assert RAW.search(capsys.readouterr().out)


def test_an_answer_in_terminal_ipython_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainAnswer(TerminalScreen(), f"session {EVIL}")
    view.take([Delta(text=EVIL), Notice(text=EVIL)])
    view.end(Answer(AnswerInfo(text=EVIL + EVIL)))
    out = capsys.readouterr().out
    assert out.count(r"\x1b]52") == 4
    assert not RAW.search(out)


def test_drawings_tables_and_errors_are_printable() -> None:
    assert not RAW.search(Drawing(plain=EVIL).bundle()["text/plain"])
    table = Table(f"models {EVIL}", ("name",), [(f"{EVIL}\nforged row",)], "none")
    assert len(table.plain().splitlines()) == 3
    error = BadRequest(f"There is no {EVIL}", hint=f"Try {EVIL}", field="x")
    assert not RAW.search("".join([str(error), error.hint, *error._render_traceback_()]))
    assert pickle.loads(pickle.dumps(error)).message == error.message


def test_an_error_is_drawn_in_the_encoding_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", narrow)
    lines = BadRequest("olá", hint="x", field="x")._render_traceback_()
    assert lines == [r"BadRequest: ol\xe1", r"\u2192 x"]
