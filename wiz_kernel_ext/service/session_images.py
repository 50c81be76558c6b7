"""The images of conversations: in memory while the service lives, the latest ones.

A kept message has a mark, `<image>`, for each of its images, and no more: so what is forgotten here
is that mark to the model, which it reads as text.
"""

from __future__ import annotations

from wiz_kernel_ext.protocol.results import SessionMessage

_MOST_BYTES = 64 * 2**20


class SessionImages:
    """Image files' bytes by the operation that sent them, at most `most_bytes` in all."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: dict[str, list[bytes]] = {}

    def keep(self, operation_id: str, images: list[bytes]) -> None:
        """Keep what a prompt came with, if anything; the oldest make room."""
        if images:
            self._kept[operation_id] = images
        while self._n_bytes() > self._most_bytes:
            del self._kept[next(iter(self._kept))]

    def of(self, message: SessionMessage) -> list[bytes]:
        """What a question came with, as far as it is here."""
        if message.role == "assistant" or message.operation_id is None:
            return []
        return self._kept.get(message.operation_id, [])

    def _n_bytes(self) -> int:
        return sum(len(image) for images in self._kept.values() for image in images)
