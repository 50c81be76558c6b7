"""`Panel`: what every widget shares: its state, the page's actions, and forms without a page.

A page is told two kinds of messages: "state", which every page applies (see `shared_state.py`), and
"reply", the end of an action for the view that asked: a result, or the problem there was.
An action of the page is put in a queue and worked off by a thread of this panel, so a button never
holds up the kernel. It comes by the panel's comm or, where the page can reach it, by the kernel's
control channel, which is read while a cell computes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic
from weakref import WeakValueDictionary

import anywidget
from traitlets import Unicode

from wiz_kernel_ext.errors import InternalError, WizError
from wiz_kernel_ext.notebook.screen import Drawing, NotebookScreen, Screen, Slot
from wiz_kernel_ext.notebook.widgets.shared_state import SharedState, StateT

CONTROL_MESSAGE = "wiz_panel_request"
N_FORMS = 3
Action = Callable[[dict[str, Any]], dict[str, Any] | None]

# A panel that nobody presses has no thread: cells are run again, and each run makes a panel.
ACTOR_IDLE_S = 1.0

log = logging.getLogger(__name__)
_panels: WeakValueDictionary[str, Panel[Any]] = WeakValueDictionary()


class Panel(anywidget.AnyWidget, Generic[StateT]):
    """A widget whose page asks by name for `actions`; `urgent` ones wait for no other.

    Every page of it shows its `state`, which begins as `first`.
    """

    panel_id = Unicode().tag(sync=True)
    control = Unicode(help="the control message the kernel takes for panels, or empty").tag(
        sync=True
    )

    urgent: frozenset[str] = frozenset()

    def __init__(self, shell: Any, first: StateT) -> None:
        super().__init__()
        self.state = SharedState(first, lambda message: self.post(message))
        self.panel_id = self.model_id
        self._publish = shell.display_pub.publish
        self._forms: list[Slot] = []
        self._queue: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._actor: threading.Thread | None = None
        self._lock = threading.Lock()
        _panels[self.model_id] = self
        self.control = CONTROL_MESSAGE if _listen(shell) else ""
        self.on_msg(lambda _, content, buffers: self.take(content))

    def actions(self) -> dict[str, Action]:
        """What the page may ask for, by name."""
        raise NotImplementedError

    def drawing(self) -> Drawing:
        """The panel as text and HTML, for front ends without widgets and saved notebooks."""
        raise NotImplementedError

    def take(self, content: dict[str, Any]) -> None:
        """An action of the page; returns at once, on any thread."""
        if content.get("action") in self.urgent:
            threading.Thread(target=self._act, args=(content,), daemon=True).start()
            return
        with self._lock:
            self._queue.put(content)
            if self._actor is None:
                self._actor = threading.Thread(
                    target=self._act_in_order, name="wiz-panel", daemon=True
                )
                self._actor.start()

    def post(self, content: dict[str, Any]) -> None:
        """Tell the page; from any thread."""
        self.send(content)

    def _act_in_order(self) -> None:
        while True:
            try:
                content = self._queue.get(timeout=ACTOR_IDLE_S)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._actor = None
                        return
                continue
            self._act(content)

    def _act(self, content: dict[str, Any]) -> None:
        name = content.get("action")
        if name == "whole":
            self.state.tell(content["view"])
            return
        action = self.actions().get(str(name))
        if action is None:
            log.warning("%s: unknown action %r", type(self).__name__, name)
            return
        result, problem = None, None
        try:
            result = action(content)
        except WizError as error:
            problem = described(error)
        except Exception as error:
            log.exception("%s: %r failed", type(self).__name__, name)
            problem = described(InternalError(f"The panel failed: {type(error).__name__}: {error}"))
        reply = {"kind": "reply", "view": content.get("view"), "n": content.get("n")}
        self.post({**reply, "result": result, "problem": problem})

    def refresh_form(self) -> None:
        """Draw the form again, where it stands for this panel in a saved notebook."""
        if not self._forms:
            return
        drawing = self._form()
        for slot in self._forms[-N_FORMS:]:
            slot.update(drawing)

    def _form(self) -> Drawing:
        drawing = self.drawing()
        html = f'<div id="wiz-form-{self.model_id}">{drawing.html}</div>'
        return Drawing(plain=drawing.plain, html=html)

    def _ipython_display_(self, **kwargs: Any) -> None:
        """Show the panel and, under it, the form; the page hides that while the panel lives."""
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        data["text/plain"] = f"{type(self).__name__} panel"
        self._publish(data=data, metadata=metadata)
        self._forms.append(NotebookScreen(self._publish).show(self._form()))


def show_panel(screen: Screen, panel: Panel[Any]) -> None:
    """Show `panel` as the output of this cell; on a plain screen, its text."""
    if not screen.rich:
        screen.show(panel.drawing())
        return
    from IPython.display import display

    show: Callable[[Panel[Any]], None] = display
    show(panel)


def described(error: WizError) -> dict[str, Any]:
    """An error as a page shows it; `page` is where it can be mended, or empty."""
    page = str(error.details.get("page", ""))
    return {
        "error": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "page": page,
    }


def _listen(shell: Any) -> bool:
    """Let the kernel of `shell` take panels' requests on its control channel."""
    handlers = getattr(getattr(shell, "kernel", None), "control_handlers", None)
    if handlers is None:
        return False
    handlers[CONTROL_MESSAGE] = _heard
    return True


def _heard(stream: Any, ident: Any, message: dict[str, Any]) -> None:
    content = message["content"]
    panel = _panels.get(str(content.get("panel")))
    if panel is not None:
        panel.take(content)
