"""Questions of a downloader's page to the hub, each answered to the view that asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wiz_kernel_ext.errors import BadRequest, WizError
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.notebook.widgets.panel import described

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client

# To who may not see it, a private repository is not there.
CLOSED = frozenset({"hub_access_denied", "hub_not_found"})


class HubSearch:
    """Asks `client()`."""

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client

    def search(self, action: dict[str, Any]) -> dict[str, Any]:
        """What a text finds; a repository it names is there too, though no search may know it."""
        text = str(action["text"])
        try:
            repo = catalogue.named(text, _host())
        except BadRequest as error:
            return {"cards": [], "named": None, "why": error.message}
        hits = self._client().search(
            repo or text, fits=bool(action["fits"]), context_size=action["context"]
        )
        cards = [catalogue.card(hit) for hit in hits]
        if repo is not None and all(card["repo"] != repo for card in cards):
            cards.insert(0, catalogue.only_named(repo))
        return {"cards": cards, "named": repo, "why": ""}

    def repo(self, action: dict[str, Any]) -> dict[str, Any]:
        """What is in a repository, or why that is not told."""
        try:
            listing = self._client().list_repo(action["repo"], context_size=action["context"])
        except WizError as error:
            return {"problem": {**described(error), "gated": error.code in CLOSED}}
        return {"listing": catalogue.files(listing)}


def _host() -> str:
    """The hub that is asked, where it is another than the usual."""
    return urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc
