"""`Downloader`: models found, fetched, kept, loaded. The page's side is `page/downloader.js`.

Every download of the service is shown, whoever began it; none of them lives here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.cli.words import size
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.token import keep_token
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.notebook.widgets.forms import error_drawing, library_drawing
from wiz_kernel_ext.notebook.widgets.loading import begin_load
from wiz_kernel_ext.notebook.widgets.pages import module, style
from wiz_kernel_ext.notebook.widgets.panel import Action, Panel
from wiz_kernel_ext.notebook.widgets.surroundings import Surroundings, surroundings
from wiz_kernel_ext.notebook.widgets.watching import Watch
from wiz_kernel_ext.notebook.widgets.work import Work
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub import Verification
from wiz_kernel_ext.protocol.hub_requests import ConvertModel, PullModel, QuantizeModel, VerifyModel
from wiz_kernel_ext.protocol.requests import Request

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation

BEAT_S = 0.5
N_OPERATIONS = 40


class Downloader(Panel):
    """Search the hub, see what fits this machine, download, verify, quantize, load, delete.

    Closing it ends nothing: a download belongs to the service and goes on.
    """

    _esm = module("downloader.js")
    _css = style("panel.css", "status.css", "downloader.css")
    urgent = frozenset({"search", "repo", "pause", "cancel"})

    def __init__(self, *, around: Surroundings | None = None) -> None:
        around = around or surroundings()
        super().__init__(around.notebook.shell)
        self._around = around
        self._work = Work()
        self._views: set[str] = set()
        self._shown: list[dict[str, Any]] = []
        self._watch = Watch(
            around.watching, self._refresh, self._gone, busy=lambda: self._work.busy, beat_s=BEAT_S
        )

    @property
    def _client(self) -> Client:
        return self._around.notebook.client

    def actions(self) -> dict[str, Action]:
        """What the page may ask for."""
        return {
            "hello": self._hello,
            "bye": self._bye,
            "search": self._search,
            "repo": self._repo,
            "pull": lambda a: self._pull(a["model"], load=bool(a.get("load"))),
            "pause": lambda a: self._cancel(a["id"], forget=False),
            "cancel": lambda a: self._cancel(a["id"], forget=True),
            "dismiss": lambda a: self._dismiss(a["id"]),
            "loads": lambda a: self._load_when_done(a["id"], wanted=bool(a["wanted"])),
            "load": lambda a: begin_load(self._client, a["path"], self._show_load, a["context"]),
            "verify": lambda a: self._begin(VerifyModel(model=a["model"])),
            "quantize": lambda a: self._begin(
                build(QuantizeModel, {"model": a["model"], "quant": a["quant"]})
            ),
            "convert": lambda a: self._begin(ConvertModel(source=a["repo"])),
            "ask-delete": self._ask_delete,
            "delete": lambda a: self._delete(a["model"]),
            "token": lambda a: self._keep_token(a["token"]),
        }

    def drawing(self) -> Drawing:
        """The models on this machine, to be read."""
        if not self._around.watching.running():
            return library_drawing(None)
        try:
            return library_drawing(self._around.watching.models())
        except WizError as error:
            return error_drawing("Models", error)

    def _hello(self, action: dict[str, Any]) -> None:
        self._views.add(action["view"])
        self.post({"kind": "begin", "view": action["view"]})
        self._client.status()
        self._watch.begin()
        self._refresh()
        self._tell_library()

    def _bye(self, action: dict[str, Any]) -> None:
        self._views.discard(action["view"])
        if not self._views:
            self._watch.end()

    def _search(self, action: dict[str, Any]) -> None:
        about = {"kind": "found", "view": action["view"], "n": action["n"]}
        try:
            hits = self._client.search(
                action["text"], fits=bool(action["fits"]), context_size=action["context"]
            )
        except WizError as error:
            self.post({**about, "cards": None})
            self.complain(error, view=action["view"], n=action["n"])
            return
        self.post({**about, "cards": [catalogue.card(hit) for hit in hits]})

    def _repo(self, action: dict[str, Any]) -> None:
        about = {"kind": "repo", "view": action["view"], "repo": action["repo"]}
        try:
            listing = self._client.list_repo(action["repo"], context_size=action["context"])
        except WizError as error:
            # To who may not see it, a private repository is not there.
            gated = error.code in ("hub_access_denied", "hub_not_found")
            page = str(error.details.get("page", ""))
            self.post({**about, "failed": error.message, "gated": gated, "page": page})
            if not gated:
                self.complain(error, view=action["view"])
            return
        self.post({**about, "listing": catalogue.files(listing)})

    def _pull(self, model: str, *, load: bool) -> None:
        operation = self._begin(PullModel(model=model))
        if load:
            self._work.load_when_done.add(operation.id)

    def _begin(self, request: Request) -> Operation:
        """Start work that is followed to its end, for what it then has to say."""
        operation = self._client.start(request)
        threading.Thread(
            target=self._see_through, args=(operation,), name="wiz-work", daemon=True
        ).start()
        self._refresh()
        return operation

    def _see_through(self, operation: Operation) -> None:
        try:
            outcome = operation.result()
        except WizError as error:
            if error.code != "operation_cancelled":
                self.complain(error, id=operation.id)
            return
        self._tell_library()
        self.refresh_form()
        if isinstance(outcome, Verification):
            self.post({"kind": "note", "text": _verified(outcome)})
        elif operation.id in self._work.load_when_done:
            begin_load(self._client, str(outcome), self._show_load)

    def _cancel(self, operation_id: str, *, forget: bool) -> None:
        if forget:
            self._work.dismiss(operation_id)
        self._around.watching.cancel(operation_id)
        self._refresh()

    def _dismiss(self, operation_id: str) -> None:
        self._work.dismiss(operation_id)
        self._refresh()

    def _load_when_done(self, operation_id: str, *, wanted: bool) -> None:
        known = operation_id in self._work.load_when_done
        if not wanted:
            self._work.load_when_done.discard(operation_id)
        elif not known:
            self._work.load_when_done.add(operation_id)
            # It may be another notebook's: nobody here follows it yet.
            operation = self._around.watching.attach(operation_id)
            threading.Thread(target=self._see_through, args=(operation,), daemon=True).start()
        self._refresh()

    def _show_load(self, loading: dict[str, Any] | None) -> None:
        self.post({"kind": "loading", "loading": loading})
        if loading is None or "error" in loading:
            # What could not be loaded may have been deleted.
            self._tell_library()

    def _ask_delete(self, action: dict[str, Any]) -> None:
        asked = self._client.remove_model(action["model"], only_ask=True)
        self.post(
            {"kind": "deletion", "view": action["view"], "deletion": catalogue.deletion(asked)}
        )

    def _delete(self, model: str) -> None:
        gone = self._client.remove_model(model)
        self.post({"kind": "note", "text": f"{gone.name} deleted: {size(gone.freed_bytes)} freed."})
        self._tell_library()
        self.refresh_form()

    def _keep_token(self, token: str) -> None:
        file = keep_token(token)
        self.post({"kind": "note", "text": f"The token is kept in {file}, for you only."})

    def _tell_library(self) -> None:
        status = self._around.watching.status()
        loaded = {worker.model_path for worker in status.workers}
        models = [
            {**catalogue.local(model), "loaded": model.path in loaded}
            for model in self._around.watching.models()
        ]
        self.post({"kind": "library", "models": models})

    def _refresh(self) -> None:
        rows = self._work.draw(self._around.watching.operations(N_OPERATIONS))
        was = {row["id"] for row in self._shown if row["running"]}
        if was - {row["id"] for row in rows if row["running"]}:
            # Something ended, here or in another notebook.
            self._tell_library()
        if rows != self._shown:
            self._shown = rows
            self.post({"kind": "work", "rows": rows})

    def _gone(self) -> None:
        self._work.busy = False
        self.post({"kind": "gone"})


def _verified(outcome: Verification) -> str:
    if outcome.bad:
        return f"{outcome.name}: damaged: {', '.join(outcome.bad)}. Download it again."
    if not outcome.checked:
        return f"{outcome.name}: nobody tells what its sha256 should be."
    return f"{outcome.name} is as the hub has it."
