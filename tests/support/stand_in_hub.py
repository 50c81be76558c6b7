"""A hub on this machine: what huggingface_hub asks of the real one, with faults on demand.

Two origins, as the real hub has: one that knows repositories and redirects, one that has the
bytes. Standard library only. Repositories are `{name: Repository}`; the log has every request.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.support.stand_in_origins import Handler, HubHandler, Server, StoreHandler
from tests.support.stand_in_repository import Asked, Fault, FaultKind, Repository, digest

__all__ = ["Asked", "Fault", "FaultKind", "Repository", "StandInHub", "digest"]


@dataclass
class StandInHub:
    """The two servers; a context manager.

    `bytes_per_s` slows the bytes down; `faults` befall the next transfers, one each, and
    `statuses` are answered, one each and with headers, before anything else is. `piece_bytes` is
    what is handed to the network at a time.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    collections: dict[str, list[str]] = field(default_factory=dict)
    bytes_per_s: float | None = None
    faults: list[Fault] = field(default_factory=list)
    statuses: list[int | tuple[int, dict[str, str]]] = field(default_factory=list)
    store_statuses: list[int | tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    n_sent_bytes: int = 0
    piece_bytes: int = 1 << 16

    def __enter__(self) -> StandInHub:
        self.lock = threading.Lock()
        self._stop = threading.Event()
        self._store = _server(self, "store", StoreHandler)
        self._hub = _server(self, "hub", HubHandler)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for server in (self._hub, self._store):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        """The hub's own origin, for HF_ENDPOINT."""
        return _url(self._hub)

    @property
    def store_url(self) -> str:
        """The origin that has the bytes."""
        return _url(self._store)

    def asked_for(self, method: str, origin: str) -> list[Asked]:
        """The requests of one kind."""
        return [a for a in self.asked if (a.method, a.origin) == (method, origin)]

    def sleep(self, seconds: float) -> bool:
        """Wait; False once the hub is closing."""
        return not self._stop.wait(seconds)


def _server(hub: StandInHub, origin: str, handler: type[Handler]) -> Server:
    server = Server(("127.0.0.1", 0), handler)
    server.hub, server.origin = hub, origin
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def _url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"
