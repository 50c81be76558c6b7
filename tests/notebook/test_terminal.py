"""The same magics in terminal IPython: plain text as it comes, two-line errors, Ctrl-C."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.notebook.test_kernel import NO_END, SHAPE
from tests.support.homes import Home
from tests.support.tiny_gguf import write_tiny_gguf

PROMPT = r"In \[(\d+)\]: "


class Terminal:
    """IPython in a pseudo-terminal."""

    def __init__(self, home: Home) -> None:
        arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"]
        environ: Any = {**os.environ, **home.environment, "TERM": "dumb"}
        self.child: Any = pexpect.spawn(
            sys.executable, arguments, env=environ,
            encoding="utf-8", codec_errors="replace", timeout=60, dimensions=(50, 200),
        )  # fmt: skip
        self.child.setecho(False)
        self.child.expect(PROMPT)

    def run(self, line: str) -> str:
        """Type a line; returns what was printed."""
        self.child.sendline(line)
        return self.rest()

    def rest(self) -> str:
        """What is printed until the next prompt."""
        self.child.expect(PROMPT)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.child.before).replace("\r\n", "\n")

    def close(self) -> None:
        self.child.sendline("exit")
        self.child.expect(pexpect.EOF)
        self.child.close()


@pytest.fixture
def terminal(home: Home) -> Iterator[Terminal]:
    """A terminal with a model loaded."""
    home.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(home.places.models_dir / "tiny.gguf", SHAPE)
    terminal = Terminal(home)
    terminal.run("%load_ext wiz_kernel_ext")
    loaded = terminal.run("%wiz_load tiny.gguf --ctx 2000 --threads 1")
    assert "Loading tiny.gguf …" in loaded
    assert "session terminal-" in loaded
    terminal.run(NO_END)
    yield terminal
    terminal.close()


def test_a_terminal_session_from_load_to_interrupt(terminal: Terminal) -> None:
    printed = terminal.run("%wiz_prompt -o reply --max-tokens 12 Who are you?")
    assert "[12 tokens" in printed
    assert "Out[" not in printed
    assert "True" in terminal.run("_ == reply, reply.finish_reason")

    failed = terminal.run("%wiz_prompt Hello --top-kk 2")
    assert failed.strip().splitlines() == [
        "BadRequest: Unknown option --top-kk.",
        "→ Did you mean --top-k? `%wiz_prompt?` shows the options.",
    ]

    terminal.child.sendline("%wiz_prompt Go on -o part --max-tokens 1900")
    terminal.child.expect(r"\S")
    terminal.child.sendintr()
    ended = terminal.rest()
    assert "interrupted" in ended
    assert "KeyboardInterrupt: Interrupted." in ended
    assert "cancelled" in terminal.run("part.finish_reason")

    started = terminal.run("%wiz_prompt Go on --background -o job --max-tokens 12")
    assert "op-" in started
    assert "12" in terminal.run("job.result().usage.n_tokens")
    assert "[12 tokens" in terminal.run("%wiz_attach")
    assert "tiny" in terminal.run("%wiz_status")


def test_control_sequences_of_an_answer_are_seen_and_not_obeyed(terminal: Terminal) -> None:
    terminal.run(r"%config WizMagics.logit_bias = {'\x1b': 1000}")
    terminal.child.sendline("%wiz_prompt --max-tokens 3 Hi")
    terminal.child.expect(PROMPT)
    assert r"\x1b\x1b\x1b" in terminal.child.before
