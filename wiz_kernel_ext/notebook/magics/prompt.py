"""`%%wiz_prompt` and `%wiz_prompt`: ask the model, in this notebook's session."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.flags import given, prompt_flags
from wiz_kernel_ext.errors import BadRequest, OperationCancelled
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.defaults import OVERFLOW, SAMPLING
from wiz_kernel_ext.notebook.follow import follow, follow_behind
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.views.answer import AnswerView, PlainAnswer, RichAnswer
from wiz_kernel_ext.notebook.views.load import about_session
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.images import images_of
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation


def run(host: MagicHost, arguments: argparse.Namespace, text: str) -> Any:
    """`%wiz_prompt TEXT`, or `%%wiz_prompt` with the text in the cell's body."""
    if not text.strip():
        raise BadRequest(
            "The prompt is empty.",
            hint="%wiz_prompt TEXT, or %%wiz_prompt and the text under it.",
            field="prompt",
        )
    variable = checked_variable(arguments.o)
    sampling = host.over(SAMPLING, given(arguments, SAMPLING.values()))
    options = build(PromptOptions, sampling)
    operation, view = _asked(host, arguments, text, options)
    keep = host.notebook.keep
    if not arguments.background:
        leaving = host.notebook.leaving
        answer = follow(operation, view, lambda answer: keep(variable, answer), leaving)
        if answer.finish_reason == "cancelled":
            raise OperationCancelled(
                "The answer was cancelled, from elsewhere.",
                hint="What there is of it is kept in `_`.",
                operation_id=operation.id,
            )
        return answer
    keep(variable, operation)
    if host.notebook.headless():
        follow(operation, view, lambda _: None, host.notebook.leaving)
    elif host.screen.rich:
        follow_behind(operation, view)
    else:
        say(host, f"Runs in the background: %wiz_attach {operation.id} shows it.")
    return operation


def _asked(
    host: MagicHost, arguments: argparse.Namespace, text: str, options: PromptOptions
) -> tuple[Operation, AnswerView]:
    name = host.session or None if arguments.session is None else arguments.session
    session, known = host.notebook.open_session(name, system=arguments.system, new=arguments.new)
    request = Prompt(
        prompt=text,
        options=options,
        session=session.id,
        images=images_of(arguments.images),
        **host.over(OVERFLOW, given(arguments, prompt_flags().values())),
        model_path=host.notebook.model_of_before(session),
        autoload=True,
    )
    operation = host.notebook.client.start(request)
    return operation, answer_view(host, about_session(session, known=known), operation.id)


def answer_view(host: MagicHost, about: str, operation_id: str) -> AnswerView:
    """How this front end draws an answer."""
    screen = host.screen
    if screen.rich:
        return RichAnswer(screen, about, operation_id, time.monotonic)
    return PlainAnswer(screen, about)
