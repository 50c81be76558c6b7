"""A real ipykernel, driven as a front end does: cells in, messages out."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.support.place import Place

CELL_TIMEOUT_S = 60.0


@dataclass
class Ran:
    """What a cell did: its reply, and every output in the order and form it was sent."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]]
    time_s: float
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def texts(self) -> list[str]:
        """The plain text of what is on the screen at the end."""
        return [bundle["text/plain"] for bundle in self.outputs.values()]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def error(self) -> list[str]:
        """The lines an error was drawn in."""
        return list(self.reply.get("traceback", []))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["msg_type"] == kind]


class Kernel:
    """A kernel and its client."""

    def __init__(self, here: Place, *, session_name: str | None = None) -> None:
        self._environ = dict(here.environ)
        if session_name:
            self._environ["JPY_SESSION_NAME"] = session_name
        self._manager = KernelManager()
        self._manager.start_kernel(
            env=self._environ, cwd=str(here.folder), extra_arguments=["--log-level=50"]
        )
        self._connect()

    def _connect(self) -> None:
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=CELL_TIMEOUT_S)

    def send(self, code: str, **options: Any) -> str:
        """Send a cell and return its message's id."""
        return str(self._client.execute(code, **options))

    def run(self, code: str, **options: Any) -> Ran:
        """Run a cell to its end."""
        began = time.monotonic()
        return self.wait(self.send(code, **options), began)

    def must(self, code: str) -> Ran:
        """Run a cell that must not fail."""
        ran = self.run(code)
        assert ran.status == "ok", (ran.error, ran.text)
        return ran

    def wait(self, msg_id: str, began: float | None = None) -> Ran:
        """Wait for the end of a cell that was sent."""
        began = time.monotonic() if began is None else began
        messages = self.messages(msg_id)
        while True:
            reply = self._client.get_shell_msg(timeout=CELL_TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == msg_id:
                break
        ran = Ran(reply["content"], messages, time.monotonic() - began)
        for message in messages:
            show(ran.outputs, message)
        return ran

    def messages(self, msg_id: str) -> list[dict[str, Any]]:
        """The messages of a cell, until the kernel is idle again."""
        messages: list[dict[str, Any]] = []
        while True:
            message = self._client.get_iopub_msg(timeout=CELL_TIMEOUT_S)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return messages
                continue
            messages.append(message)

    def until(self, msg_id: str, found: Any, timeout_s: float = CELL_TIMEOUT_S) -> dict[str, Any]:
        """The first message of a cell for which `found(message)` is true."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                message: dict[str, Any] = self._client.get_iopub_msg(timeout=0.2)
                if message["parent_header"].get("msg_id") == msg_id and found(message):
                    return message
        raise AssertionError(f"no such message within {timeout_s} s")

    def complete(self, code: str) -> list[str]:
        """What the Tab key offers at the end of `code`."""
        reply = self._client.complete(code, len(code), reply=True, timeout=CELL_TIMEOUT_S)
        return list(reply["content"]["matches"])

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart as the front end's menu does."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=False, env=self._environ)
        self._connect()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=False)


def show(outputs: dict[str, dict[str, str]], message: dict[str, Any]) -> None:
    """Apply a message to what is on the screen."""
    content = message["content"]
    kind = message["msg_type"]
    if kind == "stream":
        key = f"stream-{content['name']}"
        before = outputs.get(key, {"text/plain": ""})["text/plain"]
        outputs[key] = {"text/plain": before + content["text"]}
    elif kind in ("display_data", "update_display_data", "execute_result"):
        key = content.get("transient", {}).get("display_id") or f"output-{len(outputs)}"
        outputs[key] = content["data"]
