"""The two origins of the stand-in hub: one that knows repositories, one that has the bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.stand_in_repository import Asked, Fault, Repository, digest

if TYPE_CHECKING:
    from tests.support.stand_in_hub import StandInHub


class Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: StandInHub
    origin: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that broke off is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal: the hub keeps its own log."""

    def do_HEAD(self) -> None:
        self._take()

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def _take(self) -> None:
        hub = self.server.hub
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.query = parse_qs(address.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        hub.asked.append(
            Asked(self.server.origin, self.command, path, self.headers.get("Range"), authorization)
        )
        statuses = hub.statuses if self.server.origin == "hub" else hub.store_statuses
        with contextlib.suppress(ConnectionError):
            if statuses:
                status = statuses.pop(0)
                self.answer(*(status if isinstance(status, tuple) else (status, {})))
            else:
                self.respond(path, authorization)

    def respond(self, path: str, authorization: str | None) -> None:
        """Answer one request."""
        raise NotImplementedError

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """Send a whole answer."""
        if "Date" in headers:
            self.send_response_only(status)
        else:
            self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class HubHandler(Handler):
    """`/{owner}/{repo}/resolve/{revision}/{file}`, and what is under /api."""

    def respond(self, path: str, authorization: str | None) -> None:
        parts = path.strip("/").split("/")
        if authorization == "Bearer hf_rejected":
            message = "Invalid credentials in Authorization header"
            self.answer(401, {"X-Error-Message": message})
        elif parts == ["api", "whoami-v2"]:
            known = b'{"name": "somebody"}'
            self.answer(200 if authorization else 401, {}, known if authorization else b"")
        elif parts == ["api", "models"]:
            self._search()
        elif parts[:2] == ["api", "collections"]:
            self._collection("/".join(parts[2:]))
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            if repository := self._open("/".join(parts[2:4]), authorization):
                self._about("/".join(parts[2:4]), repository, parts[4:])
        elif len(parts) >= 5 and parts[2] == "resolve":
            if repository := self._open("/".join(parts[:2]), authorization):
                self._resolve(repository, parts[3], "/".join(parts[4:]))
        else:
            self.answer(404, {})

    def _open(self, name: str, authorization: str | None) -> Repository | None:
        repository = self.server.hub.repositories.get(name)
        if repository is None or not _allowed(repository, authorization):
            self.answer(404 if authorization else 401, {"X-Error-Code": "RepoNotFound"})
            return None
        if repository.gated and "resolve" in self.path:
            self.answer(403 if authorization else 401, {"X-Error-Code": "GatedRepo"})
            return None
        return repository

    def _known(self, repository: Repository, revision: str) -> bool:
        if revision in (*repository.branches, repository.commit):
            return True
        self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        return False

    def _resolve(self, repository: Repository, revision: str, file: str) -> None:
        if not self._known(repository, revision):
            return
        if file not in repository.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit}
            self.answer(404, headers)
            return
        data = repository.files[file]
        headers = {
            "X-Repo-Commit": repository.commit,
            "X-Linked-Etag": f'"{digest(data)}"',
            "X-Linked-Size": str(len(data)),
            "Location": f"{self.server.hub.store_url}/{digest(data)}?signature=secret",
        }
        self.answer(302, headers | repository.claims.get(file, {}))

    def _about(self, name: str, repository: Repository, rest: list[str]) -> None:
        if rest[:1] == ["paths-info"]:
            if self._known(repository, "/".join(rest[1:])):
                asked = parse_qs(self.body.decode()).get("paths") or json.loads(self.body)["paths"]
                self._json([_entry(p, repository.files[p]) for p in asked if p in repository.files])
        elif not rest or rest[0] == "revision":
            if self._known(repository, "/".join(rest[1:]) or "main"):
                self._json(_described(name, repository, with_files=True))
        else:
            self.answer(404, {})

    def _search(self) -> None:
        text = "".join(self.query.get("search", [])).lower()
        found = [
            _described(name, repository, with_files=False)
            for name, repository in self.server.hub.repositories.items()
            if text in name.lower() and any(f.endswith(".gguf") for f in repository.files)
        ]
        sort = "".join(self.query.get("sort", ["downloads"]))
        found.sort(key=lambda model: -float(model.get(sort) or 0))
        self._json(found[: int("".join(self.query.get("limit", ["100"])))])

    def _collection(self, slug: str) -> None:
        models = self.server.hub.collections.get(slug)
        if models is None:
            self.answer(404, {})
            return
        items = [
            {"id": model, "type": "model", "position": i, "_id": str(i)}
            for i, model in enumerate(models)
        ]
        self._json(
            {"slug": slug, "title": slug, "owner": {"name": "x"}, "items": items, "private": False,
             "lastUpdated": "2026-01-01T00:00:00.000Z", "position": 0, "theme": "x", "upvotes": 0}
        )  # fmt: skip

    def _json(self, value: Any) -> None:
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())


def _described(name: str, repository: Repository, *, with_files: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": name,
        "sha": repository.commit,
        "private": repository.token is not None,
        "gated": "manual" if repository.gated else False,
        "downloads": 0,
        "likes": 0,
        "tags": ["gguf"],
        "lastModified": "2026-01-01T00:00:00.000Z",
    }
    if with_files:
        facts["siblings"] = [
            {"rfilename": path, "size": len(data), "blobId": "0" * 40, "lfs": _lfs(data)}
            for path, data in repository.files.items()
        ]
    return facts | repository.facts


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "oid": "0" * 40, "size": len(data), "lfs": _lfs(data)}


def _lfs(data: bytes) -> dict[str, Any]:
    found = digest(data)
    return {"size": len(data), "sha256": found, "oid": found, "pointerSize": 130}


def _allowed(repository: Repository, authorization: str | None) -> bool:
    return repository.token is None or authorization == f"Bearer {repository.token}"


class StoreHandler(Handler):
    """`/{sha256}`: the bytes, whole or from somewhere on, with the faults that are due."""

    def respond(self, path: str, authorization: str | None) -> None:
        for repository in self.server.hub.repositories.values():
            for data in repository.files.values():
                if digest(data) == path.strip("/"):
                    self._send(data)
                    return
        self.answer(404, {})

    def _send(self, data: bytes) -> None:
        hub = self.server.hub
        with hub.lock:
            fault = hub.faults.pop(0) if hub.faults else Fault("fin", len(data) + 1)
        if fault.kind == "refuse":
            self.answer(403, {})
            return
        first, last = self._asked_for(data, fault)
        if first > last:
            self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
            return
        if first or last < len(data) - 1:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if self.command == "HEAD":
            return
        # A small buffer keeps what is counted as sent close to what the other side took.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, hub.piece_bytes)
        for piece in _pieces(data, first, last, fault, hub.piece_bytes):
            self.wfile.write(piece)
            with hub.lock:
                hub.n_sent_bytes += len(piece)
            if hub.bytes_per_s and not hub.sleep(len(piece) / hub.bytes_per_s):
                break
        if fault.after_bytes < last + 1 - first:
            self._break(fault)

    def _asked_for(self, data: bytes, fault: Fault) -> tuple[int, int]:
        asked = self.headers.get("Range")
        if not asked or fault.kind == "ignore range":
            return 0, len(data) - 1
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), min(int(last or len(data)), len(data) - 1)

    def _break(self, fault: Fault) -> None:
        if fault.kind in ("corrupt", "ignore range"):
            return
        if fault.kind == "stall":
            self.server.hub.sleep(600)
        if fault.kind == "rst":
            # Lingering for no time turns the close into a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        self.close_connection = True


def _pieces(
    data: bytes, first: int, last: int, fault: Fault, n_bytes: int
) -> Iterator[bytes | memoryview]:
    end = last + 1
    if fault.kind in ("fin", "rst", "stall"):
        end = min(end, first + fault.after_bytes)
    flipped = first + fault.after_bytes if fault.kind == "corrupt" else -1
    view = memoryview(data)
    for start in range(first, end, n_bytes):
        piece: bytes | memoryview = view[start : min(start + n_bytes, end)]
        if start <= flipped < start + len(piece):
            changed = bytearray(piece)
            changed[flipped - start] ^= 1
            piece = bytes(changed)
        yield piece
