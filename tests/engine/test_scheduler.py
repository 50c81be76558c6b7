"""Who computes what in the next step, as tables."""

from __future__ import annotations

import random

import pytest

from tests.engine.fake_backend import FakeContext
from wiz_kernel_ext.engine.detokenizer import Detokenizer
from wiz_kernel_ext.engine.kv_memory import KvMemory
from wiz_kernel_ext.engine.sampling import Sampling
from wiz_kernel_ext.engine.scheduler import Plan, Scheduler, shares
from wiz_kernel_ext.engine.sequence import Listener, Sequence, State
from wiz_kernel_ext.engine.speculation import Speculation


def prompt(number: int, n: int, base: int | None = None) -> Sequence:
    """A prompt of `n` tokens that share nothing with another number's, unless `base` says so."""
    base = number * 10_000 if base is None else base
    return Sequence(
        tokens=[*range(base, base + n - 1), -number],
        sampling=Sampling((), 0),
        detokenizer=Detokenizer(),
        listener=Listener(on_event=lambda _: None, on_end=lambda _: None),
        context_size=10_000,
        number=number,
    )


class Bench:
    """A scheduler whose plans are carried out, each prompt's end answered by token 5."""

    def __init__(
        self,
        *,
        pool: int = 1000,
        slots: int = 3,
        batch: int = 100,
        spare_ids: int = 8,
        parking_bytes: int = 0,
    ) -> None:
        self.context = FakeContext(pool)
        self.memory = KvMemory(self.context, slots + spare_ids, parking_bytes)
        self.scheduler = Scheduler(self.memory, Speculation([]), slots=slots, batch_size=batch)

    def submit(self, *prompts: Sequence) -> None:
        for one in prompts:
            self.scheduler.submit(one)

    def plan(self, n_readable: int = 60) -> dict[int, int]:
        """Plan and compute a step: {number: tokens of it}."""
        plan: Plan = self.scheduler.plan(n_readable, now=0.0)
        if plan.works:
            self.context.decode(plan.batch)
        for work in plan.works:
            one = work.sequence
            self.memory.extend(one.sequence_id, one.tokens[one.n_past : one.n_past + work.n_tokens])
            one.n_past += work.n_tokens
            if work.rows:
                one.tokens.append(5)
        assert self.memory.n_free == self.context.pool_size - self.context.n_used
        return {work.sequence.number: work.n_tokens for work in plan.works}


@pytest.mark.parametrize(
    ("wanted", "budget", "given"),
    [
        ([], 10, []),
        ([100], 10, [10]),
        ([100, 100], 10, [5, 5]),
        ([2, 100], 10, [2, 8]),
        ([100, 2, 100], 10, [4, 2, 4]),
        ([1, 2, 3], 10, [1, 2, 3]),
        ([5, 5, 5], 2, [0, 1, 1]),
        ([5], 0, [0]),
    ],
)
def test_a_budget_is_shared_fairly_and_what_one_leaves_others_get(
    wanted: list[int], budget: int, given: list[int]
) -> None:
    assert shares(wanted, budget) == given


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert Bench().plan() == {}


def test_a_long_prompt_is_read_in_chunks_and_then_answers_one_token_a_step() -> None:
    bench = Bench()
    bench.submit(prompt(1, 130))
    assert [bench.plan() for _ in range(5)] == [{1: 60}, {1: 60}, {1: 10}, {1: 1}, {1: 1}]


def test_answers_go_on_while_a_long_prompt_is_read() -> None:
    bench = Bench()
    bench.submit(prompt(1, 10))
    bench.plan()
    bench.submit(prompt(2, 100))
    assert [bench.plan() for _ in range(3)] == [{1: 1, 2: 60}, {1: 1, 2: 40}, {1: 1, 2: 1}]


def test_prompts_read_at_the_same_time_share_the_chunk() -> None:
    bench = Bench()
    bench.submit(prompt(1, 100), prompt(2, 10), prompt(3, 100))
    assert bench.plan() == {1: 25, 2: 10, 3: 25}


def test_slots_go_to_who_came_first() -> None:
    bench = Bench(slots=2)
    one, two, three = prompt(1, 5), prompt(2, 5), prompt(3, 5)
    bench.submit(one, two, three)
    assert bench.plan() == {1: 5, 2: 5}
    bench.scheduler.leave(one)
    assert bench.plan() == {2: 1, 3: 5}
    assert three.state is State.READING


def test_a_common_beginning_is_read_once_for_all_who_came_together() -> None:
    bench = Bench()
    bench.submit(prompt(1, 121, base=0), prompt(2, 121, base=0), prompt(3, 61, base=0))
    steps = [bench.plan() for _ in range(4)]
    assert steps == [{1: 60}, {1: 59, 3: 1}, {1: 2, 3: 1}, {1: 1, 2: 1, 3: 1}]
    assert bench.context.n_used == 120 + 2 + 1 + 3


def test_the_batch_never_holds_more_than_its_size() -> None:
    bench = Bench(batch=20, slots=5)
    bench.submit(*(prompt(n, 2) for n in range(1, 5)))
    bench.plan()
    bench.submit(prompt(9, 100))
    assert bench.plan(1000) == {1: 1, 2: 1, 3: 1, 4: 1, 9: 16}


def test_a_prompt_waits_while_its_cells_are_promised_to_others() -> None:
    bench = Bench(pool=200)
    bench.submit(prompt(1, 120), prompt(2, 90), prompt(3, 10))
    assert bench.plan() == {1: 60}
    assert [s.number for s in bench.scheduler.waiting] == [2, 3]


def test_the_youngest_goes_back_to_the_queue_when_cells_run_out_and_loses_nothing() -> None:
    bench = Bench(pool=20)
    one, two = prompt(1, 8), prompt(2, 8)
    bench.submit(one, two)
    steps = [bench.plan() for _ in range(6)]
    assert steps == [{1: 8, 2: 8}, {1: 1, 2: 1}, {1: 1, 2: 1}, {1: 1}, {1: 1}, {1: 1}]
    assert two.state is State.WAITING
    assert two.tokens[8:] == [5, 5, 5]
    bench.scheduler.leave(one)
    assert bench.plan() == {2: 11}


def test_what_rests_in_the_cache_goes_before_anybody_running() -> None:
    bench = Bench(pool=40)
    old, one, two = prompt(1, 20), prompt(2, 8), prompt(3, 8)
    bench.submit(old)
    bench.plan()
    bench.scheduler.leave(old)
    bench.submit(one, two)
    for _ in range(5):
        assert set(bench.plan()) == {2, 3}
    assert bench.memory.n_resting == 0


def test_the_oldest_is_never_put_back_and_uses_the_whole_pool_if_it_must() -> None:
    bench = Bench(pool=30)
    one, two = prompt(1, 10), prompt(2, 10)
    bench.submit(one, two)
    for _ in range(19):
        assert 1 in bench.plan()
    assert one.n_past == 28


def test_after_the_memory_was_lost_everybody_reads_again_in_order() -> None:
    bench = Bench()
    bench.submit(prompt(1, 10), prompt(2, 10))
    bench.plan()
    bench.memory.clear()
    bench.scheduler.put_back_all()
    assert bench.plan() == {1: 11, 2: 11}


@pytest.mark.parametrize("seed", range(20))
def test_somebody_moves_on_in_every_step_however_full_the_memory_is(seed: int) -> None:
    """Conversations that go on, more of them than the pool holds, some broken off."""
    chance = random.Random(seed)
    pool = chance.choice([100, 150, 200])
    slots, spare_ids = chance.choice([2, 3, 4]), chance.choice([1, 2])
    bench = Bench(pool=pool, slots=slots, spare_ids=spare_ids, parking_bytes=10**9)
    common = list(range(-1018, -1000))
    said: dict[int, list[int]] = {}
    asking: dict[int, tuple[Sequence, int]] = {}
    for number in range(1, 400):
        talk = chance.randrange(6)
        if talk not in asking:
            past = said.get(talk, common)
            past = past if len(past) < pool - 30 else common
            n_new = chance.randrange(2, max(3, min(40, pool - len(past) - 8)))
            one = prompt(number, 1)
            one.tokens = [*past, *(1000 * talk + i for i in range(n_new)), -number]
            asking[talk] = one, min(len(one.tokens) + chance.randrange(1, 12), pool - 1)
            bench.submit(one)
        assert bench.plan(chance.choice([16, 60]))
        for talk, (one, end) in list(asking.items()):
            if one in bench.scheduler.running and (
                len(one.tokens) >= end or chance.random() < 0.03
            ):
                bench.scheduler.leave(one)
                said[talk] = list(one.tokens)
                del asking[talk]
        if not asking:
            assert not bench.plan()
