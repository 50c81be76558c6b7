"""Cells are counted exactly, shared ones once."""

from __future__ import annotations

import random

import pytest

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


def test_idle_cells_are_those_that_only_resting_ones_hold() -> None:
    pool = CellPool(10)
    pool.take(1, 6)
    pool.share(1, 2, 0, 4)
    pool.share(1, 3, 0, 2)
    idle = []
    for number in (1, 2, 3):
        pool.rest(number)
        idle.append(pool.n_idle)
    assert idle == [2, 4, 6]
    pool.wake(2)
    assert pool.n_idle == 2
    pool.release(2, 2)
    assert pool.n_idle == 4
    pool.release(1)
    assert (pool.n_idle, pool.n_free) == (0, 8)


@pytest.mark.parametrize("seed", range(30))
def test_the_count_of_idle_cells_is_what_a_look_at_all_of_them_finds(seed: int) -> None:
    chance, pool, size = random.Random(seed), CellPool(40), 40
    held: dict[int, list[object]] = {}
    resting: set[int] = set()
    for _ in range(200):
        number = chance.randrange(6)
        if number in resting and chance.random() < 0.5:
            pool.wake(number)
            resting.discard(number)
        if number not in resting:
            n, other = chance.randrange(8), chance.randrange(6)
            if number not in held and other in held:
                end = chance.randrange(len(held[other]) + 1)
                pool.share(other, number, 0, end)
                held[number] = held[other][:end]
            elif n <= pool.n_free:
                pool.take(number, n)
                held.setdefault(number, []).extend(object() for _ in range(n))
        if chance.random() < 0.3:
            start = chance.choice([0, len(held.get(number, [])) // 2])
            pool.release(number, start)
            del held.get(number, [])[start:]
        if number in held and not held[number]:
            del held[number]
            resting.discard(number)
        if number in held and chance.random() < 0.3:
            pool.rest(number)
            resting.add(number)
        running = {id(c) for k, cells in held.items() if k not in resting for c in cells}
        cells = {id(c) for own in held.values() for c in own}
        assert pool.n_idle == len(cells - running)
        assert pool.n_free == size - len(cells)


def test_releasing_what_holds_nothing_changes_nothing() -> None:
    pool = CellPool(3)
    pool.release(7)
    assert pool.n_free == 3
