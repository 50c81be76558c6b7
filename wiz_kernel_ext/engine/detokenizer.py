"""From the bytes tokens print to text that can be shown: whole characters, and nothing of a stop.

Pure: bytes in, text out. A character whose bytes are not all there waits; so does text that may
turn out to be the beginning of a stop string.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Grows an answer's text token by token; `stopped` once a stop string was found.

    `strip_space` drops one space at the very beginning (vocabularies that put one before the
    first word of any text); `n_begun` bytes there are in the text before it already.
    """

    def __init__(
        self, stop: Sequence[str] = (), *, strip_space: bool = False, n_begun: int = 0
    ) -> None:
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._strip_space = strip_space
        self._n_begun = n_begun
        self.stopped = False

    def push(self, piece: bytes) -> str:
        """Take one token's bytes and return the text that is sure now."""
        return self.take(self.decode(piece))

    def decode(self, piece: bytes) -> str:
        """The characters that one token's bytes make whole."""
        if self._n_begun:
            piece, self._n_begun = piece[self._n_begun :], max(0, self._n_begun - len(piece))
        text = self._decoder.decode(piece)
        if self._strip_space and text:
            text = text.removeprefix(" ")
            self._strip_space = False
        return text

    def take(self, text: str) -> str:
        """Take more characters and return those that are sure not to be a stop string's."""
        if self.stopped:
            return ""
        self._held += text
        return self._release()

    def flush(self) -> str:
        """The rest, when the answer ends otherwise; bytes of half a character are left out."""
        text, self._held = self._held, ""
        return "" if self.stopped else text

    def _release(self) -> str:
        found = [(at + len(stop), at) for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if found:
            # The one that is whole first: so it does not matter how the text came in pieces.
            self.stopped = True
            _, start = min(found)
            text, self._held = self._held[:start], ""
            return text
        keep = max((overlap(self._held, stop) for stop in self._stop), default=0)
        end = len(self._held) - keep
        text, self._held = self._held[:end], self._held[end:]
        return text


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are a beginning of `stop`, but not all of it."""
    for n in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:n]):
            return n
    return 0
