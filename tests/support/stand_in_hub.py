"""A hub on this machine: what huggingface_hub asks of the real one, with faults on demand.

Two origins, as the real hub has: one that knows repositories and redirects, one that has the
bytes. Standard library only. Repositories are `{name: Repository}`; the log has every request.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """Files of one commit, by path; a `token` is needed if one is set, `gated` refuses even so."""

    files: dict[str, bytes]
    token: str | None = None
    gated: bool = False
    branches: tuple[str, ...] = ("main",)

    @property
    def commit(self) -> str:
        """The commit's id: 40 hexadecimal digits made of what is in it."""
        parts = (f"{name}:{hashlib.sha256(data).hexdigest()}" for name, data in self.files.items())
        return hashlib.sha1("\n".join(sorted(parts)).encode()).hexdigest()


@dataclass(frozen=True)
class Asked:
    """One request: to which origin ("hub" or "store"), what, and with which credentials."""

    origin: str
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class StandInHub:
    """The two servers; a context manager.

    `bytes_per_s` slows the bytes down; `break_after` breaks the next transfers off after so many
    bytes; `statuses` are answered, one each, before anything else is.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    bytes_per_s: float | None = None
    break_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> StandInHub:
        self._stop = threading.Event()
        self._store = _server(self, "store", _StoreHandler)
        self._hub = _server(self, "hub", _HubHandler)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: StandInHub
    origin: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that broke off is no news."""


def _server(hub: StandInHub, origin: str, handler: type[_Handler]) -> _Server:
    server = _Server(("127.0.0.1", 0), handler)
    server.hub, server.origin = hub, origin
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def _url(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal: the hub keeps its own log."""

    def do_HEAD(self) -> None:
        self._take()

    def do_GET(self) -> None:
        self._take()

    def _take(self) -> None:
        hub = self.server.hub
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("Authorization")
        hub.asked.append(
            Asked(self.server.origin, self.command, path, self.headers.get("Range"), authorization)
        )
        if hub.statuses:
            self.answer(hub.statuses.pop(0), {})
        else:
            self.respond(path, authorization)

    def respond(self, path: str, authorization: str | None) -> None:
        """Answer one request."""
        raise NotImplementedError

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.send_slowly(body)

    def send_slowly(self, body: bytes) -> None:
        """Send bytes at the hub's speed, and break off where it is told to."""
        hub = self.server.hub
        end = hub.break_after.pop(0) if hub.break_after and body else len(body)
        piece = 2**16
        for start in range(0, end, piece):
            self.wfile.write(body[start : min(start + piece, end)])
            if hub.bytes_per_s and not hub.sleep(piece / hub.bytes_per_s):
                break
        if end < len(body):
            self.close_connection = True


class _HubHandler(_Handler):
    """`/{owner}/{repo}/resolve/{revision}/{file}`: the facts of a file, and where its bytes are."""

    def respond(self, path: str, authorization: str | None) -> None:
        parts = path.strip("/").split("/")
        if len(parts) < 5 or parts[2] != "resolve":
            self.answer(404, {})
            return
        name, revision, file = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        repository = self.server.hub.repositories.get(name)
        if authorization == "Bearer hf_rejected":
            message = "Invalid credentials in Authorization header"
            self.answer(401, {"X-Error-Message": message})
        elif repository is None or not _allowed(repository, authorization):
            status = 404 if authorization else 401
            self.answer(status, {"X-Error-Code": "RepoNotFound"})
        elif repository.gated:
            self.answer(403 if authorization else 401, {"X-Error-Code": "GatedRepo"})
        elif revision not in (*repository.branches, repository.commit):
            self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        elif file not in repository.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit}
            self.answer(404, headers)
        else:
            self._resolve(repository, file)

    def _resolve(self, repository: Repository, file: str) -> None:
        data = repository.files[file]
        digest = hashlib.sha256(data).hexdigest()
        self.answer(
            302,
            {
                "X-Repo-Commit": repository.commit,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(data)),
                "Location": f"{self.server.hub.store_url}/{digest}?signature=secret",
            },
        )


def _allowed(repository: Repository, authorization: str | None) -> bool:
    return repository.token is None or authorization == f"Bearer {repository.token}"


class _StoreHandler(_Handler):
    """`/{sha256}`: the bytes, whole or from somewhere on."""

    def respond(self, path: str, authorization: str | None) -> None:
        for repository in self.server.hub.repositories.values():
            for data in repository.files.values():
                if hashlib.sha256(data).hexdigest() == path.strip("/"):
                    self._send(data)
                    return
        self.answer(404, {})

    def _send(self, data: bytes) -> None:
        asked = self.headers.get("Range")
        if not asked:
            self.answer(200, {"Accept-Ranges": "bytes", "Content-Length": str(len(data))}, data)
            return
        first = int(asked.removeprefix("bytes=").partition("-")[0])
        if first >= len(data):
            self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
            return
        headers = {
            "Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}",
            "Content-Length": str(len(data) - first),
        }
        self.answer(206, headers, data[first:])
