"""Cells are counted exactly, shared ones once."""

from __future__ import annotations

from wiz_kernel_ext.engine.cell_pool import CellPool


def test_shared_cells_are_free_when_the_last_holder_lets_go() -> None:
    pool = CellPool(10)
    pool.take(1, 6)
    pool.share(1, 2, 0, 4)
    assert pool.n_free == 4
    pool.take(2, 1)
    pool.release(1)
    assert pool.n_free == 5
    pool.release(2, 2)
    assert pool.n_free == 8
    pool.release(2)
    assert pool.n_free == 10


def test_cells_held_only_by_some_are_those_nobody_else_shares() -> None:
    pool = CellPool(10)
    pool.take(1, 6)
    pool.share(1, 2, 0, 4)
    pool.share(1, 3, 0, 2)
    assert pool.n_held_only_by([1]) == 2
    assert pool.n_held_only_by([1, 2]) == 4
    assert pool.n_held_only_by([1, 2, 3]) == 6
    assert pool.n_held_only_by([]) == 0


def test_releasing_what_holds_nothing_changes_nothing() -> None:
    pool = CellPool(3)
    pool.release(7)
    assert pool.n_free == 3
