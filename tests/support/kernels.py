"""A real ipykernel, as a notebook has it: cells in, what they showed out."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import KernelManager

CELL_TIMEOUT_S = 60.0
START_TIMEOUT_S = 60.0


@dataclass
class Cell:
    """One executed cell: its status and all it showed, in order; times in seconds since sent.

    `answer` is the text it showed last as Markdown too: only a model's answer is drawn so.
    """

    status: str = "running"
    text: str = ""
    shown: list[str] = field(default_factory=list)
    answer: str = ""
    traceback: list[str] = field(default_factory=list)
    error_name: str = ""
    first_text_s: float | None = None
    took_s: float = 0.0


class Kernel:
    """A kernel process and a client of it; `within` makes the command that starts it."""

    def __init__(
        self,
        environment: dict[str, str],
        within: Callable[[list[str]], list[str]] | None = None,
    ) -> None:
        self.manager = KernelManager(kernel_name="python3")
        if within is not None:
            spec = self.manager.kernel_spec
            assert spec is not None
            spec.argv = within([sys.executable, *spec.argv[1:]])
        self._environment = {**os.environ, **environment}
        self.manager.start_kernel(env=self._environment)
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self._wait_for_ready()

    def _wait_for_ready(self) -> None:
        """As the client's own waiting, without its pause to drop what the kernel said before.

        Nobody here takes a message for that of another request.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.client.kernel_info()
            with contextlib.suppress(queue.Empty):
                reply = self.client.get_shell_msg(timeout=1)
                # Else this is not connected to what the kernel publishes yet.
                self.client.get_iopub_msg(timeout=0.2)
                if reply["msg_type"] == "kernel_info_reply":
                    return
            assert self.manager.is_alive()
        raise TimeoutError("the kernel did not start")

    @property
    def pid(self) -> int:
        """The kernel's process id."""
        provisioner: Any = self.manager.provisioner
        return int(provisioner.pid)

    def send(self, code: str) -> str:
        """Send a cell; returns its message id."""
        return str(self.client.execute(code, allow_stdin=False, store_history=True))

    def run(self, code: str, timeout_s: float = CELL_TIMEOUT_S) -> Cell:
        """Send a cell and wait for its end."""
        return self.finish(self.send(code), timeout_s)

    def finish(self, message_id: str, timeout_s: float = CELL_TIMEOUT_S) -> Cell:
        """Read what the cell shows until it is idle."""
        cell, started = Cell(), time.monotonic()
        while True:
            left = started + timeout_s - time.monotonic()
            try:
                message = self.client.get_iopub_msg(timeout=max(0.01, left))
            except queue.Empty:
                raise TimeoutError(f"the cell has not ended; it showed {cell}") from None
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if self._take(cell, message, time.monotonic() - started):
                break
        cell.took_s = time.monotonic() - started
        reply = self.client.get_shell_msg(timeout=timeout_s)
        while reply["parent_header"].get("msg_id") != message_id:
            reply = self.client.get_shell_msg(timeout=timeout_s)
        cell.status = reply["content"]["status"]
        return cell

    def wait_answer(self, message_id: str, timeout_s: float = CELL_TIMEOUT_S) -> str:
        """The first text of the answer that the cell shows."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=timeout_s)
            cell = Cell()
            if message["parent_header"].get("msg_id") == message_id:
                self._take(cell, message, 0.0)
                if cell.answer:
                    return cell.answer
        raise TimeoutError("nothing was answered")

    @staticmethod
    def _take(cell: Cell, message: dict[str, Any], at_s: float) -> bool:
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            return bool(content["execution_state"] == "idle")
        if kind == "stream":
            cell.text += content["text"]
        elif kind in ("display_data", "update_display_data", "execute_result"):
            data = content["data"]
            cell.shown.append(data.get("text/plain", ""))
            if data.get("text/markdown"):
                cell.answer = data["text/plain"]
                cell.first_text_s = at_s if cell.first_text_s is None else cell.first_text_s
        elif kind == "error":
            cell.traceback = content["traceback"]
            cell.error_name = content["ename"]
        return False

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, by its repr."""
        cell = self.run(f"print(repr({expression}))")
        assert cell.status == "ok", cell
        return eval(cell.text)

    def interrupt(self) -> None:
        """Interrupt, as the stop button does."""
        self.manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart, as the menu does."""
        self.manager.restart_kernel(now=False)
        self.client.stop_channels()
        self._connect()

    def kill_and_restart(self) -> None:
        """Kill the kernel with SIGKILL and start it again."""
        os.kill(self.pid, signal.SIGKILL)
        self.manager.restart_kernel(now=True)
        self.client.stop_channels()
        self._connect()

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
