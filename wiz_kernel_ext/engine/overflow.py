"""Which turns of a conversation that does not fit are left out. Called by `worker/fitting.py`.

Pure. A turn is a question with all that followed it: answers and tools' results go with their
question, so what is left begins with a question again. System messages and the last turn always
stay. More is left out than must be, so that the next questions find the same beginning and its
cached cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from wiz_kernel_ext.protocol.messages import ChatMessage

DEFAULT_ANSWER = 2048
"""The most tokens kept free for an answer of which nobody said how long it may be."""
KEEP = 0.75
"""What is left after leaving something out, as a share of the room."""
HEAD = 0.25
"""What "middle" keeps of the beginning at most, as a share of the room."""
_CLOSE = 0.8
"""A plan that comes to this share of what it may is good enough: looking on costs encodings."""
_FRAME = 16
"""What stands around a message, in bytes, as long as nothing better is known."""


@dataclass(frozen=True)
class Cut:
    """Messages from `start` up to `end` are left out, but for system messages between them."""

    start: int
    end: int

    def left_out(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The places of what is left out, from 0."""
        return [i for i in range(self.start, self.end) if messages[i].role != "system"]

    def kept(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """What is left, in its order."""
        gone = set(self.left_out(messages))
        return [message for i, message in enumerate(messages) if i not in gone]


def room_for(context_size: int, max_tokens: int | None) -> int:
    """The longest prompt, in tokens, that leaves its answer the tokens it may have.

    `max_tokens` of them, at most half of the context; where none are given a quarter of it, at
    most `DEFAULT_ANSWER`.
    """
    answer = min(context_size // 4, DEFAULT_ANSWER) if max_tokens is None else max_tokens
    return context_size - min(answer, context_size // 2)


def old_turns(messages: Sequence[ChatMessage]) -> list[range]:
    """The places of each turn but the last, in order; the first begins behind the system prompt."""
    first = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    asked = [i for i, m in enumerate(messages) if m.role == "user" and i > first]
    begins = [first, *asked]
    return [range(a, b) for a, b in pairwise(begins)]


def plan_cut(
    messages: Sequence[ChatMessage],
    n_tokens: int,
    goals: Sequence[int],
    count: Callable[[Cut], int],
    *,
    n_head: int = 0,
) -> Cut | None:
    """What to leave out of `messages`, which are `n_tokens` long, so that the first goal is met.

    `goals` are in tokens, ascending: where nothing meets one, the next is tried. `count` says how
    long the prompt is with a cut; it is asked a few times and O(log n) times at the worst, and
    whatever is returned was counted. `n_head` tokens at the beginning are to stay, as estimated, at
    least a turn of them if that fits. None: the system prompt and the last turn do not fit alone,
    or there is nothing beside them.
    """
    turns = old_turns(messages)
    sizes = [sum(_n_bytes(messages[i]) for i in turn) for turn in turns]
    head = _head(sizes, n_head * _n_all_bytes(messages) / max(1, n_tokens)) if n_head else 0
    while turns:
        search = _Search(turns, sizes, head, n_tokens, count)
        for goal in goals:
            if search.n_least <= goal:
                return search.cut(search.fewest(goal))
        if not head:
            return None
        head //= 2
    return None


class _Search:
    """How many turns behind the first `head` ones are to go."""

    def __init__(
        self,
        turns: list[range],
        sizes: list[int],
        head: int,
        n_tokens: int,
        count: Callable[[Cut], int],
    ) -> None:
        self._turns = turns
        self._head = head
        self._count = count
        self._sums = [0, *accumulate(sizes[head:])]
        self._n_all = n_tokens
        self.n_least = count(self.cut(len(self._sums) - 1))

    def cut(self, n_turns: int) -> Cut:
        """The cut that takes `n_turns`."""
        start = self._turns[self._head].start
        return Cut(start, self._turns[self._head + n_turns - 1].stop)

    def fewest(self, goal: int) -> int:
        """About the fewest turns to go for `goal`, which is met when all are gone."""
        low, n_low = 0, self._n_all
        high, n_high = len(self._sums) - 1, self.n_least
        for looks in range(len(self._sums)):
            if high - low <= 1 or n_high >= _CLOSE * goal:
                break
            # By the bytes of what goes; where that does not narrow it down, by halves.
            number = (low + high) // 2 if looks > 2 else self._guess(low, n_low, high, n_high, goal)
            n = self._count(self.cut(number))
            if n <= goal:
                high, n_high = number, n
            else:
                low, n_low = number, n
        return high

    def _guess(self, low: int, n_low: int, high: int, n_high: int, goal: int) -> int:
        aim = (1 + _CLOSE) / 2 * goal
        share = (n_low - aim) / max(1, n_low - n_high)
        wanted = self._sums[low] + share * (self._sums[high] - self._sums[low])
        number = next((k for k in range(low, high) if self._sums[k] >= wanted), high)
        return min(max(number, low + 1), high - 1)


def _head(sizes: list[int], n_bytes: float) -> int:
    """How many turns at the beginning are no longer than `n_bytes`: at least one, never all."""
    fitting = sum(total <= n_bytes for total in accumulate(sizes))
    return min(max(fitting, 1), len(sizes) - 1) if sizes else 0


def _n_bytes(message: ChatMessage) -> int:
    return len(message.content.encode("utf-8", "replace")) + _FRAME


def _n_all_bytes(messages: Sequence[ChatMessage]) -> int:
    return sum(_n_bytes(message) for message in messages)
