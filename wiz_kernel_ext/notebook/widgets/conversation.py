"""One conversation as a chat panel shows it: what was said, what is being answered, by whom asked.

The service owns the conversation; this holds a copy that is brought up to date at every change, so
that cells, other panels and other notebooks are seen at once. `show` takes the parts of `ChatState`
that are new; threads call in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wiz_kernel_ext.errors import BadRequest, SessionNotFound, WizError
from wiz_kernel_ext.notebook.views.answer import took
from wiz_kernel_ext.notebook.views.pace import INTERVAL_S
from wiz_kernel_ext.notebook.widgets.answer_stream import AnswerStream
from wiz_kernel_ext.notebook.widgets.model_names import ModelNames
from wiz_kernel_ext.notebook.widgets.pagination import as_page, before, latest
from wiz_kernel_ext.protocol.answer import Answer
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

Show = Callable[..., object]

N_SESSIONS = 100
N_OPERATIONS = 20
# Answers of an older kernel whose figures are looked up, and how long each may take.
N_FIGURES = 10
FIGURES_TIMEOUT_S = 2.0
_NO_ANSWER: dict[str, Any] = {"answer": None, "answer_text": "", "answer_thinking": ""}


class ChatState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a chat panel shows.

    `messages` are the latest, the first of which has number `first`.
    `models` are those that are loaded, None: not yet known.
    `answer` is what is written, or was and is not among the messages yet; `answer_text` its text,
    `answer_thinking` what was thought before.
    `failed` is a question that was not answered, and why. `load` is the latest load from here (see
    `loading.shown`). `lost` says that the conversation was removed; `gone` that the service ended.
    """

    session: dict[str, Any] | None = None
    sessions: list[dict[str, Any]] = []
    models: list[dict[str, Any]] | None = None
    model: str | None = None
    remembered: str = ""
    options: dict[str, Any] = {}
    n_waiting: int = 0
    first: int = 0
    messages: list[dict[str, Any]] = []
    answer: dict[str, Any] | None = None
    answer_text: str = ""
    answer_thinking: str = ""
    failed: dict[str, Any] | None = None
    load: dict[str, Any] | None = None
    lost: str = ""
    gone: bool = False


class Conversation:
    """The conversation `open_own` finds, until another is chosen.

    `asking()` is a client that may start a service; `watching` is one that never does.
    """

    def __init__(
        self,
        asking: Callable[[], Client],
        watching: Client,
        open_own: Callable[[bool], SessionInfo],
        show: Show,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._asking = asking
        self._watching = watching
        self._open_own = open_own
        self._show = show
        self._names = ModelNames(watching)
        self._lock = threading.RLock()
        self._own = True
        self._sent: dict[str, str] = {}
        self._smalls: dict[str, str] = {}
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
        self._refresh_or_gone()

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
        self._show(failed=None)
        self._sent[self._asking().request(request)] = text
        self._refresh_or_gone()

    def stop(self) -> None:
        """Cancel what is being answered here; what there is of it is kept."""
        answering = self.answering
        if answering is not None:
            self._watching.cancel(answering.id)

    def regenerate(self) -> None:
        """Answer the last question anew, in place of the answer there is."""
        if self.answering is not None and self.answering.is_running:
            raise BadRequest("An answer is being written.", hint="Stop it first.", field="session")
        dropped = self._asking().drop_last_turn(self.begin().id)
        if not dropped:
            raise BadRequest("Nothing was asked yet.", hint="Write a message.", field="session")
        self.send(dropped[0].content)

    def set_options(self, options: dict[str, Any]) -> None:
        """Sample with these from now on; raises BadRequest naming the one that cannot be."""
        given = {name: value for name, value in options.items() if value is not None}
        self.options = build(PromptOptions, given)
        self._show(options=self.options.given(), failed=None)

    def set_system_prompt(self, text: str) -> None:
        """Change the session's system prompt; every answer from now on has it."""
        session = self.begin()
        if text != (session.system_prompt or ""):
            self._asking().open_session(session.id, system_prompt=text)
            self.refresh()

    def set_model(self, model_path: str | None) -> None:
        """Ask this loaded model from now on."""
        self.model = model_path or None
        self._show(model=self.model)

    def refresh(self) -> None:
        """Bring the copy up to date, and the page with it."""
        with self._lock:
            if self.info is None:
                return
            try:
                self._refresh(self.info)
            except SessionNotFound as error:
                self.answering = None
                self._show(lost=error.message, gone=False, **_NO_ANSWER)

    def _refresh_or_gone(self) -> None:
        """Bring the copy up to date after what was done; a service that ends since is told of."""
        try:
            self.refresh()
        except WizError:
            self.gone()

    def gone(self) -> None:
        """The service has ended."""
        with self._lock:
            self.answering = None
            self._show(gone=True, n_waiting=0, **_NO_ANSWER)

    def earlier(self, number: int) -> dict[str, Any]:
        """The messages before `number`, two pages of them."""
        with self._lock:
            number = max(0, min(number, len(self.messages)))
            first = before(self.messages, number)
            return {"first": first, "messages": as_page(self.messages[first:number], self._smalls)}

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
            self.messages = detail.messages
            self._show_messages()
            info = detail.info
        # A list has a line of the system prompt only.
        self.info = msgspec.structs.replace(now, system_prompt=info.system_prompt)
        operations = self._watching.operations(N_OPERATIONS, session=info.id)
        waiting = [o for o in reversed(operations) if o.state not in TERMINAL_STATES]
        self._attend([o for o in waiting if o.kind == "prompt"])
        self._show_around(sessions)
        return None

    def _adopt(self, info: SessionInfo) -> None:
        """Show another session: what was said in it, and how its last question ended."""
        self.info, self.answering = info, None
        self.messages = self._asking().session(info.id).messages
        self._look_up_figures()
        self._show_messages(failed=None, lost="")
        self._show_around()
        latest_one = next(iter(self._watching.operations(1, session=info.id)), None)
        if latest_one is not None and (latest_one.kind, latest_one.state) == ("prompt", "failed"):
            # Whoever was here before saw that; who comes now should.
            self._sent.setdefault(latest_one.id, self._watching.operation(latest_one.id).title)

    def _look_up_figures(self) -> None:
        """What the latest answers took, where they were written before this panel was there."""
        answers = [m.operation_id for m in self.messages if m.role == "assistant"]
        for id in answers[-N_FIGURES:]:
            if id is None or id in self._smalls:
                continue
            try:
                n_events = self._watching.operation(id).n_events
                answer = self._watching.attach(id, n_events).result(FIGURES_TIMEOUT_S)
            except (WizError, TimeoutError):
                continue
            if isinstance(answer, Answer):
                self._smalls[id] = took(answer)

    def _attend(self, waiting: Sequence[OperationInfo]) -> None:
        """Follow the first that waits or runs; the others have their turn.

        What was sent from here is followed even if it has ended since: it may have failed.
        """
        self._show(n_waiting=max(0, len(waiting) - 1))
        ids = [operation.id for operation in waiting] or list(self._sent)
        current = self.answering
        # One that runs says its end before the next has its turn.
        if not ids or (current is not None and (current.is_running or current.id == ids[0])):
            return
        sent = self._sent.pop(ids[0], None)
        self.answering = AnswerStream(ids[0], sent or self._watching.operation(ids[0]).title)
        self._show_answer(failed=None)
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
                    answering.take(events)
                    self._show_answer()
            with self._lock:
                answering.end(operation)
                self._end(answering)
        except WizError as error:
            with self._lock:
                answering.fail(error)
                self._end(answering)
        self._refresh_or_gone()

    def _end(self, answering: AnswerStream) -> None:
        self._smalls[answering.id] = answering.small
        if self.answering is not answering:
            return
        if answering.failed is not None:
            self.answering = None
            self._show_messages(failed=answering.failed)
        else:
            self._show_messages()

    def _show_answer(self, **more: Any) -> None:
        current = self.answering
        self._show(
            answer=current.shown() if current else None,
            answer_text=current.text if current else "",
            answer_thinking=current.thinking if current else "",
            **more,
        )

    def _show_messages(self, **more: Any) -> None:
        """Show what was said and what is being written; an answer that is kept not twice."""
        current = self.answering
        if current is not None and not current.is_running and self._keeps(current.id):
            self.answering = None
        first = latest(self.messages)
        self._show_answer(
            first=first, messages=as_page(self.messages[first:], self._smalls), **more
        )

    def _keeps(self, operation_id: str) -> bool:
        return any(m.role == "assistant" and m.operation_id == operation_id for m in self.messages)

    def _show_around(self, sessions: Sequence[SessionInfo] | None = None) -> None:
        """Show what stands around the conversation: its name, the others, the models."""
        info = self.info
        assert info is not None
        about: dict[str, Any] = {
            "session": {"id": info.id, "name": info.name, "system": info.system_prompt or ""},
            "options": self.options.given(),
            "remembered": self._names.of(info.model_path) if info.model_path else "",
        }
        if sessions is not None:
            workers = self._names.over(self._watching.status()).workers
            about["sessions"] = [{"id": s.id, "name": s.name, "n": s.n_messages} for s in sessions]
            about["models"] = [{"path": w.model_path, "name": w.model} for w in workers]
            if self.model not in {worker.model_path for worker in workers}:
                self.model = None
        self._show(**about, model=self.model, lost="", gone=False)
