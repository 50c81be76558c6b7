"""A shell with the magics loaded and a scripted client behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from tests.support.fake_client import FakeClient
from wiz_kernel_ext.notebook import register, unregister


class Cells:
    """Runs cells and remembers what they drew."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.client = FakeClient()
        self.client.keep("notes")
        self.client.keep("two words")
        self.magics = shell.magics_manager.registry["WizMagics"]
        self.magics.notebook._make_client = lambda: self.client
        self.magics.output = "rich"
        make: Any = CapturingDisplayPublisher
        self.shell.display_pub = make()

    def run(self, code: str) -> BaseException | None:
        """Run a cell; returns what it failed with."""
        result = self.shell.run_cell(code, store_history=True)
        error: BaseException | None = result.error_before_exec or result.error_in_exec
        return error

    def must(self, code: str) -> None:
        """Run a cell that must not fail."""
        error = self.run(code)
        if error is not None:
            raise error

    @property
    def drawn(self) -> list[str]:
        """The plain text of every output, in its last state."""
        last: dict[str, str] = {}
        for output in self.shell.display_pub.outputs:
            display_id = (output["transient"] or {}).get("display_id", len(last))
            last[display_id] = output["data"]["text/plain"]
        return list(last.values())


@pytest.fixture(scope="session")
def shell() -> Any:
    """One IPython shell for all tests: it is a singleton by nature."""
    return InteractiveShell.instance()


@pytest.fixture
def cells(shell: Any) -> Iterator[Cells]:
    """The magics in a clean shell."""
    known = set(shell.user_ns)
    publisher, shell.config = shell.display_pub, type(shell.config)()
    register(shell)
    yield Cells(shell)
    unregister(shell)
    shell.display_pub = publisher
    for name in set(shell.user_ns) - known:
        del shell.user_ns[name]
