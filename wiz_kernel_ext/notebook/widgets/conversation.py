"""One conversation as a chat panel shows it: what was said, what is being answered, by whom asked.

Pure state over the client's face: `post` takes what the page is told, threads call in. The service
owns the conversation; this holds a copy that is brought up to date at every change, so that cells,
other panels and other notebooks are seen at once. Text travels as numbered pieces; who missed one
asks for the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wiz_kernel_ext.errors import BadRequest, SessionNotFound, WizError
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.widgets.answer_stream import AnswerStream
from wiz_kernel_ext.notebook.widgets.pagination import PAGE_SIZE, as_page, page_before
from wiz_kernel_ext.notebook.widgets.panel import described
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import SendPrompt
from wiz_kernel_ext.protocol.results import (
    TERMINAL_STATES,
    OperationInfo,
    SessionInfo,
    SessionMessage,
)

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

Post = Callable[[dict[str, Any]], None]

N_SESSIONS = 100
N_OPERATIONS = 20


class Conversation:
    """The conversation `open_own` finds, until another is chosen.

    `asking()` is a client that may start a service; `watching` is one that never does.
    """

    def __init__(
        self,
        asking: Callable[[], Client],
        watching: Client,
        open_own: Callable[[bool], SessionInfo],
        post: Post,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._asking = asking
        self._watching = watching
        self._open_own = open_own
        self._post = post
        self._lock = threading.RLock()
        self._own = True
        self._head: dict[str, Any] = {}
        self._loading: dict[str, Any] | None = None
        self._sent: dict[str, str] = {}
        self._queued: list[str] = []
        self.options = build(PromptOptions, options or {})
        self.model: str | None = None
        self.info: SessionInfo | None = None
        self.messages: list[SessionMessage] = []
        self.answering: AnswerStream | None = None

    def open(self, name: str | None = None, *, new: bool = False) -> None:
        """Show the session called `name`, else this notebook's own; `new` begins an empty one."""
        if name is None:
            info, own = self._open_own(new), True
        elif new:
            info, own = self._asking().open_session(name, new=True), False
        else:
            info, own = self._asking().session(name).info, False
        with self._lock:
            self._own = own
            self._adopt(info)
        self.refresh()

    def begin(self) -> SessionInfo:
        """Show this notebook's own session, unless one is shown already."""
        # The cell and the page may both be first.
        with self._lock:
            if self.info is None:
                self.open()
            assert self.info is not None
            return self.info

    def send(self, text: str) -> None:
        """Ask the model; the answer comes as an operation that this follows like any other."""
        if not text.strip():
            raise BadRequest("The message is empty.", hint="Write it first.", field="prompt")
        request = SendPrompt(
            prompt=text,
            options=self.options,
            session=self.begin().id,
            model_path=self.model,
            autoload=True,
        )
        self._sent[self._asking().request(request)] = text
        self.refresh()

    def stop(self) -> None:
        """Cancel what is being answered here; what there is of it is kept."""
        answering = self.answering
        if answering is not None:
            self._watching.cancel(answering.id)

    def regenerate(self) -> None:
        """Answer the last question anew, in place of the answer there is."""
        if self.answering is not None:
            raise BadRequest("An answer is being written.", hint="Stop it first.", field="session")
        dropped = self._asking().drop_last_turn(self.begin().id)
        if not dropped:
            raise BadRequest("Nothing was asked yet.", hint="Write a message.", field="session")
        self.send(dropped[0].content)

    def set_options(self, options: dict[str, Any]) -> None:
        """Sample with these from now on; raises BadRequest naming the one that cannot be."""
        given = {name: value for name, value in options.items() if value is not None}
        self.options = build(PromptOptions, given)
        self._tell_head()

    def set_system_prompt(self, text: str) -> None:
        """Change the session's system prompt; every answer from now on has it."""
        session = self.begin()
        if text != (session.system_prompt or ""):
            self._asking().open_session(session.id, system_prompt=text)
            self.refresh()

    def set_model(self, model_path: str | None) -> None:
        """Ask this loaded model from now on."""
        self.model = model_path or None
        self._tell_head()

    def show_loading(self, loading: dict[str, Any] | None) -> None:
        """Show how far the loading of a model is."""
        self._loading = loading
        self._post({"kind": "loading", "loading": loading})

    def refresh(self) -> None:
        """Bring the copy up to date, and the page with it."""
        with self._lock:
            if self.info is None:
                return
            try:
                self._refresh(self.info)
            except SessionNotFound as error:
                self._post({"kind": "lost", **described(error)})

    def gone(self) -> None:
        """The service has ended."""
        self._head = {}
        self._post({"kind": "gone"})

    def state(self, view: str | None = None) -> dict[str, Any]:
        """All that a page needs to begin with: the latest messages, and what is going on."""
        with self._lock:
            first = page_before(self.messages, len(self.messages), PAGE_SIZE)
            return {
                "kind": "state",
                "view": view,
                "head": self._head,
                "first": first,
                "messages": as_page(self.messages[first:]),
                "answering": self.answering.snapshot() if self.answering else None,
                "loading": self._loading,
            }

    def earlier(self, before: int, view: str | None) -> dict[str, Any]:
        """The messages before number `before`, a page of them."""
        with self._lock:
            before = max(0, min(before, len(self.messages)))
            first = page_before(self.messages, before, 2 * PAGE_SIZE)
            page = as_page(self.messages[first:before])
        return {"kind": "earlier", "view": view, "first": first, "messages": page}

    def _refresh(self, info: SessionInfo) -> None:
        sessions = self._watching.sessions(N_SESSIONS)
        now = next((one for one in sessions if one.id == info.id), None)
        if self._own and now is not None and now.name != info.name:
            # A cell began a new conversation, or the notebook was renamed.
            now = self._open_own(False)
            if now.id != info.id:
                self._adopt(now)
                return self._refresh(now)
        if now is None:
            now = self._watching.session(info.id).info
        if now.updated_at != info.updated_at or now.n_messages != len(self.messages):
            detail = self._watching.session(info.id)
            self._merge(detail.messages)
            info = detail.info
        # A list has a line of the system prompt only.
        self.info = msgspec.structs.replace(now, system_prompt=info.system_prompt)
        operations = self._watching.operations(N_OPERATIONS, session=info.id)
        waiting = [o for o in reversed(operations) if o.state not in TERMINAL_STATES]
        self._attend([o for o in waiting if o.kind == "prompt"])
        self._tell_head(sessions)
        return None

    def _merge(self, messages: list[SessionMessage]) -> None:
        old, self.messages = self.messages, messages
        if messages[: len(old)] == old:
            page = as_page(messages[len(old) :])
            self._post({"kind": "messages", "first": len(old), "messages": page})
        else:
            self._post(self.state())

    def _adopt(self, info: SessionInfo) -> None:
        self.info, self.answering, self._head = info, None, {}
        self.messages = self._asking().session(info.id).messages
        self._tell_head()
        self._post(self.state())

    def _attend(self, waiting: Sequence[OperationInfo]) -> None:
        """Follow the first that waits or runs; the others have their turn.

        What was sent from here is followed even if it has ended since: it may have failed.
        """
        self._queued = [operation.title for operation in waiting[1:]]
        ids = [operation.id for operation in waiting] or list(self._sent)
        if not ids or (self.answering is not None and self.answering.id == ids[0]):
            return
        sent = self._sent.pop(ids[0], None)
        self.answering = AnswerStream(ids[0], sent or self._watching.operation(ids[0]).title)
        self._post({"kind": "asked", "answering": self.answering.snapshot()})
        threading.Thread(
            target=self._follow, args=(self.answering,), name="wiz-follow", daemon=True
        ).start()

    def _follow(self, answering: AnswerStream) -> None:
        try:
            operation = self._watching.attach(answering.id)
            for events in operation.batches(INTERVAL_S):
                with self._lock:
                    if self.answering is not answering:
                        return
                    for piece in answering.take(events):
                        self._post(piece)
            ended = answering.end(operation)
        except WizError as error:
            ended = answering.fail(error)
        with self._lock:
            if self.answering is answering:
                self.answering = None
                self._post(ended)
        try:
            self.refresh()
        except WizError:
            self.gone()

    def _tell_head(self, sessions: Sequence[SessionInfo] | None = None) -> None:
        """Post what stands around the conversation, if it is not what the page shows."""
        info = self.info
        if info is None:
            return
        head = {
            **self._head,
            "id": info.id,
            "session": info.name,
            "system": info.system_prompt or "",
            "options": self.options.given(),
            "queued": self._queued,
            "remembered": (info.model_path or "").rpartition("/")[2],
        }
        if sessions is not None:
            workers = self._watching.status().workers
            head["sessions"] = [{"id": s.id, "name": s.name, "n": s.n_messages} for s in sessions]
            head["models"] = [{"path": w.model_path, "name": w.model} for w in workers]
            if self.model not in {worker.model_path for worker in workers}:
                self.model = None
        head["model"] = self.model
        if head != self._head:
            self._head = head
            self._post({"kind": "head", "head": head})
