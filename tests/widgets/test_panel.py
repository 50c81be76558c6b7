"""Panels in a shell: actions and their errors, the ways they are shown, and the magics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.support.fake_client import FakeClient, turn
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.widgets import Chat, Status
from wiz_kernel_ext.notebook.widgets.panel import CONTROL_MESSAGE, Action, Panel, show_panel
from wiz_kernel_ext.notebook.widgets.panel_clients import PanelClients, panel_clients


class Shell:
    """What a panel takes of a shell; `kernel` as ipykernel's."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.kernel = SimpleNamespace(control_handlers={})
        self.display_pub = SimpleNamespace(publish=self._publish)

    def _publish(self, **message: Any) -> None:
        self.published.append(message)


class Light(msgspec.Struct, frozen=True):
    """What a lamp shows."""

    on: bool = False


class Lamp(Panel[Light]):
    """A panel with a switch."""

    urgent = frozenset({"now"})

    def __init__(self, shell: Any) -> None:
        super().__init__(shell, Light())
        self.done: list[str] = []
        self.posted: list[dict[str, Any]] = []
        self.gate = threading.Event()

    def actions(self) -> dict[str, Action]:
        return {
            "switch": lambda a: self.done.append(a["to"]),
            "wait": self.wait,
            "measure": lambda a: {"lumen": 7},
            "now": lambda a: self.done.append("now"),
            "refuse": self.refuse,
            "break": lambda a: {"never": 1 / 0},
        }

    def wait(self, action: dict[str, Any]) -> None:
        self.gate.wait(10)

    def refuse(self, action: dict[str, Any]) -> None:
        raise BadRequest("No.", hint="Never.")

    def drawing(self) -> Drawing:
        return Drawing(plain="a lamp", html="<b>a lamp</b>")

    def post(self, content: dict[str, Any]) -> None:
        self.posted.append(content)


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def lamp(shell: Shell) -> Iterator[Lamp]:
    lamp = Lamp(shell)
    yield lamp
    lamp.gate.set()


def until(happened: Any) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_actions_are_done_in_order_and_urgent_ones_at_once(lamp: Lamp) -> None:
    lamp.take({"action": "wait"})
    lamp.take({"action": "switch", "to": "on"})
    lamp.take({"action": "switch", "to": "off"})
    lamp.take({"action": "now"})
    until(lambda: lamp.done == ["now"])
    lamp.gate.set()
    until(lambda: lamp.done == ["now", "on", "off"])


def test_an_action_that_fails_is_told_to_its_page_with_what_to_do(lamp: Lamp) -> None:
    lamp.take({"action": "refuse", "view": "v1", "n": 3})
    lamp.take({"action": "break"})
    lamp.take({"action": "unheard of"})
    lamp.take({"action": "switch", "to": "on"})
    until(lambda: len(lamp.posted) == 3)
    refused, broken, done = lamp.posted
    assert refused == {
        "kind": "reply",
        "view": "v1",
        "n": 3,
        "result": None,
        "problem": {"error": "BadRequest", "message": "No.", "hint": "Never.", "page": ""},
    }
    assert broken["problem"]["error"] == "InternalError"
    assert (lamp.done, done["problem"]) == (["on"], None)


def test_who_asks_is_answered_and_the_whole_state_is_told_to_one_view(lamp: Lamp) -> None:
    lamp.state.change(on=True)
    lamp.take({"action": "measure", "view": "v1", "n": 1})
    lamp.take({"action": "whole", "view": "v2"})
    until(lambda: len(lamp.posted) == 3)
    changed, reply, whole = lamp.posted
    assert changed == {"kind": "state", "revision": 2, "since": 1, "state": {"on": True}}
    assert (reply["view"], reply["result"]) == ("v1", {"lumen": 7})
    assert whole == {
        "kind": "state",
        "view": "v2",
        "revision": 2,
        "since": 0,
        "state": {"on": True},
    }


def test_the_kernels_control_channel_leads_to_the_panel_that_is_named(
    shell: Shell, lamp: Lamp
) -> None:
    assert lamp.control == CONTROL_MESSAGE
    heard = shell.kernel.control_handlers[CONTROL_MESSAGE]
    content = {"panel": lamp.panel_id, "action": "switch", "to": "on"}
    heard(None, None, {"content": content})
    heard(None, None, {"content": {**content, "panel": "another kernel's"}})
    until(lambda: lamp.done == ["on"])


def test_without_a_kernel_there_is_no_control_channel() -> None:
    bare: Any = SimpleNamespace(display_pub=Shell().display_pub)
    assert Lamp(bare).control == ""


def test_a_panel_is_shown_with_a_form_under_it_that_can_be_drawn_again(
    shell: Shell, lamp: Lamp
) -> None:
    lamp._ipython_display_()
    widget, form = shell.published
    assert "application/vnd.jupyter.widget-view+json" in widget["data"]
    assert form["data"]["text/plain"] == "a lamp"
    assert form["data"]["text/html"] == f'<div id="wiz-form-{lamp.panel_id}"><b>a lamp</b></div>'
    lamp.refresh_form()
    again = shell.published[-1]
    assert again["update"]
    assert again["transient"] == form["transient"]


def test_a_plain_screen_shows_the_form_alone(shell: Shell, lamp: Lamp) -> None:
    shown: list[Drawing] = []
    screen: Any = SimpleNamespace(rich=False, show=shown.append)
    show_panel(screen, lamp)
    assert [drawing.plain for drawing in shown] == ["a lamp"]


def around(shell: Shell, client: FakeClient) -> PanelClients:
    notebook: Any = SimpleNamespace(
        shell=shell, client=client, open_session=lambda name, new: (client.open_session("own"), 1)
    )
    watching: Any = client
    return PanelClients(notebook, watching)


def test_a_chat_can_be_read_without_a_page(shell: Shell) -> None:
    client = FakeClient()
    client.keep("own", *turn("<b>what</b>?", "this"))
    chat = Chat(around=around(shell, client), temperature=0)
    drawing = chat.drawing()
    assert drawing.plain == "Conversation own\nYou: <b>what</b>?\nModel: this"
    assert drawing.html is not None
    assert "&lt;b&gt;what&lt;/b&gt;" in drawing.html
    assert chat.conversation.options.temperature == 0


def test_a_chat_takes_no_option_that_is_none_and_no_name_that_cannot_be() -> None:
    shell = Shell()
    options: list[dict[str, Any]] = [{"warmth": 1}, {"temperature": -1}]
    for wrong in options:
        with pytest.raises(BadRequest):
            Chat(around=around(shell, FakeClient()), **wrong)
    with pytest.raises(BadRequest):
        Chat(" ", around=around(shell, FakeClient()))


def test_a_chat_keeps_its_form_up_to_date(shell: Shell) -> None:
    client = FakeClient()
    client.keep("own")
    chat = Chat(around=around(shell, client))
    chat._ipython_display_()
    client.keep("own", *turn("hello", "hi"))
    chat.conversation.refresh()
    assert "Model: hi" in shell.published[-1]["data"]["text/plain"]


def test_a_status_panel_says_that_no_service_runs_and_starts_none(shell: Shell) -> None:
    client = FakeClient()
    status = Status(around=around(shell, client))
    assert "Wiz service 0.1.0, pid 7" in status.drawing().plain
    client.is_running = False

    def refuse() -> Any:
        return client.sessions()

    client.status = refuse  # type: ignore[method-assign]
    assert "not running" in status.drawing().plain


def test_outside_ipython_there_is_no_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: None)
    with pytest.raises(BadRequest, match="needs a notebook"):
        panel_clients()


def test_in_a_shell_without_the_extension_a_panel_finds_its_own_way() -> None:
    shell = InteractiveShell.instance()
    assert panel_clients().notebook.shell is shell
