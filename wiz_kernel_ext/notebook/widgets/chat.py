"""`Chat`: a conversation with the model, by clicks and keys. The page's side is `page/chat.js`."""

from __future__ import annotations

from typing import Any

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.identity import checked_session_name
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.widgets.change_watcher import ChangeWatcher
from wiz_kernel_ext.notebook.widgets.conversation import ChatState, Conversation
from wiz_kernel_ext.notebook.widgets.forms import conversation_drawing, error_drawing
from wiz_kernel_ext.notebook.widgets.loading import begin_load
from wiz_kernel_ext.notebook.widgets.pages import module, style
from wiz_kernel_ext.notebook.widgets.panel import Action, Panel
from wiz_kernel_ext.notebook.widgets.panel_clients import PanelClients, panel_clients
from wiz_kernel_ext.protocol.results import SessionInfo


class Chat(Panel[ChatState]):
    """A chat in this notebook's session, or in the one called `session`.

    It shares the session with `%%wiz_prompt`, with Python and with every other panel: what one says
    the others show at once. Keywords are `PromptOptions`' (temperature, top_k, max_tokens, …).
    Raises BadRequest for what cannot be; the service is started where none runs.
    """

    _esm = module("chat.js")
    _css = style("panel.css", "markdown.css", "chat.css")
    urgent = frozenset({"stop"})

    def __init__(
        self, session: str | None = None, *, around: PanelClients | None = None, **options: Any
    ) -> None:
        around = around or panel_clients()
        super().__init__(around.notebook.shell, ChatState())
        self._around = around
        self._name = None if session is None else checked_session_name(session)
        self.conversation = Conversation(
            lambda: around.notebook.client, around.watching, self._open_own, self._show, options
        )
        self._watch = ChangeWatcher(
            around.watching, self.conversation.refresh, self.conversation.gone
        )

    def actions(self) -> dict[str, Action]:
        """What the page may ask for."""
        talk = self.conversation
        return {
            "hello": self._hello,
            "bye": lambda a: self._watch.end(a["view"]),
            "send": lambda a: talk.send(str(a["text"])),
            "stop": lambda a: talk.stop(),
            "regenerate": lambda a: talk.regenerate(),
            "open": lambda a: talk.open(a["session"]),
            "new": lambda a: talk.open(new=True),
            "settings": self._set,
            "model": lambda a: talk.set_model(a["path"]),
            "load": self._load,
            "heard": lambda a: self._show(load=None),
            "look": self._look,
            "earlier": lambda a: talk.earlier(int(a["before"])),
        }

    def drawing(self) -> Drawing:
        """The conversation so far, to be read."""
        talk = self.conversation
        try:
            info = talk.begin()
        except WizError as error:
            return error_drawing("Chat", error)
        return conversation_drawing(info, talk.messages)

    def _open_own(self, new: bool) -> SessionInfo:
        info, _ = self._around.notebook.open_session(self._name, new=new)
        return info

    def _show(self, **parts: Any) -> None:
        """Change the state, and keep what can be read without a page up to date."""
        if "messages" in self.state.change(**parts):
            self.refresh_form()

    def _hello(self, action: dict[str, Any]) -> None:
        self.state.tell(action["view"])
        self._watch.begin(action["view"])
        self.conversation.begin()

    def _set(self, action: dict[str, Any]) -> None:
        self.conversation.set_options(action["options"])
        self.conversation.set_system_prompt(action["system"])

    def _load(self, action: dict[str, Any]) -> None:
        begin_load(
            self._around.notebook.client, action["model"], lambda load: self._show(load=load)
        )

    def _look(self, action: dict[str, Any]) -> dict[str, Any]:
        """The models one could load."""
        return {"names": [model.name for model in self._around.watching.models()]}
