"""`Notebook`: this kernel as the service knows it — its client, its session, its last operation.

Made by the magics, once per shell; nothing is connected, read or started before it is asked for.
Knows the client's face and IPython's namespace; parses nothing and draws nothing.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.notebook.identity import Identity, checked_session_name, identify
from wiz_kernel_ext.printable import encodable, printable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from wiz_kernel_ext.client import Client
    from wiz_kernel_ext.protocol.results import SessionInfo
    from wiz_kernel_ext.transport.endpoints import ConnectionInfo

# Jupyter asks for the end 2 to 10 ms after its interrupt, 26 where a machine has twice the work it
# can do; a user who only stops an answer waits for this.
LEAVING_WAIT_S = 0.1


class _DrawnAlready:
    """A display hook for one cell, whose magics drew `values` themselves."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook
        self.values: list[Any] = []

    def __call__(self, result: Any) -> None:
        if any(result is value for value in self.values):
            self._hook.fill_exec_result(result)
        else:
            self._hook(result)


class Notebook:
    """One shell's view of the service; `make_client` connects it at first use."""

    def __init__(self, shell: InteractiveShell, make_client: Callable[[], Client]) -> None:
        self.shell: Any = shell
        self._make_client = make_client
        self._client: Client | None = None
        self._loaded: tuple[str | None, ConnectionInfo | None] = (None, None)
        self._fallback = f"terminal-{secrets.token_hex(3)}"
        self._seen: set[str] = set()

    @property
    def client(self) -> Client:
        """The client, which finds or starts the service when it is first asked something."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def identity(self) -> Identity:
        """Which notebook this is, read anew: front ends tell late, and files are renamed."""
        return identify(self.shell.user_ns, os.environ, self._connection_file(), self._fallback)

    def session_fields(
        self, name: str | None, *, system: str | None = None, new: bool = False
    ) -> dict[str, Any]:
        """How a request names the session called `name`, or the notebook's own."""
        asked: dict[str, Any] = {"system_prompt": system, "new": new}
        if name is not None:
            return {"session": checked_session_name(name), **asked}
        who = self.identity()
        return {"session": who.name, "notebook": who.notebook, "kernel_id": who.kernel_id, **asked}

    def saw(self, session: SessionInfo) -> bool:
        """Note that this session is spoken in here; whether it was before."""
        known = session.id in self._seen
        self._seen.add(session.id)
        return known

    def loaded(self, path: str) -> None:
        """Note which model was loaded in this kernel, and in which life of the service."""
        self._loaded = (path, self.client.connection)

    def model_of_before(self, session: SessionInfo) -> str | None:
        """The model loaded here in an earlier life of the service, for a session with none.

        The service knows what was loaded in this life; after a pause it may be another one.
        """
        path, then = self._loaded
        is_needed = path is not None and session.model_path is None
        return path if is_needed and self.client.connection != then else None

    def open_session(
        self, name: str | None, *, system: str | None = None, new: bool = False
    ) -> tuple[SessionInfo, bool]:
        """The session called `name`, or the notebook's own; and whether it was seen here before."""
        fields = self.session_fields(name, system=system, new=new)
        info = self.client.open_session(fields.pop("session"), **fields)
        return info, self.saw(info)

    def keep(self, name: str | None, value: Any) -> None:
        """Make `value` the last output (`_`, `Out[n]`), and a variable called `name`."""
        if name:
            self.shell.push({name: value}, interactive=False)
        self.shell.displayhook.update_user_ns(value)
        self._leave_undrawn(value)

    def headless(self) -> bool:
        """Whether nobody watches (nbclient, papermill): a cell should end when its work has."""
        kernel = getattr(self.shell, "kernel", None)
        return kernel is not None and not getattr(kernel, "_allow_stdin", True)

    def confirm(self, question: str) -> bool | None:
        """Whether the user says yes; None where nobody can be asked."""
        if self.headless():
            return None
        try:
            with taken():
                question = encodable(printable(question), sys.stdout)
                return input(question).strip().lower() in ("y", "yes")
        except (EOFError, NotImplementedError):  # a pipe; a front end without input
            return None

    def leaving(self) -> bool:
        """Whether an interrupt just now was Jupyter's, on its way to restart or end this kernel.

        It interrupts first, and asks to end at once after; work in the service should go on then.
        """
        if not hasattr(self.shell, "kernel"):
            return False
        deadline = time.monotonic() + LEAVING_WAIT_S
        while not self.shell.exit_now and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(self.shell.exit_now)

    def close(self) -> None:
        """Let go of the service; what runs there runs on."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _leave_undrawn(self, value: Any) -> None:
        """A magic may return `value` (so `x = %wiz_prompt …` works) without it being drawn again.

        IPython puts its own hook back at the end of the cell.
        """
        if sys.displayhook is self.shell.displayhook:
            sys.displayhook = _DrawnAlready(self.shell.displayhook)
        if isinstance(sys.displayhook, _DrawnAlready):
            sys.displayhook.values.append(value)

    def _connection_file(self) -> str | None:
        if not hasattr(self.shell, "kernel"):
            return None
        from ipykernel.connect import get_connection_file

        try:
            return str(get_connection_file())
        except RuntimeError:  # a kernel embedded in another program has none
            return ""


def checked_variable(name: str | None) -> str | None:
    """`name` if a variable can be called that; raises BadRequest."""
    if name is not None and not name.isidentifier():
        raise BadRequest(
            f"-o takes a variable's name, not {name!r}.", hint="For example: -o answer", field="-o"
        )
    return name
