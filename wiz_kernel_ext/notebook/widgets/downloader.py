"""`Downloader`: models found, fetched, kept, loaded. The page's side is `page/downloader.js`.

Every download of the service is shown, whoever began it; none of them lives here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.token import keep_token
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.widgets.catalogue import CONTEXTS
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


class DownloaderState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a downloader shows but what its views search for.

    `contexts` are the lengths a model can be held to. `models` are those on this machine, None:
    not yet known. `work` is what is under way, `load` the latest load from here (see
    `loading.shown`), `note` what came of the latest work or action. `gone`: the service has ended.
    """

    contexts: tuple[int, ...] = CONTEXTS
    models: list[dict[str, Any]] | None = None
    work: list[dict[str, Any]] = []
    load: dict[str, Any] | None = None
    note: dict[str, Any] | None = None
    gone: bool = False


class Downloader(Panel[DownloaderState]):
    """Search the hub, see what fits this machine, download, verify, quantize, load, delete.

    Closing it ends nothing: a download belongs to the service and goes on.
    """

    _esm = module("downloader.js")
    _css = style("panel.css", "table.css", "downloader.css")
    urgent = frozenset({"search", "repo", "pause", "cancel"})

    def __init__(self, *, around: PanelClients | None = None) -> None:
        around = around or panel_clients()
        super().__init__(around.notebook.shell, DownloaderState())
        self._around = around
        self._work = Jobs()
        self._followed: set[str] = set()
        self._paused: dict[str, OperationInfo] = {}
        self._finding = HubSearch(lambda: self._client)
        self._local = LocalModels(lambda: self._client, around.watching, self.state.change)
        self._watch = ChangeWatcher(
            around.watching, self._refresh, self._gone, busy=lambda: self._work.busy, beat_s=BEAT_S
        )

    @property
    def _client(self) -> Client:
        return self._around.notebook.client

    def actions(self) -> dict[str, Action]:
        """What the page may ask for."""
        asking: dict[str, Action] = {
            "hello": self._hello,
            "bye": lambda a: self._watch.end(a["view"]),
            "search": self._finding.search,
            "repo": self._finding.repo,
            "ask-delete": lambda a: self._local.ask_delete(a["model"]),
        }
        doing: dict[str, Callable[[dict[str, Any]], None]] = {
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
            "delete": self._delete,
            "token": lambda a: self._keep_token(a["token"]),
            "heard": lambda a: None,
        }
        return asking | {name: self._over_with_notes(do) for name, do in doing.items()}

    def _over_with_notes(self, do: Callable[[dict[str, Any]], None]) -> Action:
        """`do`, after what was said of the last action is taken away."""

        def action(content: dict[str, Any]) -> None:
            load = self.state.now.load
            ended = load is not None and load["state"] != "running"
            self.state.change(note=None, **({"load": None} if ended else {}))
            do(content)

        return action

    def _note(self, text: str, load: str = "") -> None:
        """Say what came of something; `load` is the path of a model that can be loaded now."""
        self.state.change(note={"text": text, "load": load})

    def drawing(self) -> Drawing:
        """The models on this machine, to be read."""
        try:
            return library_drawing(self._client.models())
        except WizError as error:
            return error_drawing("Models", error)

    def _hello(self, action: dict[str, Any]) -> None:
        self.state.tell(action["view"])
        self._client.status()
        self._watch.begin(action["view"])
        self._refresh()
        self._local.refresh()

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
            self._local.refresh()
            if isinstance(outcome, Verification):
                self._note(_verified(outcome))
            elif operation.id in self._work.load_when_done:
                self._local.load(str(outcome))
            else:
                path = str(outcome)
                self._note(f"{self._local.name(path)} is here.", load=path)
        except WizError as error:
            log.debug("%s: %s", operation.id, error)  # its row tells
        self.refresh_form()

    def _pause(self, operation_id: str) -> None:
        self._around.watching.cancel(operation_id)
        self._refresh()

    def _cancel(self, operation_id: str) -> None:
        """End work for good; of a download nothing stays."""
        operation = self._around.watching.operation(operation_id)
        self._around.watching.cancel(operation_id)
        self._work.dismiss(operation_id)
        self._refresh()
        if operation.kind == "download":
            freed = self._around.watching.discard_download(operation_id)
            self._note(f"{operation.title} is cancelled: {size(freed)} freed.")

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
        self._note(f"The token is kept in {file}, for you only.")

    def _delete(self, action: dict[str, Any]) -> None:
        self._note(self._local.delete(action["model"], action["path"]))
        self.refresh_form()

    def _refresh(self) -> None:
        """Bring the page up to date: the figures at every beat, the models when something changed.

        Models may be deleted, loaded or named elsewhere at any time; what is under way may end.
        """
        was_running = {row["id"] for row in self.state.now.work if row["running"]}
        listed = self._around.watching.operations(N_OPERATIONS)
        operations = [self._in_full(operation) for operation in listed]
        rows = self._work.draw(operations)
        if any(row["state"] == "failed" and not row["problem"] for row in rows):
            self._ask_why(rows)
            rows = self._work.draw(operations)
        for row in rows:
            if row["kind"] == "load":
                row["path"] = self._local.path(row["path"])
                row["title"] = self._local.name(row["path"])
        self.state.change(work=rows, gone=False)
        if was_running != {row["id"] for row in rows if row["running"]} or not self._work.busy:
            self._local.refresh()

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
                    self._work.problems[row["id"]] = described(error)

    def _gone(self) -> None:
        self._work.busy = False
        self.state.change(work=[], gone=True)


def _verified(outcome: Verification) -> str:
    if outcome.bad:
        return f"{outcome.name}: damaged: {', '.join(outcome.bad)}. Download it again."
    if not outcome.checked:
        return f"{outcome.name}: nobody tells what its sha256 should be."
    return f"{outcome.name} is as the hub has it."
