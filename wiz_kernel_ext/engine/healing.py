"""A text that ends within a word: its last token is taken back, and the next goes on from there.

Tokens are not letters: "Fran" read as a token of its own is not the beginning of "France". So a
text that an answer goes on with lacks its last token, and the first token picked begins with it.
"""

from __future__ import annotations

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.constraint import Constraint
from wiz_kernel_ext.engine.vocabulary import Bits, bits_of


class Healing(Constraint):
    """Lets an answer's first token be one of those in `mask`, and all others be any."""

    def __init__(self, mask: Bits) -> None:
        self._mask = mask
        self.is_done = False

    def copy(self) -> Healing:
        """The same for another answer."""
        return Healing(self._mask)

    def work_out(self) -> None:
        """All is known from the beginning."""

    def mask(self) -> Bits:
        """The tokens that go on with the text."""
        return self._mask

    def take(self, token: int, *, forces: bool = True) -> list[int]:
        """The first token was picked: nothing is asked of the others."""
        self.is_done = True
        return []

    @property
    def is_whole(self) -> bool:
        """Any answer is whole."""
        return True

    @property
    def is_over(self) -> bool:
        """Anything may follow."""
        return False

    @property
    def is_looping(self) -> bool:
        """Nothing is looked for."""
        return False


def heal(model: Model, tokens: list[int], text: str) -> tuple[list[int], int, Healing | None]:
    """`tokens`, which end with `text`, without the last one, if it may be the beginning of another.

    Also how many bytes of the next token's text are in `text` already, and what it may be.
    """
    piece = model.piece(tokens[-1]) if len(tokens) > 1 else b""
    if not piece or not text.encode("utf-8", "replace").endswith(piece):
        return tokens, 0, None
    pieces = enumerate(map(model.piece, range(model.facts.n_vocab)))
    begins = [token for token, other in pieces if other.startswith(piece)]
    if len(begins) < 2:
        return tokens, 0, None
    return tokens[:-1], len(piece), Healing(bits_of(begins, model.facts.n_vocab))
