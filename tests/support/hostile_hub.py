"""A hub that answers what no hub does: without end, with wrong types, packed, drop by drop.

Each answer is the raw bytes of a connection, as a generator; what of it was taken is counted.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

Answer = Callable[[], Iterator[bytes]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class HostileHub:
    """Answers every request by `answer`; a context manager."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.n_sent_bytes = 0
        self.n_asked = 0
        self._stopping = threading.Event()
        self._talks: list[tuple[threading.Thread, socket.socket]] = []

    def __enter__(self) -> HostileHub:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for talk, connection in self._talks:
            with contextlib.suppress(OSError):  # a talk that has ended has closed it
                connection.shutdown(socket.SHUT_RDWR)
            talk.join()

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def sleep(self, seconds: float) -> bool:
        """Wait; False once it is closing."""
        return not self._stopping.wait(seconds)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                talk = threading.Thread(target=self._talk, args=(connection,), daemon=True)
                self._talks.append((talk, connection))
                talk.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += (data := connection.recv(65536))
                if not data:
                    return
            self.n_asked += 1
            for piece in self.answer():
                if self._stopping.is_set():
                    return
                connection.sendall(piece)
                self.n_sent_bytes += len(piece)


def said(value: Any) -> Answer:
    """An answer of JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()

    def answer() -> Iterator[bytes]:
        yield OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body

    return answer
