"""The prefix cache: what is reused, how, and what goes first."""

from __future__ import annotations

import pytest

from tests.engine.computing import begin_and_compute
from tests.engine.fake_backend import FakeContext
from wiz_kernel_ext.engine.kv_memory import KvMemory, Start


class Cache:
    """A memory over a fake context, and prompts computed into it."""

    def __init__(
        self, pool_size: int = 1000, ids: int = 4, *, can_cut: bool = True, parking: int = 0
    ) -> None:
        self.context = FakeContext(pool_size, can_cut=can_cut)
        self.memory = KvMemory(self.context, ids, parking)

    def run(self, tokens: list[int]) -> Start:
        """Begin a prompt and compute all of it."""
        return begin_and_compute(self.memory, self.context, tokens)

    def answer(self, tokens: list[int]) -> Start:
        """The same, and let it rest."""
        start = self.run(tokens)
        self.memory.rest(start.sequence_id)
        assert self.memory.n_free == self.context.pool_size - self.context.n_used
        return start


HISTORY = list(range(300))


def test_a_longer_turn_goes_on_in_place_where_the_last_one_ended() -> None:
    cache = Cache()
    first = cache.answer(HISTORY)
    assert cache.run([*HISTORY, 7, 8]) == Start(first.sequence_id, 300)


def test_the_last_token_is_always_computed_again() -> None:
    cache = Cache()
    first = cache.answer(HISTORY)
    assert cache.run(HISTORY) == Start(first.sequence_id, 299)


def test_a_small_difference_at_the_end_is_cut_off_in_place() -> None:
    cache = Cache()
    first = cache.answer(HISTORY)
    assert cache.answer([*HISTORY[:280], 7, 8, 9]) == Start(first.sequence_id, 280)
    assert cache.memory.n_resting == 1


def test_where_much_would_be_lost_the_cells_are_shared_and_both_stay() -> None:
    cache = Cache()
    first = cache.answer(HISTORY)
    second = cache.answer([*HISTORY[:100], 7])
    assert second == Start(second.sequence_id, 100)
    assert second.sequence_id != first.sequence_id
    assert cache.memory.n_free == 1000 - 301
    assert cache.run([*HISTORY, 7]).n_cached == 300


def test_one_in_use_is_shared_never_taken() -> None:
    cache = Cache()
    running = cache.run(HISTORY)
    second = cache.run([*HISTORY, 7])
    assert second.n_cached == 300
    assert second.sequence_id != running.sequence_id
    assert cache.context.tokens_of(running.sequence_id) == HISTORY


def test_what_is_only_the_beginning_of_another_is_not_kept_twice() -> None:
    cache = Cache()
    running = cache.run([1, 2, 3, 4])
    cache.answer([1, 2, 3])
    assert cache.memory.n_resting == 1
    cache.memory.extend(running.sequence_id, [])
    cache.memory.rest(running.sequence_id)
    assert cache.memory.n_resting == 1
    assert cache.memory.n_free == 1000 - 4


def test_the_least_recently_used_goes_first_when_cells_run_out() -> None:
    cache = Cache(pool_size=100)
    for base in (0, 1000, 2000):
        cache.answer(list(range(base, base + 30)))
    cache.answer([*range(30), 7])
    assert cache.memory.make_room(30)
    assert cache.run([*range(30), 8]).n_cached == 30
    assert cache.run([*range(2000, 2030), 8]).n_cached == 30
    assert cache.memory.begin([*range(1000, 1030), 8]).n_cached == 0


def test_the_least_recently_used_makes_way_when_ids_run_out() -> None:
    cache = Cache(ids=3)
    for base in (0, 1000, 2000, 3000):
        cache.answer(list(range(base, base + 100)))
    assert cache.memory.n_resting == 3
    assert cache.run([*range(1000, 1100), 8]).n_cached == 100
    assert cache.memory.begin([*range(100), 8]).n_cached == 0


def test_with_no_id_to_spare_one_that_rests_is_continued_in_place() -> None:
    cache = Cache(ids=2)
    cache.run(list(range(5000, 5100)))
    first = cache.answer(HISTORY)
    assert cache.run([*HISTORY[:100], 7]) == Start(first.sequence_id, 100)


def test_making_room_says_when_running_ones_are_in_the_way() -> None:
    cache = Cache(pool_size=100)
    cache.run(list(range(60)))
    cache.answer(list(range(100, 130)))
    assert cache.memory.make_room(40)
    assert not cache.memory.make_room(41)


@pytest.mark.parametrize(
    ("promised", "room"), [(0, True), (30, True), (39, True), (40, False), (500, False)]
)
def test_room_counts_what_rests_but_not_what_is_promised(promised: int, room: bool) -> None:
    cache = Cache(pool_size=100)
    cache.answer(list(range(50)))
    assert cache.memory.has_room(list(range(1000, 1060)), promised) is room


def test_room_does_not_count_shared_cells_as_both_kept_and_freed() -> None:
    cache = Cache(pool_size=100)
    cache.answer(list(range(90)))
    assert cache.memory.has_room([*range(90), *range(1000, 1009)])
    assert not cache.memory.has_room([*range(90), *range(1000, 1010)])


def test_a_memory_that_cannot_be_cut_is_continued_whole_or_not_at_all() -> None:
    cache = Cache(can_cut=False)
    first = cache.answer(HISTORY)
    assert cache.run([*HISTORY, 7]) == Start(first.sequence_id, 300)
    assert cache.run([*HISTORY[:280], 7]).n_cached == 0


def test_clearing_forgets_everything_and_frees_every_id() -> None:
    cache = Cache(ids=2)
    cache.run(HISTORY)
    cache.memory.clear()
    assert cache.memory.n_free == 1000
    assert [cache.run([n]).n_cached for n in (1, 2)] == [0, 0]


PARKING = 100_000
OTHER = list(range(5000, 5300))


def test_a_long_one_that_rests_is_parked_out_of_the_way_of_another() -> None:
    cache = Cache(parking=PARKING)
    cache.answer(HISTORY)
    assert cache.memory.n_free == 700
    cache.run(OTHER)
    assert (cache.memory.n_parked, cache.memory.n_resting) == (1, 0)
    assert cache.memory.n_free == 700


def test_a_short_one_stays_beside_several_that_run() -> None:
    cache = Cache(parking=PARKING)
    cache.run(list(range(9000, 9010)))
    cache.answer(HISTORY[:100])
    cache.run(OTHER)
    assert (cache.memory.n_parked, cache.memory.n_resting) == (0, 1)


def test_one_that_runs_alone_has_nothing_in_its_way() -> None:
    cache = Cache(parking=PARKING)
    cache.answer(HISTORY[:100])
    cache.run(OTHER)
    assert (cache.memory.n_parked, cache.memory.n_resting) == (1, 0)


def test_a_parked_one_comes_back_when_it_is_continued() -> None:
    cache = Cache(parking=PARKING)
    cache.answer(HISTORY)
    cache.answer(OTHER)
    assert cache.run([*HISTORY, 7]).n_cached == 300
    assert cache.memory.n_parked == 1
    assert cache.run([*OTHER, 7]).n_cached == 300
    assert cache.memory.n_parked == 0


def test_a_parked_one_of_which_little_is_wanted_stays_parked_too() -> None:
    cache = Cache(parking=PARKING)
    cache.answer(HISTORY)
    cache.run(OTHER)
    assert cache.run([*HISTORY[:100], 7]).n_cached == 100
    assert cache.memory.n_parked == 1
    assert cache.run([*HISTORY, 8]).n_cached == 300


def test_what_makes_room_is_parked_not_lost() -> None:
    cache = Cache(pool_size=400, parking=PARKING)
    cache.answer(HISTORY[:200])
    cache.answer(OTHER[:200])
    assert cache.memory.make_room(300)
    assert cache.run([*HISTORY[:200], 7]).n_cached == 200


def test_one_that_another_covers_is_not_parked() -> None:
    cache = Cache(parking=PARKING)
    cache.run([*HISTORY, 7])
    cache.answer([*HISTORY[:200], 7])
    cache.memory.park(cache.run(HISTORY[:150]).sequence_id)
    assert cache.memory.n_parked == 0


def test_the_parking_is_bounded_and_the_oldest_leave_it() -> None:
    cache = Cache(parking=6500)
    for base in (0, 1000, 2000, 3000):
        cache.answer(list(range(base, base + 300)))
    assert cache.memory.n_parked == 2
    assert cache.run([*range(300), 7]).n_cached == 0
    assert cache.run([*range(3000, 3300), 7]).n_cached == 300


def test_a_parked_one_too_long_for_the_room_there_is_is_read_again() -> None:
    cache = Cache(pool_size=400, parking=PARKING)
    cache.answer(HISTORY)
    cache.run(OTHER[:150])
    assert cache.run([*HISTORY[:200], 7]).n_cached == 0


def test_a_memory_that_cannot_be_cut_brings_whole_ones_back() -> None:
    cache = Cache(can_cut=False, parking=PARKING)
    cache.answer(HISTORY)
    cache.run(OTHER)
    assert cache.run([*HISTORY[:200], 7]).n_cached == 0
    assert cache.run([*HISTORY, 7]).n_cached == 300
