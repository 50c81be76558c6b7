"""Which sequence holds which tokens: a radix tree over token ids, its paths shared by prefix.

Pure bookkeeping, with no KV memory behind it. A node's `holders` are the sequences whose tokens run
through the whole node; every sequence ends at the end of a node. Sequences of different kinds, as
tokens computed with different adapters are, have nothing in common: each kind has a root of its
own. Called by `kv_memory.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wiz_kernel_ext.engine.tiers import tier_of

_COMPARED_AT_ONCE = 64


def common_prefix(a: Sequence[int], b: Sequence[int], start: int = 0) -> int:
    """How many leading tokens two lists share; the first `start` are known to be the same."""
    end = min(len(a), len(b))
    i = start
    while i < end:
        stop = min(i + _COMPARED_AT_ONCE, end)
        if a[i:stop] != b[i:stop]:
            while a[i] == b[i]:
                i += 1
            return i
        i = stop
    return end


@dataclass(eq=False)
class Node:
    """A stretch of tokens that `holders` have in common."""

    tokens: list[int]
    parent: Node | None
    holders: set[int] = field(default_factory=set)
    children: dict[int, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """A holder of the first `length` tokens of what was looked up."""

    holder: int
    length: int


class RadixTree:
    """Token sequences by id, found by their longest common prefix with others."""

    def __init__(self) -> None:
        self._roots: dict[str, Node] = {}
        self._kinds: dict[int, str] = {}
        self._tails: dict[int, Node] = {}
        self._lengths: dict[int, int] = {}

    def __contains__(self, holder: int) -> bool:
        return holder in self._tails

    def length(self, holder: int) -> int:
        """How many tokens `holder` has."""
        return self._lengths[holder]

    def tokens(self, holder: int) -> list[int]:
        """The tokens of `holder`."""
        parts: list[list[int]] = []
        node: Node | None = self._tails[holder]
        while node is not None:
            parts.append(node.tokens)
            node = node.parent
        return [token for part in reversed(parts) for token in part]

    def kind(self, holder: int) -> str:
        """Which kind `holder` is of."""
        return self._kinds[holder]

    def add(self, holder: int, kind: str = "") -> None:
        """Begin `holder`, with no tokens yet."""
        self._tails[holder] = self._roots.setdefault(kind, Node([], None))
        self._kinds[holder] = kind
        self._lengths[holder] = 0

    def extend(self, holder: int, tokens: Sequence[int]) -> None:
        """Append `tokens` to what `holder` has."""
        node, i, n = self._tails[holder], 0, len(tokens)
        self._lengths[holder] += n
        while i < n:
            if node.parent is not None and len(node.holders) == 1 and not node.children:
                node.tokens.extend(tokens[i:])
                break
            child = node.children.get(tokens[i])
            if child is None:
                child = Node(list(tokens[i:]), node, {holder})
                node.children[tokens[i]] = child
                node = child
                break
            shared = common_prefix(child.tokens, tokens[i:])
            if shared < len(child.tokens):
                child = self._split(child, shared)
            child.holders.add(holder)
            node, i = child, i + shared
        self._tails[holder] = node

    def cut(self, holder: int, length: int) -> None:
        """Shorten `holder` to its first `length` tokens."""
        node, end = self._tails[holder], self._lengths[holder]
        while end > length:
            start = end - len(node.tokens)
            if start < length:
                upper = self._split(node, length - start)
                self._leave(node, holder)
                node = upper
                break
            assert node.parent is not None
            parent = node.parent
            self._leave(node, holder)
            node, end = parent, start
        self._tails[holder] = node
        self._lengths[holder] = length

    def remove(self, holder: int) -> None:
        """Forget `holder`."""
        self.cut(holder, 0)
        del self._tails[holder], self._lengths[holder]
        kind = self._kinds.pop(holder)
        if not self._roots[kind].children and kind not in self._kinds.values():
            del self._roots[kind]

    def matches(self, tokens: Sequence[int], kind: str = "") -> list[Match]:
        """One holder of that kind per node along `tokens`, the longest common prefix first."""
        found: list[Match] = []
        node, length = self._roots.get(kind), 0
        while node is not None and length < len(tokens):
            child = node.children.get(tokens[length])
            if child is None:
                break
            shared = common_prefix(child.tokens, tokens[length : length + len(child.tokens)])
            length += shared
            found.append(Match(self._best(child), length))
            if shared < len(child.tokens):
                break
            node = child
        return found[::-1]

    def _best(self, node: Node) -> int:
        """The holder that ends soonest: continuing it in place costs others least.

        Those outside of the context come last, the farthest very last: they are to be brought back.
        """
        return min(node.holders, key=lambda one: (tier_of(one), self._lengths[one], one))

    def is_covered(self, holder: int) -> bool:
        """Whether another sequence begins with all of `holder`'s tokens."""
        return len(self._tails[holder].holders) > 1

    def prefixes_of(self, holder: int) -> list[int]:
        """Other sequences whose tokens are all, and only, a beginning of `holder`'s."""
        found: list[int] = []
        node: Node | None = self._tails[holder]
        while node is not None and node.parent is not None:
            found += [h for h in node.holders if h != holder and self._tails[h] is node]
            node = node.parent
        return found

    def _split(self, node: Node, at: int) -> Node:
        """Put a new node in front of `node` that takes its first `at` tokens; returns it."""
        assert node.parent is not None
        upper = Node(node.tokens[:at], node.parent, set(node.holders), {node.tokens[at]: node})
        node.parent.children[upper.tokens[0]] = upper
        node.parent = upper
        del node.tokens[:at]
        return upper

    def _leave(self, node: Node, holder: int) -> None:
        node.holders.discard(holder)
        if not node.holders and node.parent is not None:
            del node.parent.children[node.tokens[0]]
