"""Questions of a downloader's page to the hub, each answered to the view that asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wiz_kernel_ext.errors import BadRequest, WizError
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.notebook.widgets.panel import Panel

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

# To who may not see it, a private repository is not there.
CLOSED = frozenset({"hub_access_denied", "hub_not_found"})


class HubSearch:
    """Asks `client()`; tells `panel`'s page, which also complains of what a search met with."""

    def __init__(self, client: Callable[[], Client], panel: Panel) -> None:
        self._client = client
        self._panel = panel

    def search(self, action: dict[str, Any]) -> None:
        """What a text finds; a repository it names is there too, though no search may know it."""
        about = {"kind": "found", "view": action["view"], "n": action["n"], "named": None}
        text = str(action["text"])
        try:
            about["named"] = repo = catalogue.named(text, _host())
        except BadRequest as error:
            self._panel.post({**about, "cards": [], "why": error.message})
            return
        try:
            hits = self._client().search(
                repo or text, fits=bool(action["fits"]), context_size=action["context"]
            )
        except WizError as error:
            self._panel.post({**about, "cards": None})
            self._panel.complain(error, view=action["view"], n=action["n"])
            return
        cards = [catalogue.card(hit) for hit in hits]
        if repo is not None and all(card["repo"] != repo for card in cards):
            cards.insert(0, catalogue.only_named(repo))
        self._panel.post({**about, "cards": cards})

    def repo(self, action: dict[str, Any]) -> None:
        """What is in a repository, or why that is not told."""
        about = {"kind": "repo", "view": action["view"], "repo": action["repo"]}
        try:
            listing = self._client().list_repo(action["repo"], context_size=action["context"])
        except WizError as error:
            page = str(error.details.get("page", ""))
            gated = error.code in CLOSED
            why = {"failed": error.message, "hint": error.hint, "gated": gated, "page": page}
            self._panel.post({**about, **why})
            return
        self._panel.post({**about, "listing": catalogue.files(listing)})


def _host() -> str:
    """The hub that is asked, where it is another than the usual."""
    return urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc
