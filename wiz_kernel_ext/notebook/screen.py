"""The seam between views and the front end: a notebook that redraws, or a terminal that scrolls.

Knows IPython's display protocol. Knows nothing of operations. Views take a `Screen` and tests pass
their own. Model text is only ever drawn as Markdown that does nothing or as plain text; HTML is
made of our own words, and of what a model thought with every letter escaped (`thoughts.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from wiz_kernel_ext.notebook.views.safe_markdown import safe_markdown
from wiz_kernel_ext.printable import encodable, printable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


Publish = Callable[..., Any]


@dataclass(frozen=True)
class Drawing:
    """One output in the forms a front end can choose from; plain text is always there."""

    plain: str
    markdown: str | None = None
    html: str | None = None

    def __post_init__(self) -> None:
        # A console prints the plain text as it is, in whatever terminal it runs.
        object.__setattr__(self, "plain", printable(self.plain))
        if self.markdown is not None:
            object.__setattr__(self, "markdown", safe_markdown(self.markdown))

    @classmethod
    def small(cls, text: str) -> Drawing:
        """A line of small print."""
        return cls(plain=text, html=f'<small style="opacity:.7">{escape(text)}</small>')

    def bundle(self) -> dict[str, str]:
        """The MIME bundle of Jupyter's display messages."""
        forms = {
            "text/plain": self.plain,
            "text/markdown": self.markdown,
            "text/html": self.html,
        }
        return {mime: data for mime, data in forms.items() if data is not None}


class Slot(Protocol):
    """A place on the screen whose drawing can be replaced, also from another thread."""

    def update(self, drawing: Drawing) -> None:
        """Draw `drawing` there instead."""


class Screen(Protocol):
    """Where a cell's output goes."""

    rich: bool

    def show(self, drawing: Drawing) -> Slot:
        """Draw a new output."""

    def write(self, text: str) -> None:
        """Put `text` after what was written last, at once."""


class NotebookScreen:
    """A front end that speaks Jupyter's display messages."""

    rich = True

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def show(self, drawing: Drawing) -> Slot:
        """Draw a new output under an id of its own, so that it can be updated."""
        slot = _DisplayedSlot(self._publish, uuid4().hex)
        slot.publish(drawing, update=False)
        return slot

    def write(self, text: str) -> None:
        """Write to the cell's standard output."""
        _write(text)


class _DisplayedSlot:
    def __init__(self, publish: Publish, display_id: str) -> None:
        self._publish = publish
        self._display_id = display_id

    def update(self, drawing: Drawing) -> None:
        """Draw `drawing` wherever this id is shown."""
        self.publish(drawing, update=True)

    def publish(self, drawing: Drawing, *, update: bool) -> None:
        """Send the display message."""
        self._publish(
            data=drawing.bundle(), transient={"display_id": self._display_id}, update=update
        )


class TerminalScreen:
    """A terminal: what is written stays; an update is nothing but the next line."""

    rich = False

    def show(self, drawing: Drawing) -> Slot:
        """Print it."""
        self.update(drawing)
        return self

    def update(self, drawing: Drawing) -> None:
        """Print what it has become."""
        if drawing.plain:
            self.write(drawing.plain + "\n")

    def write(self, text: str) -> None:
        """Write to standard output."""
        _write(text)


def _write(text: str) -> None:
    sys.stdout.write(encodable(printable(text), sys.stdout))
    sys.stdout.flush()


def screen_of(shell: InteractiveShell, output: str) -> Screen:
    """The screen of `shell`; `output` is "rich", "plain", or "auto": rich in a kernel."""
    rich = hasattr(shell, "kernel") if output == "auto" else output == "rich"
    return NotebookScreen(shell.display_pub.publish) if rich else TerminalScreen()
