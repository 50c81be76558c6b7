"""Panels without a page: the same content as text and as HTML, every word of it escaped.

For terminals, front ends that show no widgets, and notebooks read where no kernel runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.tables import tables_drawing
from wiz_kernel_ext.protocol.hub import LibraryModel
from wiz_kernel_ext.protocol.results import SessionInfo, SessionMessage

N_MESSAGES = 40
MAX_CHARS = 4000
SPEAKERS = {"user": "You", "assistant": "Model", "tool": "Tool", "system": "System"}


def conversation_drawing(info: SessionInfo, messages: Sequence[SessionMessage]) -> Drawing:
    """The latest of a conversation."""
    title = f"Conversation {info.name}"
    left_out = len(messages) - N_MESSAGES
    if left_out > 0:
        title += f" (the latest {N_MESSAGES} of {len(messages)} messages)"
    shown = [(SPEAKERS[m.role], _cut(m.content)) for m in messages[-N_MESSAGES:]]
    empty = "Nothing was said yet: %%wiz_prompt asks."
    plain = [title, *(f"{who}: {text}" for who, text in shown)] if shown else [title, empty]
    html = "".join(
        f'<div style="margin:.5em 0"><b>{escape(who)}</b>'
        f'<div style="white-space:pre-wrap">{escape(text)}</div></div>'
        for who, text in shown
    )
    return Drawing(
        plain="\n".join(plain),
        html=f"<div><small>{escape(title)}</small>{html or escape(empty)}</div>",
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} …"


def error_drawing(title: str, error: WizError) -> Drawing:
    """A panel that cannot show what it should, and what to do."""
    plain = f"{title}: {error.message}" + (f" {error.hint}" if error.hint else "")
    return Drawing(plain=plain, html=f"<div>{escape(plain)}</div>")


def library_drawing(models: Sequence[LibraryModel]) -> Drawing:
    """The models on this machine."""
    rows = [(model.name, model.quant or "-", size(model.size_bytes)) for model in models]
    table = Table("Models here", ("model", "quant", "size"), rows, "No model is on this machine.")
    return tables_drawing("", [table])
