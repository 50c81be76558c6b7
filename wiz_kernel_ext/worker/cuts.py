"""What was left out of conversations, by what they say: the next question finds its beginning.

So a conversation that outgrew its context is cut at the same place until that does no longer do,
its cells stay cached, and what was summed up is not summed up anew. Any thread may ask.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from wiz_kernel_ext.engine.overflow import Cut, old_turns
from wiz_kernel_ext.protocol.messages import ChatMessage

MAX_CUTS = 64


@dataclass(frozen=True)
class Known:
    """A cut that was used: what it left out came to `n_tokens`, and the whole prompt to `n_whole`.

    `summary` stands for what is left out, if anything does.
    """

    cut: Cut
    n_tokens: int
    n_whole: int
    summary: str = ""


class Cuts:
    """The latest cuts of one model's conversations, by all that stands up to the cut's end."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self._lock = threading.Lock()

    def find(self, way: str, messages: Sequence[ChatMessage]) -> Known | None:
        """The latest cut of this conversation's beginning; `way` is how it is cut."""
        keys = _keys(way, messages)
        with self._lock:
            for end in sorted(keys, reverse=True):
                if known := self._known.get(keys[end]):
                    return known
        return None

    def keep(self, way: str, messages: Sequence[ChatMessage], known: Known) -> None:
        """Remember a cut of `messages`; the oldest ones are forgotten."""
        key = _keys(way, messages)[known.cut.end]
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = known
            while len(self._known) > MAX_CUTS:
                del self._known[next(iter(self._known))]


def _keys(way: str, messages: Sequence[ChatMessage]) -> dict[int, bytes]:
    """A digest of `messages` up to the end of each turn but the last, by that end."""
    ends = {turn.stop for turn in old_turns(messages)}
    digest = hashlib.blake2b(way.encode("utf-8", "replace"), digest_size=16)
    keys: dict[int, bytes] = {}
    for i, message in enumerate(messages):
        if i in ends:
            keys[i] = digest.digest()
        content = message.content.encode("utf-8", "replace")
        digest.update(f"\n{message.role} {len(content)} ".encode())
        digest.update(content)
    return keys
