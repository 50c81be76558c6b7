"""The radix tree says the same as comparing every list with every other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from wiz_kernel_ext.engine.radix_tree import Match, RadixTree, common_prefix

tokens = st.lists(st.integers(0, 2), max_size=8)


@given(st.lists(st.integers(0, 1), max_size=200), st.lists(st.integers(0, 1), max_size=200))
def test_common_prefix_counts_the_leading_tokens_that_are_equal(a: list[int], b: list[int]) -> None:
    n = common_prefix(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]
    assert common_prefix(a, b, n) == n
    assert common_prefix(a + a, a + b) >= len(a)


def kind_of(holder: int) -> str:
    return "other" if holder % 2 else ""


class TreeAgainstLists(RuleBasedStateMachine):
    """Random changes to a tree, and the same to plain lists; odd holders are of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = RadixTree()
        self.lists: dict[int, list[int]] = {}

    @rule(holder=st.integers(0, 5), more=tokens)
    def extend(self, holder: int, more: list[int]) -> None:
        if holder not in self.lists:
            self.tree.add(holder, kind_of(holder))
            self.lists[holder] = []
        self.tree.extend(holder, more)
        self.lists[holder] += more

    @rule(holder=st.integers(0, 5), length=st.integers(0, 12))
    def cut(self, holder: int, length: int) -> None:
        if holder in self.lists:
            self.tree.cut(holder, min(length, len(self.lists[holder])))
            del self.lists[holder][length:]

    @rule(holder=st.integers(0, 5))
    def remove(self, holder: int) -> None:
        if self.lists.pop(holder, None) is not None:
            self.tree.remove(holder)

    def alike(self, kind: str) -> dict[int, list[int]]:
        return {one: its for one, its in self.lists.items() if kind_of(one) == kind}

    @rule(asked=tokens, kind=st.sampled_from(("", "other", "unknown")))
    def look_up(self, asked: list[int], kind: str) -> None:
        matches = self.tree.matches(asked, kind)
        alike = self.alike(kind)
        best = max((common_prefix(own, asked) for own in alike.values()), default=0)
        assert (matches[0].length if matches else 0) == best
        for match in matches:
            assert match.holder in alike
            assert self.lists[match.holder][: match.length] == asked[: match.length]

    @rule(holder=st.integers(0, 5))
    def prefixes(self, holder: int) -> None:
        if holder in self.lists:
            own = self.lists[holder]
            expected = {
                other
                for other, its in self.alike(kind_of(holder)).items()
                if other != holder and its and its == own[: len(its)]
            }
            assert set(self.tree.prefixes_of(holder)) == expected
            if own:
                alike = self.alike(kind_of(holder))
                others = [its for other, its in alike.items() if other != holder]
                covered = any(its[: len(own)] == own for its in others)
                assert self.tree.is_covered(holder) == covered

    @invariant()
    def holds_what_the_lists_hold(self) -> None:
        for holder, own in self.lists.items():
            assert self.tree.tokens(holder) == own
            assert self.tree.length(holder) == len(own)
            assert self.tree.kind(holder) == kind_of(holder)

    @invariant()
    def keeps_no_node_that_nobody_holds(self) -> None:
        assert set(self.tree._roots) == {kind_of(holder) for holder in self.lists}
        nodes = list(self.tree._roots.values())
        while nodes:
            node = nodes.pop()
            nodes += node.children.values()
            if node.parent is not None:
                assert node.tokens
                assert node.holders
                assert node.holders <= (node.parent.holders or node.holders)


TestTree = TreeAgainstLists.TestCase
TestTree.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_those_with_negative_numbers_are_offered_last() -> None:
    tree = RadixTree()
    for holder, own in ((-1, [1, 2, 3]), (4, [1, 2, 3, 4])):
        tree.add(holder)
        tree.extend(holder, own)
    assert tree.matches([1, 2, 3])[0] == Match(4, 3)


def test_the_holder_that_ends_soonest_is_offered() -> None:
    tree = RadixTree()
    for holder, own in ((1, [1, 2, 3, 4, 5]), (2, [1, 2, 3])):
        tree.add(holder)
        tree.extend(holder, own)
    assert tree.matches([1, 2, 3, 9]) == [Match(2, 3)]
