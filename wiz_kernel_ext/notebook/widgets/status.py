"""`Status`: the service at a glance, kept up to date. The page's side is `page/status.js`."""

from __future__ import annotations

import time
from typing import Any

from wiz_kernel_ext.commands.service_tables import service_line, status_tables
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.tables import tables_drawing
from wiz_kernel_ext.notebook.widgets.change_watcher import ChangeWatcher
from wiz_kernel_ext.notebook.widgets.forms import error_drawing
from wiz_kernel_ext.notebook.widgets.pages import module, style
from wiz_kernel_ext.notebook.widgets.panel import Action, Panel
from wiz_kernel_ext.notebook.widgets.panel_clients import PanelClients, panel_clients
from wiz_kernel_ext.notebook.widgets.status_rows import StatusRows
from wiz_kernel_ext.protocol.requests import UnloadModel


class Status(Panel):
    """Service, models and memory, running operations, sessions and the log, with their buttons.

    Starts no service and keeps none alive.
    """

    _esm = module("status.js")
    _css = style("panel.css", "table.css", "status.css")
    urgent = frozenset({"cancel"})

    def __init__(self, *, around: PanelClients | None = None) -> None:
        around = around or panel_clients()
        super().__init__(around.notebook.shell)
        self._around = around
        self._rows = StatusRows()
        self._watch = ChangeWatcher(
            around.watching, self._refresh, self._gone, busy=lambda: self._rows.busy
        )

    def actions(self) -> dict[str, Action]:
        """What the page may ask for."""
        return {
            "hello": self._hello,
            "bye": lambda a: self._watch.end(a["view"]),
            "cancel": lambda a: self._cancel(str(a["id"])),
            "unload": lambda a: self._unload(str(a["path"]), force=bool(a.get("force"))),
            "stop": lambda a: self._stop(),
        }

    def drawing(self) -> Drawing:
        """The status as tables."""
        try:
            status = self._around.watching.status()
        except WizError as error:
            return error_drawing("Wiz", error)
        return tables_drawing(service_line(status), status_tables(status, time.time()))

    def _hello(self, action: dict[str, Any]) -> None:
        self._watch.begin(action["view"])
        try:
            self._refresh()
        except WizError:
            self._gone()

    def _refresh(self) -> None:
        was_busy = self._rows.busy
        self.post(self._rows.draw(self._around.watching.status()))
        if was_busy and not self._rows.busy:
            self.refresh_form()

    def _gone(self) -> None:
        self._rows.busy = False
        self.post({"kind": "gone"})

    def _cancel(self, operation_id: str) -> None:
        self._around.watching.cancel(operation_id)

    def _unload(self, path: str, *, force: bool) -> None:
        request = UnloadModel(model_path=path, force=force)
        self._around.watching.request(request)

    def _stop(self) -> None:
        self._around.watching.stop()
        self._around.notebook.close()
        self._gone()
