"""Before any test, find out whether the engine is right on this processor, as it is.

Some tests hold it in their own process, and a bad build would end that process in their middle. So
it is tried in one of its own first, and a bad one is one clear failure at the start. Here, above
`tests/`, since it is to be loaded before any other library of C++.
"""

from __future__ import annotations

import pytest

from tests.support.checked_engine import load_checked_engine

pytest_plugins = ["tests.support.leaks"]
BAD_ENGINE = 4
WRONG = load_checked_engine()


def pytest_configure() -> None:
    """End the run where the engine is bad."""
    if WRONG:
        pytest.exit(WRONG, BAD_ENGINE)
