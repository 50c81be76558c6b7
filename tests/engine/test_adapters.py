"""Adapters: loaded once, in sets that never share cells, each of which has its turn."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence as Many
from pathlib import Path

import pytest

from tests.engine.fake_backend import (
    FakeAdapter,
    FakeClock,
    FakeContext,
    FakeModel,
    answer_of,
    shift_of,
)
from wiz_kernel_ext.engine.adapters import (
    MOST_IDLE,
    NO_ADAPTERS,
    AdapterSet,
    AdapterShelf,
    AdapterTurns,
)
from wiz_kernel_ext.engine.backend import Adapter, LibraryRefused
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.sequence import Listener, Sequence
from wiz_kernel_ext.engine.snapshots import Snapshots, SnapshotStore
from wiz_kernel_ext.errors import ModelFileNotFound, ModelLoadFailed, WizError
from wiz_kernel_ext.protocol.adapters import ScaledAdapter, read_adapter
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo


class Shelf:
    """A shelf over a fake model, and files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = FakeModel()
        self.context = FakeContext(100)
        self.shelf = AdapterShelf(self.model)
        self.in_use: list[AdapterSet] = []

    def file(self, name: str, text: str | None = None) -> str:
        path = self.folder / name
        path.write_text(text or name)
        return str(path)

    def take(self, *wanted: str) -> AdapterSet:
        return self.shelf.take([read_adapter(one) for one in wanted], lambda: self.in_use)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_file_is_read_once_however_often_and_however_scaled_it_is_used(shelf: Shelf) -> None:
    a, b = shelf.file("a"), shelf.file("b")
    for wanted in ([a], [a], [f"{a}=0.5"], [b, a]):
        shelf.take(*wanted)
    assert [one.fingerprint for one in shelf.model.adapters] == ["a", "b"]
    assert shelf.shelf.n_loads == 2


def test_the_order_does_not_matter_and_the_scales_do(shelf: Shelf) -> None:
    a, b = shelf.file("a"), shelf.file("b")
    both = shelf.take(a, f"{b}=0.5")
    assert shelf.take(f"{b}=0.5", f"{a}=1") == both
    assert len({both.id, shelf.take(a, b).id, shelf.take(a).id, shelf.take(b).id, ""}) == 5


def test_one_that_is_named_twice_counts_as_often(shelf: Shelf) -> None:
    a, copy = shelf.file("a"), shelf.file("copy of a", "a")
    assert shelf.take(f"{a}=0.5", f"{copy}=0.5") == shelf.take(a)


def test_what_is_scaled_to_nothing_is_none_at_all(shelf: Shelf) -> None:
    a = shelf.file("a")
    assert shelf.take() == shelf.take(f"{a}=0") == shelf.take(a, f"{a}=-1") == NO_ADAPTERS


def test_a_file_that_was_changed_is_read_again_and_is_another(shelf: Shelf) -> None:
    path = shelf.file("a")
    before = shelf.take(path)
    shelf.file("a", "new text")
    after = shelf.take(path)
    assert after != before
    assert shelf.shelf.n_loads == 2
    os.utime(path, (1, 1))
    assert shelf.take(path) == after
    assert shelf.shelf.n_loads == 3


def test_a_few_stay_that_nobody_uses_and_those_used_longest_ago_go(shelf: Shelf) -> None:
    files = [shelf.file(f"{n}") for n in range(MOST_IDLE + 3)]
    for path in files:
        shelf.take(path)
    # The one that was asked for last is in use, and so beside the idle ones.
    gone = [one.fingerprint for one in shelf.model.adapters if one.is_closed]
    assert gone == ["0", "1"]
    shelf.take(files[5])
    assert shelf.shelf.n_loads == len(files)


def test_one_in_use_stays_and_one_that_computes_is_taken_off_before_it_goes(shelf: Shelf) -> None:
    first, second = shelf.take(shelf.file("first")), shelf.take(shelf.file("second"))
    shelf.in_use = [first]
    shelf.shelf.use(shelf.context, second)
    for n in range(MOST_IDLE + 2):
        shelf.take(shelf.file(f"{n}"))
    closed = {one.fingerprint for one in shelf.model.adapters if one.is_closed}
    assert "second" in closed
    assert "first" not in closed
    assert shelf.context.adapters == []
    shelf.shelf.close()
    assert all(one.is_closed for one in shelf.model.adapters)


def test_the_context_is_told_only_where_the_set_changes(shelf: Shelf) -> None:
    a = shelf.file("a")
    for wanted in ([], [a], [f"{a}=1.0"], [f"{a}=2"], [], []):
        shelf.shelf.use(shelf.context, shelf.take(*wanted))
    assert shelf.context.n_changes == 3


def test_a_file_that_is_not_there_and_one_that_the_library_refuses_are_named(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelFileNotFound, match="nowhere"):
        shelf.take(str(shelf.folder / "nowhere"))

    def refuse(path: str) -> Adapter:
        raise LibraryRefused("it is too odd", ["a line"])

    monkeypatch.setattr(shelf.model, "load_adapter", refuse)
    with pytest.raises(ModelLoadFailed, match=r"odd\.gguf: it is too odd"):
        shelf.take(shelf.file("odd.gguf"))


def sets(*names: str) -> list[AdapterSet]:
    return [AdapterSet(name, ((FakeAdapter(name), 1.0),)) for name in names]


def turns_of(steps: Many[Many[AdapterSet]]) -> str:
    """Whose turn each step is where so many run in each."""
    turns, told = AdapterTurns(), ""
    for running in steps:
        first = turns.order(running)[0]
        turns.stepped(first)
        told += first.id
    return told


def test_sets_have_a_few_steps_in_turn_and_one_alone_has_all() -> None:
    a, b, c = sets("a", "b", "c")
    assert turns_of([[a]] * 9) == "a" * 9
    assert turns_of([[a, b, a, c]] * 14) == "aaaabbbbccccaa"


def test_new_sets_wait_for_those_that_wait_already() -> None:
    a, b, *others = sets("a", "b", *"cdefghijklm")
    # Each step has another newcomer, which does not stay: the one that is there has its turns.
    assert turns_of([[one, b] for one in (a, *others)]).count("b") >= len(others) // 2


class Rig:
    """An engine over the twin that computes with adapters."""

    def __init__(self, folder: Path, *, pool: int = 400, slots: int = 4, **options: object) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.model = FakeModel()
        self.context = FakeContext(pool, clock=self.clock)
        self.engine = Engine(
            self.model,
            self.context,
            context_size=200,
            slots=slots,
            sequence_ids=2 * slots,
            batch_size=32,
            seed=1,
            clock=self.clock,
            **options,  # type: ignore[arg-type]
        )
        self.ends: dict[int, AnswerInfo | WizError] = {}

    def submit(
        self, text: str, adapters: dict[str, float], n: int = 8, owner: str | None = None
    ) -> Sequence:
        wanted = []
        for name, scale in adapters.items():
            path = self.folder / name
            if not path.exists():
                path.write_text(name)
            wanted.append(ScaledAdapter(str(path), scale))

        def on_end(value: AnswerInfo | WizError) -> None:
            self.ends[sequence.number] = value

        sequence = self.engine.submit(
            list(text.encode()),
            PromptOptions(max_tokens=n),
            Listener(on_event=lambda _: None, on_end=on_end),
            owner=owner,
            adapters=wanted,
        )
        return sequence

    def run(self) -> None:
        while self.engine.is_busy:
            self.engine.step()

    def ask(self, text: str, adapters: dict[str, float], owner: str | None = None) -> AnswerInfo:
        sequence = self.submit(text, adapters, owner=owner)
        self.run()
        info = self.ends[sequence.number]
        assert isinstance(info, AnswerInfo)
        assert info.text == right(text, adapters)
        return info


def right(text: str, adapters: dict[str, float], n: int = 8) -> str:
    return answer_of(list(text.encode()), n, shift=shift_of(adapters))


LONG = "a conversation that is long enough to be worth keeping: " * 2


def test_another_adapter_computes_all_again_and_going_back_finds_what_was(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for adapters, n_cached in (
        ({}, 0),
        ({"style": 1.0}, 0),
        ({}, len(LONG) - 1),
        ({"style": 0.5}, 0),
        ({"style": 1.0}, len(LONG) - 1),
        ({"style": 1.0, "other": 2.0}, 0),
        ({"style": 0.5}, len(LONG) - 1),
    ):
        assert rig.ask(LONG, adapters).usage.n_cached_tokens == n_cached
    assert len(rig.model.adapters) == 2


def test_going_back_finds_what_was_parked(tmp_path: Path) -> None:
    rig = Rig(tmp_path, pool=150, parking_bytes=1 << 20)
    rig.ask(LONG, {"a": 1.0})
    rig.ask(LONG, {"b": 1.0})
    assert rig.ask(LONG, {"a": 1.0}).usage.n_cached_tokens == len(LONG) - 1
    assert rig.ask(LONG, {}).usage.n_cached_tokens == 0


def test_going_back_after_a_restart_finds_what_is_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "states"
    (folder / "talk").mkdir(parents=True)

    def rig() -> Rig:
        snapshots = Snapshots(SnapshotStore(folder), "f" * 32, 300)
        return Rig(tmp_path, snapshots=snapshots)

    for adapters in ({}, {"a": 1.0}, {"a": 0.5}):
        one = rig()
        assert one.ask(LONG, adapters, "talk").usage.n_cached_tokens == 0
        one.engine.close()
    assert len(list((folder / "talk").iterdir())) == 3
    for adapters, is_there in (({"a": 0.5}, True), ({}, True), ({"b": 1.0}, False)):
        n_cached = rig().ask(LONG, adapters, "talk").usage.n_cached_tokens
        assert (n_cached > 0) == is_there


def test_prompts_of_one_set_that_begin_alike_share_and_no_others_do(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    first, second = rig.submit(LONG + "1", {"a": 1.0}), rig.submit(LONG + "2", {"a": 1.0})
    third = rig.submit(LONG + "3", {"b": 1.0})
    rig.run()
    n_computed = sum(len(batch) for batch in rig.context.batches)
    assert n_computed < 2 * len(LONG) + 3 * 10
    for one, text, name in ((first, "1", "a"), (second, "2", "a"), (third, "3", "b")):
        info = rig.ends[one.number]
        assert isinstance(info, AnswerInfo)
        assert info.text == right(LONG + text, {name: 1.0})


def test_answers_of_two_sets_go_on_side_by_side(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    one, other = (rig.submit("letters", {name: 1.0}, n=60) for name in ("a", "b"))
    while not rig.ends:
        rig.engine.step()
        assert abs(one.n_generated - other.n_generated) <= 5 or rig.ends


@pytest.mark.parametrize("seed", range(40))
def test_however_prompts_come_every_answer_is_of_its_own_set(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rig = Rig(
        tmp_path,
        pool=rng.choice((90, 200, 400)),
        slots=rng.choice((1, 3, 6)),
        parking_bytes=rng.choice((0, 3000)),
    )
    choices: list[dict[str, float]] = [{}, {"a": 1.0}, {"a": 0.5}, {"b": 1.0, "a": 1.0}]
    asked: dict[int, tuple[str, dict[str, float]]] = {}
    texts = [LONG[: rng.randrange(1, 60)] + rng.choice("xyz") for _ in range(6)]
    for _ in range(30):
        text, adapters = rng.choice(texts), rng.choice(choices)
        asked[rig.submit(text, adapters).number] = (text, adapters)
        for _ in range(rng.randrange(12)):
            rig.engine.step()
    rig.run()
    for number, (text, adapters) in asked.items():
        info = rig.ends[number]
        assert isinstance(info, AnswerInfo)
        assert info.text == right(text, adapters)


def test_one_alone_is_not_kept_waiting_by_a_stream_of_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path, slots=3)
    alone = rig.submit("letters", {"mine": 1.0}, n=40)
    for n in range(200):
        rig.submit(f"{n} and more", {"theirs": 1.0 + n / 1000}, n=4)
        rig.engine.step()
        rig.engine.step()
        if alone.number in rig.ends:
            break
    info = rig.ends[alone.number]
    assert isinstance(info, AnswerInfo)
    assert info.text == right("letters", {"mine": 1.0}, 40)


def test_prompts_of_the_same_text_every_time_have_their_adapters_in_their_own_context(
    tmp_path: Path,
) -> None:
    exact = FakeContext(200)
    rig = Rig(tmp_path, make_exact=lambda _: exact, reproducible=True)
    for adapters in ({}, {"a": 1.0}, {"a": 1.0}, {"a": 0.5}, {}):
        rig.ask(LONG, adapters)
    assert exact.batches
    assert not rig.context.batches
    rig.ask(LONG, {"a": 1.0})
    rig.engine.close()
    assert exact.adapters == []
    assert all(one.is_closed for one in rig.model.adapters)


def test_closing_gives_the_adapters_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.ask("letters", {"a": 1.0})
    rig.engine.close()
    assert all(one.is_closed for one in rig.model.adapters)
    assert rig.context.adapters == []
