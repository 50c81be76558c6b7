"""What its user is to be told once: that a database was damaged, what was saved, where it lies.

Kept in a file until the next operation takes it along, so that it outlives a service that nobody
asked. Where the file cannot be written it is only in memory.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from wiz_kernel_ext.store import Recovered

_NOUNS = {"sessions": "conversation", "messages": "message", "operations": "operation"}


class Untold:
    """The one thing that is still to be said, if there is any."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = ""
        with contextlib.suppress(OSError):
            self._text = file.read_text(encoding="utf-8", errors="replace").strip()

    @property
    def text(self) -> str:
        """What it is; empty if everything was told."""
        return self._text

    def add(self, text: str) -> None:
        """Have one more to tell."""
        self._text = f"{self._text} {text}".strip()
        with contextlib.suppress(OSError):
            self._file.touch(mode=0o600)
            self._file.write_text(self._text, encoding="utf-8")

    def take(self) -> str:
        """What is to be told now; it is not told again."""
        text, self._text = self._text, ""
        if text:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
        return text


def said_recovered(recovered: Recovered) -> str:
    """What became of the conversations, for their owner."""
    n_saved = {_NOUNS[name]: n for name, n in recovered.n_saved.items() if n and name in _NOUNS}
    counts = [f"{n} {noun}{'s' if n != 1 else ''}" for noun, n in sorted(n_saved.items())]
    saved = (
        f"{', '.join(counts)} could be read, and are here" if counts else "nothing of it is left"
    )
    if recovered.is_newer:
        return (
            "The database of conversations is of a newer version of wiz_kernel_ext: what this one "
            f"can read was copied ({saved}). The newer one's file is kept as {recovered.aside}"
        )
    return (
        f"The database of conversations was damaged: {saved}. The damaged file is kept as "
        f"{recovered.aside}"
    )
