"""What a model thinks before it answers, as a notebook shows it: folded, in small print. Pure.

A model's text, but nothing of it is read as HTML or Markdown: it stands in a block of its own,
letter by letter.
"""

from __future__ import annotations

from html import escape

from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.printable import printable

BEGUN, ENDED = "[thinking]", "[answer]"
"""What stands around it where nothing can be folded."""


def thoughts(text: str, *, is_open: bool) -> Drawing:
    """The drawing of it; `is_open` while it comes."""
    title = "Thinking…" if is_open else "Thoughts"
    shown = escape(printable(text))
    html = (
        f'<details{" open" if is_open else ""} style="opacity:.7">'
        f"<summary><small>{title}</small></summary>"
        f'<pre style="white-space:pre-wrap;font-size:smaller">{shown}</pre></details>'
    )
    return Drawing(plain=f"{BEGUN}\n{text}", html=html)
