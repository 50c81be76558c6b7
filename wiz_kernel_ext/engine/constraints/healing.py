"""A text that ends within a word: its last tokens are taken back, and picked anew to go on from it.

Tokens are not letters: " c" read as a token of its own is not the beginning of " capital". So a
text that an answer goes on with is read without its end, and the answer's first tokens spell that.
"""

from __future__ import annotations

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.constraints.constraint import Constraint
from wiz_kernel_ext.engine.constraints.vocabulary import Bits, bits_of

_MOST_TOKENS = 4


class Healing(Constraint):
    """Lets an answer begin with the bytes of `rest` and go on as it likes.

    `pieces` are all tokens'. The last byte of `rest` may be anywhere in its token.
    """

    def __init__(self, rest: bytes, pieces: list[bytes]) -> None:
        self._rest = rest
        self._pieces = pieces
        self._allowed: Bits | None = None

    @property
    def is_done(self) -> bool:  # type: ignore[override]
        """Whether all of it is there."""
        return not self._rest

    def copy(self) -> Healing:
        """The same for another answer."""
        return Healing(self._rest, self._pieces)

    def work_out(self) -> None:
        """Find the tokens that spell the beginning of the rest, or all of it and more."""
        if self._allowed is not None or not self._rest:
            return
        rest = self._rest
        spelling = (
            token
            for token, piece in enumerate(self._pieces)
            if piece and (piece.startswith(rest) or rest.startswith(piece))
        )
        self._allowed = bits_of(spelling, len(self._pieces))

    def mask(self) -> Bits:
        """The tokens that go on with the text."""
        self.work_out()
        assert self._allowed is not None
        return self._allowed

    def take(self, token: int, *, forces: bool = True) -> list[int]:
        """A token was picked; nothing is forced."""
        self._rest = self._rest[len(self._pieces[token]) :]
        self._allowed = None
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
    """`tokens`, which end with `text`, without those at the end that another could begin with.

    Also how many bytes of `text` these were, and what the answer has to begin with then.
    """
    pieces = [model.piece(token) for token in range(model.facts.n_vocab)]
    data = text.encode("utf-8", "replace")
    rest, n_back, end = b"", 0, b""
    for n, token in enumerate(reversed(tokens[1:][-_MOST_TOKENS:]), 1):
        if tokens[-n - 1] < 0:  # a piece of an image, which no prompt may end with
            break
        end = pieces[token] + end
        if not pieces[token] or not data.endswith(end):
            break
        if any(len(piece) > len(end) and piece.startswith(end) for piece in pieces):
            rest, n_back = end, n
    if not n_back:
        return tokens, 0, None
    return tokens[:-n_back], len(rest), Healing(rest, pieces)
