"""`Downloader`: models found, fetched, kept, loaded. The page's side is `page/downloader.js`.

Every download of the service is shown, whoever began it; none of them lives here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.token import keep_token
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.widgets.change_watcher import ChangeWatcher
from wiz_kernel_ext.notebook.widgets.forms import error_drawing, library_drawing
from wiz_kernel_ext.notebook.widgets.hub_search import HubSearch
from wiz_kernel_ext.notebook.widgets.jobs import Jobs, is_paused
from wiz_kernel_ext.notebook.widgets.local_models import LocalModels
from wiz_kernel_ext.notebook.widgets.pages import module, style
from wiz_kernel_ext.notebook.widgets.panel import Action, Panel, described
from wiz_kernel_ext.notebook.widgets.panel_clients import PanelClients, panel_clients
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub import Verification
from wiz_kernel_ext.protocol.hub_requests import ConvertModel, PullModel, QuantizeModel, VerifyModel
from wiz_kernel_ext.protocol.requests import AnyRequest
from wiz_kernel_ext.protocol.results import OperationInfo

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation

log = logging.getLogger(__name__)

BEAT_S = 0.5
N_OPERATIONS = 40
WHY_TIMEOUT_S = 5.0


class Downloader(Panel):
    """Search the hub, see what fits this machine, download, verify, quantize, load, delete.

    Closing it ends nothing: a download belongs to the service and goes on.
    """

    _esm = module("downloader.js")
    _css = style("panel.css", "table.css", "downloader.css")
    urgent = frozenset({"search", "repo", "pause", "cancel"})

    def __init__(self, *, around: PanelClients | None = None) -> None:
        around = around or panel_clients()
        super().__init__(around.notebook.shell)
        self._around = around
        self._work = Jobs()
        self._shown: list[dict[str, Any]] = []
        self._followed: set[str] = set()
        self._paused: dict[str, OperationInfo] = {}
        self._finding = HubSearch(lambda: self._client, self)
        self._local = LocalModels(lambda: self._client, around.watching, self)
        self._watch = ChangeWatcher(
            around.watching, self._refresh, self._gone, busy=lambda: self._work.busy, beat_s=BEAT_S
        )

    @property
    def _client(self) -> Client:
        return self._around.notebook.client

    def actions(self) -> dict[str, Action]:
        """What the page may ask for."""
        return {
            "hello": self._hello,
            "bye": lambda a: self._watch.end(a["view"]),
            "search": self._finding.search,
            "repo": self._finding.repo,
            "pull": lambda a: self._begin(PullModel(model=a["model"]), load=bool(a.get("load"))),
            "resume": lambda a: self._resume(a["id"]),
            "pause": lambda a: self._pause(a["id"]),
            "cancel": lambda a: self._cancel(a["id"]),
            "dismiss": lambda a: self._dismiss(a["id"]),
            "loads": lambda a: self._load_when_done(a["id"], wanted=bool(a["wanted"])),
            "load": lambda a: self._local.load(a["path"], a["context"]),
            "unload": lambda a: self._local.unload(a["path"]),
            "verify": lambda a: self._begin(VerifyModel(model=a["model"])),
            "quantize": lambda a: self._begin(
                build(QuantizeModel, {"model": a["model"], "quant": a["quant"]})
            ),
            "convert": lambda a: self._begin(
                build(ConvertModel, {"source": a["repo"], "out_type": a["type"]})
            ),
            "ask-delete": self._local.ask_delete,
            "delete": lambda a: self._local.delete(a["model"], a["path"]),
            "token": lambda a: self._keep_token(a["token"]),
        }

    def drawing(self) -> Drawing:
        """The models on this machine, to be read."""
        try:
            return library_drawing(self._client.models())
        except WizError as error:
            return error_drawing("Models", error)

    def _hello(self, action: dict[str, Any]) -> None:
        self.post({"kind": "begin", "view": action["view"]})
        self._client.status()
        self._watch.begin(action["view"])
        # Another view of this panel may have been told already; this one was not.
        self._shown = []
        self._refresh()
        self._local.tell()

    def _resume(self, operation_id: str) -> None:
        """Begin a download again: it goes on where it was."""
        load = operation_id in self._work.load_when_done
        model = self._around.watching.operation(operation_id).title
        self._begin(PullModel(model=model), load=load)
        self._work.dismiss(operation_id)

    def _begin(self, request: AnyRequest, *, load: bool = False) -> None:
        """Start work, or join it where it is under way already; `load` what it ends in."""
        operation = self._client.start(request)
        self._work.expect(operation.id)
        if load:
            self._work.load_when_done.add(operation.id)
        self._follow(operation)
        self._refresh()

    def _follow(self, operation: Operation) -> None:
        """Wait for the end of it on a thread of its own, once, for what it then has to say."""
        if operation.id not in self._followed:
            self._followed.add(operation.id)
            threading.Thread(
                target=self._see_through, args=(operation,), name="wiz-work", daemon=True
            ).start()

    def _see_through(self, operation: Operation) -> None:
        try:
            outcome = operation.result()
            self._local.tell()
            if isinstance(outcome, Verification):
                self.post({"kind": "note", "text": _verified(outcome)})
            elif operation.id in self._work.load_when_done:
                self._local.load(str(outcome))
            else:
                path = str(outcome)
                self.post({"kind": "note", "text": f"{Path(path).name} is here.", "load": path})
        except WizError as error:
            log.debug("%s: %s", operation.id, error)  # its row tells
        self.refresh_form()

    def _pause(self, operation_id: str) -> None:
        self._around.watching.cancel(operation_id)
        self._refresh()

    def _cancel(self, operation_id: str) -> None:
        """End work for good; of a download nothing stays."""
        self._work.dismiss(operation_id)
        self._refresh()
        operation = self._around.watching.operation(operation_id)
        if operation.kind == "download":
            freed = self._around.watching.discard_download(operation_id)
            text = f"{operation.title} is cancelled: {size(freed)} freed."
            self.post({"kind": "note", "text": text})
        else:
            self._around.watching.cancel(operation_id)

    def _dismiss(self, operation_id: str) -> None:
        self._work.dismiss(operation_id)
        self._refresh()

    def _load_when_done(self, operation_id: str, *, wanted: bool) -> None:
        if wanted:
            self._work.load_when_done.add(operation_id)
            # It may be another notebook's: nobody here follows it yet.
            self._follow(self._around.watching.attach(operation_id))
        else:
            self._work.load_when_done.discard(operation_id)
        self._refresh()

    def _keep_token(self, token: str) -> None:
        file = keep_token(token)
        self.post({"kind": "note", "text": f"The token is kept in {file}, for you only."})

    def _refresh(self) -> None:
        """Bring the page up to date: the figures at every beat, the models when something changed.

        Models may be deleted, loaded or named elsewhere at any time; what is under way may end.
        """
        was_running = {row["id"] for row in self._shown if row["running"]}
        listed = self._around.watching.operations(N_OPERATIONS)
        operations = [self._in_full(operation) for operation in listed]
        rows = self._work.draw(operations)
        if any(row["state"] == "failed" and not row["problem"] for row in rows):
            self._ask_why(rows)
            rows = self._work.draw(operations)
        if rows != self._shown:
            self._shown = rows
            self.post({"kind": "work", "rows": rows})
        if was_running != {row["id"] for row in rows if row["running"]} or not self._work.busy:
            self._local.tell()

    def _in_full(self, operation: OperationInfo) -> OperationInfo:
        """A paused download with how far it came and its whole title: a list leaves that out."""
        if not is_paused(operation):
            return operation
        if operation.id not in self._paused:
            self._paused[operation.id] = self._around.watching.operation(operation.id)
        return self._paused[operation.id]

    def _ask_why(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            if row["state"] == "failed" and not row["problem"]:
                try:
                    self._around.watching.attach(row["id"]).result(timeout_s=WHY_TIMEOUT_S)
                except TimeoutError:
                    continue
                except WizError as error:
                    page = str(error.details.get("page", ""))
                    self._work.problems[row["id"]] = {**described(error), "page": page}

    def _gone(self) -> None:
        self._work.busy = False
        self._shown = []
        self.post({"kind": "gone"})


def _verified(outcome: Verification) -> str:
    if outcome.bad:
        return f"{outcome.name}: damaged: {', '.join(outcome.bad)}. Download it again."
    if not outcome.checked:
        return f"{outcome.name}: nobody tells what its sha256 should be."
    return f"{outcome.name} is as the hub has it."
