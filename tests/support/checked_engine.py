"""Whether the engine under the tests is right, found in a child before any test begins."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wiz_kernel_ext.engine_check.check import FILE_NAME, checked
from wiz_kernel_ext.engine_check.diagnosis import tried
from wiz_kernel_ext.errors import EngineUnusable
from wiz_kernel_ext.remedies import worded

FOLDER = Path(__file__).parents[2] / ".pytest_cache" / "engine"
VERDICT = FOLDER / FILE_NAME
"""Kept from one run to the next; a home begins with it, so that not every test tries anew."""


def load_checked_engine() -> str:
    """Load the engine into this process, unless it is bad as it is: then the words for that."""
    try:
        verdict = asyncio.run(checked(FOLDER))
    except EngineUnusable as error:
        return f"{error.message} {error.hint}"
    if not verdict.is_plain:
        ways = "; ".join(tried(verdict))
        what_next = worded("`wiz doctor --rebuild` builds it anew for this machine.")
        return f"The engine is not right as it is ({ways}). {what_next}"
    import wiz_kernel_ext.engine.llama.backend  # noqa: F401

    return ""
