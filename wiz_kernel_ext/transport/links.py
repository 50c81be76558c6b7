"""The two seams between comms and a wire: a server's link and a client's link.

A link carries whole frames, in order, and says when its other end is gone. It knows nothing of
comms. `zmq_links` is the real one, `memory` its twin; `server` and `client` stand on them.
"""

from __future__ import annotations

from typing import Protocol

from wiz_kernel_ext.errors import BadRequest

MAX_FRAME_BYTES = 64 * 2**20


class LinkLost(ConnectionError):
    """The other end of a client's link is gone, or the link was closed: nothing more will come."""


class ServerLink(Protocol):
    """The end that many clients connect to."""

    async def receive(self) -> tuple[str, bytes]:
        """The next frame and the client it came from; an empty frame says that client is gone.

        Raises LinkLost once the link is closed.
        """

    async def send(self, client: str, frame: bytes) -> None:
        """Queue a frame without waiting for its reader; to a client that is gone, drop it.

        Raises BadRequest for a frame above MAX_FRAME_BYTES.
        """

    async def close(self) -> None:
        """Close; frames already queued get a moment to leave."""


class ClientLink(Protocol):
    """The end of one client."""

    async def receive(self) -> bytes:
        """The next frame; raises LinkLost once the server is gone and all it sent was read."""

    async def send(self, frame: bytes) -> None:
        """Queue a frame; raises BadRequest above MAX_FRAME_BYTES and LinkLost once lost."""

    async def close(self) -> None:
        """Close at once; what was not sent yet is dropped."""


def check_size(frame: bytes) -> None:
    """Refuse a frame the other end would refuse: it would drop the whole connection instead."""
    if len(frame) > MAX_FRAME_BYTES:
        raise BadRequest(
            f"A message of {len(frame)} bytes is too large to send.",
            hint=f"The limit is {MAX_FRAME_BYTES} bytes.",
            field="frame",
        )
