"""`jupyter wiz prompt`: one answer on standard output, as it comes."""

from __future__ import annotations

import argparse
import os
import sys
import threading

from wiz_kernel_ext.cli.terminal_ui import TerminalUI
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.flags import given, prompt_flags, sampling_flags
from wiz_kernel_ext.commands.notices import ending
from wiz_kernel_ext.commands.numbers import shortened
from wiz_kernel_ext.commands.service_tables import TITLE_WIDTH, speed
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.local_paths import located
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.images import images_of
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Load, Prompt
from wiz_kernel_ext.protocol.results import Loaded, SessionInfo

DEFAULT_MODEL = "demo"
WAITING_S = 3.0
WAITING = "[Waiting for the end of standard input. Without any: jupyter wiz prompt … < /dev/null]"


def run(arguments: argparse.Namespace) -> int:
    """Answer TEXT; with --session in that conversation, else in none. Ctrl-C cancels: exit 130."""
    text = read_text(arguments.text)
    options = build(PromptOptions, given(arguments, sampling_flags().values()))
    images = images_of(arguments.images)
    client = Client()
    try:
        info = None
        if arguments.session:
            info = client.open_session(arguments.session, system_prompt=arguments.system)
        model = ready_model(client, arguments.model, info)
        system = [ChatMessage(role="system", content=arguments.system)] if arguments.system else []
        request = Prompt(
            prompt=text,
            options=options,
            session=info.id if info else None,
            messages=None if info else system,
            images=images,
            model_path=model,
            autoload=True,
            **given(arguments, prompt_flags().values()),
        )
        title = shortened(text, TITLE_WIDTH)
        answer: Answer = TerminalUI(client).follow(client.start(request), title)
        if sys.stderr.isatty():
            took = [speed(answer.usage.n_tokens, answer.timings.generation_s)]
            took += filter(None, [ending(answer)])
            print(f"[{' · '.join(took)}]", file=sys.stderr)
    finally:
        client.close()
    return 0


def read_text(words: list[str], command: str = "prompt") -> str:
    """The prompt: the line's words, and what is on standard input behind them, or where - stands.

    A person at a terminal is not waited for, unless - asks for it.
    """
    asked = "-" in words
    if not words and is_person():
        hint = f'jupyter wiz {command} "Hello"'
        raise BadRequest("TEXT is missing.", hint=hint, field="text")
    with taken():
        piped = "" if is_person() and not asked else read_input().strip("\n")
    # A locale that knows ASCII only leaves other letters as bytes; what is no letter is refused.
    line = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in words]
    before, after = line, [piped]
    if asked:
        at = words.index("-")
        before, after = line[:at], [piped, " ".join(line[at + 1 :])]
    text = "\n\n".join(part for part in (" ".join(before), *after) if part.strip())
    if not text:
        raise BadRequest("The prompt is empty.", hint="Write it to standard input.", field="text")
    return text


def is_person() -> bool:
    """Whether standard input is a terminal, or nothing at all."""
    return sys.stdin is None or sys.stdin.isatty()


def read_input() -> str:
    """Standard input to its end, whatever encoding Python takes it to have.

    Who waits for it and does not know is told so: a pipe that nobody closes has no end.
    """
    told = threading.Timer(WAITING_S, lambda: print(WAITING, file=sys.stderr))
    told.daemon = True
    told.start()
    try:
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    finally:
        told.cancel()


def ready_model(client: Client, name: str | None, session: SessionInfo | None) -> str | None:
    """Have the model named ready, else the session's, what is loaded, the default, or demo."""
    if name is None:
        if (session is not None and session.model_path) or client.status().workers:
            return None
        name = client.aliases().default or DEFAULT_MODEL
    loaded: Loaded = TerminalUI(client).watch(client.start(Load(model=located(name))), name)
    return loaded.model.model_path
