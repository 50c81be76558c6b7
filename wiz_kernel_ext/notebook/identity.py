"""Which notebook this is, from what the front end happens to tell.

Pure: what it looks at are arguments. Jupyter Server tells in JPY_SESSION_NAME (its value is right
again after a restart that follows a rename), VS Code sets `__vsc_ipynb_file__` some time after the
kernel's start (hence read at the first magic), nbclient and papermill tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from wiz_kernel_ext.errors import BadRequest

MAX_STEM = 80
MAX_NAME = 200


@dataclass(frozen=True)
class Identity:
    """The name of a notebook's own session, and what the service may find it by again."""

    name: str
    notebook: str | None = None
    kernel_id: str | None = None


def identify(
    user_ns: Mapping[str, Any],
    environ: Mapping[str, str],
    connection_file: str | None,
    fallback: str,
) -> Identity:
    """The identity of this process; `connection_file` is None outside a kernel (a terminal).

    `fallback` names the session where nothing else does: it should be the process's own.
    """
    if connection_file is None:
        return Identity(name=fallback)
    kernel_id = PurePath(connection_file).stem.removeprefix("kernel-") or None
    told = (
        user_ns.get("__vsc_ipynb_file__"),
        environ.get("JPY_SESSION_NAME"),
        user_ns.get("__session__"),
    )
    for place in told:
        if isinstance(place, str) and place.endswith((".ipynb", ".interactive")):
            # A file's name may have bytes that are no UTF-8.
            notebook = place.encode("utf-8", "backslashreplace").decode()
            return Identity(name=_stem(place) or fallback, notebook=notebook, kernel_id=kernel_id)
    name = f"kernel-{kernel_id[:8]}" if kernel_id else fallback
    return Identity(name=name, kernel_id=kernel_id)


def checked_session_name(name: str) -> str:
    """`name` if a session can be called that; raises BadRequest."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        raise BadRequest(
            f"A session cannot be called {name[:40]!r}.",
            hint=f"Use 1 to {MAX_NAME} printable characters, with no blanks at the ends.",
            field="session",
        )
    return name


def _stem(place: str) -> str:
    """The file's name without its ending, and without the drive of shared documents (RTC:)."""
    stem = re.split(r"[/\\:]", place)[-1].rpartition(".")[0]
    return "".join(c for c in stem if c.isprintable()).strip()[:MAX_STEM]
