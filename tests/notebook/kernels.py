"""A kernel behind a front end that updates its outputs in place, as a notebook's page does."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from tests.support.homes import Home
from tests.support.kernels import CELL_TIMEOUT_S, Kernel


@dataclass
class Page:
    """What a cell showed: its reply, its messages, and each output as it was left."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]]
    time_s: float
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """ok, error or aborted."""
        return str(self.reply["status"])

    @property
    def text(self) -> str:
        """The plain text on the page."""
        return "\n".join(bundle["text/plain"] for bundle in self.outputs.values())

    @property
    def error(self) -> list[str]:
        """The lines an error was drawn in."""
        return list(self.reply.get("traceback", []))

    def show(self, message: dict[str, Any]) -> None:
        """Apply a message to the page."""
        content, kind = message["content"], message["msg_type"]
        if kind == "stream":
            before = self.outputs.get(content["name"], {"text/plain": ""})["text/plain"]
            self.outputs[content["name"]] = {"text/plain": before + content["text"]}
        elif kind in ("display_data", "update_display_data", "execute_result"):
            key = content.get("transient", {}).get("display_id") or f"output-{len(self.outputs)}"
            self.outputs[key] = content["data"]


class FrontEnd(Kernel):
    """A kernel as the notebook at `path` has it; someone watches."""

    def __init__(self, home: Home, path: str = "") -> None:
        super().__init__({**home.environment, "JPY_SESSION_NAME": path})

    def ask(self, code: str, *, watched: bool = True) -> str:
        """Send a cell; returns its message's id."""
        return str(self.client.execute(code, allow_stdin=watched))

    def page(self, code: str, *, watched: bool = True) -> Page:
        """Run a cell to its end."""
        began = time.monotonic()
        return self.wait(self.ask(code, watched=watched), began)

    def must(self, code: str) -> Page:
        """Run a cell that must not fail."""
        page = self.page(code)
        assert page.status == "ok", (page.error, page.text)
        return page

    def wait(self, message_id: str, began: float | None = None) -> Page:
        """Wait for the end of a cell that was sent."""
        began = time.monotonic() if began is None else began
        messages = self._until_idle(message_id)
        reply = self.client.get_shell_msg(timeout=CELL_TIMEOUT_S)
        while reply["parent_header"].get("msg_id") != message_id:
            reply = self.client.get_shell_msg(timeout=CELL_TIMEOUT_S)
        page = Page(reply["content"], messages, time.monotonic() - began)
        for message in messages:
            page.show(message)
        return page

    def until(self, message_id: str, found: Any) -> dict[str, Any]:
        """The first message of a cell for which `found(message)` is true."""
        deadline = time.monotonic() + CELL_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=0.2)
                if message["parent_header"].get("msg_id") == message_id and found(message):
                    return message
        raise AssertionError("no such message came")

    def complete(self, code: str) -> list[str]:
        """What the Tab key offers at the end of `code`."""
        reply = self.client.complete(code, len(code), reply=True, timeout=CELL_TIMEOUT_S)
        return list(reply["content"]["matches"])

    def _until_idle(self, message_id: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=CELL_TIMEOUT_S)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] != "status":
                messages.append(message)
            elif message["content"]["execution_state"] == "idle":
                return messages
