"""The tier on the disk: what is kept, for whom, within which bounds, and what comes back."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.computing import begin_and_compute
from tests.engine.fake_backend import FakeContext
from wiz_kernel_ext.engine import kv_memory
from wiz_kernel_ext.engine import snapshots as module
from wiz_kernel_ext.engine.backend import Saved
from wiz_kernel_ext.engine.kv_memory import KvMemory
from wiz_kernel_ext.engine.snapshot_file import write_snapshot
from wiz_kernel_ext.engine.snapshots import Snapshots, SnapshotStore

N_VOCAB = 10_000
HISTORY = list(range(300))
OTHER = list(range(5000, 5300))


def saved_of(n_bytes: int) -> Saved:
    return Saved(bytearray(n_bytes), n_bytes)


class Life:
    """A process with a context over a folder; another `Life` on it is the next process."""

    def __init__(
        self,
        folder: Path,
        *,
        fingerprint: str = "f",
        pool: int = 1000,
        ids: int = 4,
        parking: int = 100_000,
        most_bytes: int | None = None,
        can_cut: bool = True,
        n_vocab: int = N_VOCAB,
    ) -> None:
        self.folder = folder
        self.store = SnapshotStore(folder, most_bytes)
        self.context = FakeContext(pool, can_cut=can_cut)
        self.snapshots = Snapshots(self.store, fingerprint, n_vocab)
        self.memory = KvMemory(self.context, ids, parking, self.snapshots)

    def answer(self, tokens: list[int], owner: str | None = "ana", *, allow: bool = True) -> int:
        """Compute a prompt of `owner` and let it rest; how much of it was there."""
        if owner is not None and allow:
            (self.folder / owner).mkdir(exist_ok=True)
        start = begin_and_compute(self.memory, self.context, tokens)
        self.memory.rest(start.sequence_id, owner)
        assert self.memory.n_free == self.context.pool_size - self.context.n_used
        return start.n_cached

    def end(self) -> None:
        """An orderly end."""
        while self.memory.write():
            pass
        self.store.close()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with one conversation."""
    life = Life(tmp_path)
    life.answer(HISTORY)
    life.end()
    return tmp_path


def test_a_conversation_goes_on_in_the_next_process(kept: Path) -> None:
    assert files(kept) == ["ana/f.kv"]
    assert Life(kept).answer([*HISTORY, 7, 8]) == 300


def test_another_conversation_that_begins_alike_finds_the_beginning(kept: Path) -> None:
    life = Life(kept)
    assert life.answer([*HISTORY[:250], 7], "ben") == 250
    life.end()
    assert files(kept) == ["ana/f.kv", "ben/f.kv"]
    assert Life(kept).answer([*HISTORY, 7]) == 300


def test_far_more_than_is_wanted_is_not_read_from_the_disk(kept: Path) -> None:
    assert Life(kept).answer([*HISTORY[:37], 7]) == 0
    assert Life(kept).answer([*HISTORY[:38], 7]) == 38


def test_the_latest_state_takes_the_place_of_the_former(kept: Path) -> None:
    life = Life(kept)
    life.answer([*HISTORY, 7, 8, 9])
    life.end()
    assert files(kept) == ["ana/f.kv"]
    assert Life(kept).answer([*HISTORY, 7, 8, 9, 10]) == 303


def test_of_a_conversation_only_the_latest_is_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY)
    life.answer([*HISTORY[:100], *OTHER])
    assert life.memory.n_unwritten == 1
    life.end()
    assert Life(tmp_path).answer([*HISTORY[:100], *OTHER, 7]) == 400


def test_what_is_on_the_disk_as_it_is_is_not_written_again(kept: Path) -> None:
    before = (kept / "ana" / "f.kv").stat()
    life = Life(kept)
    life.answer([*HISTORY[:299], 299])
    life.end()
    assert (kept / "ana" / "f.kv").stat().st_ino == before.st_ino


def test_a_prompt_of_no_conversation_is_not_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY, None)
    life.end()
    assert files(tmp_path) == []


def test_a_short_conversation_is_not_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY[:63])
    life.end()
    assert files(tmp_path) == []


def test_a_conversation_without_a_folder_is_not_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY, allow=False)
    life.end()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("owner", ["", ".", "..", "../ana", "a/b", "a\n", "x" * 65, "ä"])
def test_an_owner_that_is_no_folders_name_keeps_nothing(kept: Path, owner: str) -> None:
    life = Life(kept / "ana")
    life.answer(OTHER, owner, allow=False)
    life.end()
    assert files(kept) == ["ana/f.kv"]


def test_what_was_continued_for_another_is_not_written_as_its_former_owners(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY)
    assert life.answer([*HISTORY, *OTHER], "ben") == 300
    life.end()
    assert files(tmp_path) == ["ben/f.kv"]


def test_a_parked_conversation_is_written_from_host_memory(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.answer(HISTORY)
    life.answer(OTHER, "ben")
    assert life.memory.n_parked == 1
    life.end()
    assert files(tmp_path) == ["ana/f.kv", "ben/f.kv"]
    assert Life(tmp_path).answer([*HISTORY, 7]) == 300


def test_what_left_host_memory_comes_back_from_the_disk(tmp_path: Path) -> None:
    life = Life(tmp_path, parking=3500)
    life.answer(HISTORY)
    life.memory.write()
    for i in range(3):
        life.answer(list(range(1000 * i + 2000, 1000 * i + 2300)), None)
    assert life.memory.n_parked == 1
    assert life.answer([*HISTORY, 7]) == 300


def test_until_it_is_written_it_is_read_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def slowly(*arguments: Any) -> None:
        time.sleep(0.2)
        write_snapshot(*arguments)

    monkeypatch.setattr(module, "write_snapshot", slowly)
    life = Life(tmp_path, parking=0)
    life.answer(HISTORY)
    life.memory.write()
    assert life.store.is_writing
    for holder in list(life.memory._resting):
        life.memory.drop(holder)
    assert life.answer([*HISTORY, 7]) == 300
    life.end()


def test_a_cache_that_was_cleared_finds_the_disk_again(kept: Path) -> None:
    life = Life(kept)
    life.memory.clear()
    assert life.answer([*HISTORY, 7]) == 300


def test_a_memory_that_cannot_be_cut_continues_whole_ones(tmp_path: Path) -> None:
    life = Life(tmp_path, can_cut=False)
    life.answer(HISTORY)
    life.end()
    assert Life(tmp_path, can_cut=False).answer([*HISTORY[:200], 7]) == 0
    assert Life(tmp_path, can_cut=False).answer([*HISTORY, 7]) == 300


def test_one_too_long_for_this_context_stays_for_a_larger_one(kept: Path) -> None:
    assert Life(kept, pool=250).answer([*HISTORY[:200], 7]) == 0
    assert Life(kept).answer([*HISTORY, 7]) == 300


def test_a_copy_that_the_context_does_not_take_is_tried_once(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(kept)
    monkeypatch.setattr(life.context, "restore", lambda *_: False)
    assert life.answer([*HISTORY, 7], None) == 0
    assert files(kept) == ["ana/f.kv"]
    monkeypatch.undo()
    assert len(list(Life(kept).snapshots.look())) == 1
    assert FIRST not in life.snapshots


FIRST = -1 - (1 << 32)


# Damage: a clean miss, and what is of no use to anybody is gone.


def damage_head(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(data)


def damage_tokens(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-10 * 300 - 4 * 150] ^= 1
    file.write_bytes(data)


def damage_copy(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-7] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def make_foreign(file: Path) -> None:
    life = Life(file.parent.parent, fingerprint="g")
    life.answer(HISTORY)
    life.end()
    file.with_name("g.kv").replace(file)


def make_a_link(file: Path) -> None:
    file.rename(file.with_name("aside"))
    file.symlink_to("aside")


def make_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES = [
    *(damage_head, damage_tokens, damage_copy, cut, empty, make_foreign, make_a_link, make_a_pipe)
]


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "while it runs"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_clean_miss_and_goes(kept: Path, damage: Any, is_late: bool) -> None:
    file = kept / "ana" / "f.kv"
    life = Life(kept) if is_late else None
    damage(file)
    life = life or Life(kept)
    assert life.answer([*HISTORY, 7], None) == 0
    assert not file.exists()
    assert life.answer([*HISTORY, 8], None) == 300
    life.answer([*HISTORY, 9])
    life.end()
    assert Life(kept).answer([*HISTORY, 9, 10]) == 301


def test_tokens_of_another_vocabulary_are_a_clean_miss(kept: Path) -> None:
    assert Life(kept, n_vocab=200).answer(HISTORY[:150]) == 0
    assert files(kept) == []


def test_a_file_that_vanished_is_a_clean_miss(kept: Path) -> None:
    life = Life(kept)
    (kept / "ana" / "f.kv").unlink()
    assert life.answer([*HISTORY, 7]) == 0


def test_a_file_that_another_process_wrote_meanwhile_is_a_miss_and_stays(kept: Path) -> None:
    life, second = Life(kept), Life(kept)
    second.answer([*HISTORY[:280], *OTHER])
    second.end()
    assert life.answer([*HISTORY, 7], None) == 0
    assert files(kept) == ["ana/f.kv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_a_clean_miss(kept: Path) -> None:
    (kept / "ana" / "f.kv").chmod(0)
    assert Life(kept).answer([*HISTORY, 7], None) == 0


@pytest.mark.parametrize("number", [13, 5])
def test_a_file_that_cannot_be_read_is_a_clean_miss(
    kept: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(kept)

    def refuse(*_: object) -> Saved:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "read_snapshot", refuse)
    assert life.answer([*HISTORY, 7], None) == 0
    # What may not be read never will be; a disk's error may be another time's.
    assert bool(files(kept)) is (number == 5)


def test_without_a_folder_or_on_one_that_may_not_be_written_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path / "gone" / "too")
    life.answer(HISTORY, allow=False)
    life.end()
    life = Life(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module, "write_snapshot", refuse)
    life.answer(HISTORY)
    life.end()
    assert life.answer([*HISTORY, 7]) == 300
    assert files(tmp_path) == []


def test_where_memory_is_short_nothing_is_copied(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(kept, parking=0)
    monkeypatch.setattr(kv_memory, "may_copy", lambda n_bytes: n_bytes < 3000)
    monkeypatch.setattr(module, "may_copy", lambda n_bytes: n_bytes < 3000)
    life.answer(OTHER[:100], "eve")
    assert life.answer([*HISTORY, 7], "ben") == 0
    life.end()
    assert files(kept) == ["ana/f.kv", "eve/f.kv"]
    monkeypatch.undo()
    assert Life(kept).answer([*HISTORY, 7]) == 300


# Bounds.


def used_at(folder: Path, owner: str, seconds: float) -> None:
    os.utime(folder / owner / "f.kv", (seconds, seconds))


def test_the_least_recently_used_of_all_models_goes_first(tmp_path: Path) -> None:
    folder = tmp_path
    for i, owner in enumerate("abc"):
        life = Life(folder, fingerprint="g" if owner == "a" else "f")
        life.answer([*range(1000 * i, 1000 * i + 300)], owner)
        life.end()
    os.utime(folder / "a" / "g.kv", (3, 3))
    used_at(folder, "b", 1)
    used_at(folder, "c", 2)
    assert Life(folder).answer([*range(1000, 1300), 7], "b") == 300  # used again
    life = Life(folder, most_bytes=18_000)
    life.answer([*range(6000, 6300)], "d")
    life.end()
    assert files(folder) == ["a/g.kv", "b/f.kv", "d/f.kv"]


def test_one_larger_than_the_bound_is_not_kept_and_nothing_goes_for_it(kept: Path) -> None:
    life = Life(kept, most_bytes=3000)
    life.answer(OTHER, "ben")
    life.end()
    assert files(kept) == ["ana/f.kv"]


def test_without_a_bound_given_it_is_a_twentieth_of_what_is_free(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (kept / "ana" / "f.kv").stat().st_size
    left = os.statvfs_result((1, 1, 0, 0, 39 * size, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "statvfs", lambda _: left)
    store = SnapshotStore(kept)
    assert store._bound(size) == 2 * size
    left = os.statvfs_result((1, 1 << 20, 0, 0, 1 << 40, 0, 0, 0, 0, 0))
    assert store._bound(size) == 4 << 30


def test_what_a_process_left_half_written_goes_in_time(kept: Path) -> None:
    old, new = kept / "ana" / "f.kv.1.tmp", kept / "ana" / "f.kv.2.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    Life(kept)
    assert (old.exists(), new.exists()) == (False, True)


def test_more_than_can_be_searched_quickly_is_left_alone(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(kept)
    life.answer(OTHER, "ben")
    life.end()
    used_at(kept, "ana", 1)
    monkeypatch.setattr(module, "_MOST_TOKENS_LOOKED_AT", 500)
    assert [tokens for _, tokens in Life(kept).snapshots.look()] == [OTHER]


# Everything at once, against what must hold whatever happens.


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_cells_are_those_of_the_prompt_and_files_those_of_their_owner(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    conversations: dict[str, list[int]] = {}
    system = [list(range(n, n + 80)) for n in (100, 300)]
    size = chance.choice([4_000, 40_000, 400_000])
    lives = [_a_life(tmp_path, chance, size) for _ in range(2)]  # two workers of one model
    n_reused = 0
    for _ in range(250):
        i = chance.randrange(2)
        what = chance.random()
        owner = f"c{chance.randrange(6)}"
        if what < 0.6:
            said = conversations.get(owner) or chance.choice(system)
            if chance.random() < 0.2:  # its end is said anew
                said = said[: chance.randint(len(said) // 2, len(said))] or said
            new = [chance.randrange(N_VOCAB) for _ in range(chance.randint(1, 60))]
            tokens = [*said, *new]
            if len(tokens) > 350:
                tokens = tokens[:90]
            conversations[owner] = tokens
            known = _longest_known(lives[i], tokens)
            n_cached = lives[i].answer(tokens, owner)
            assert n_cached <= known
            n_reused += n_cached
        elif what < 0.8:
            lives[i].memory.write()
        elif what < 0.86:  # a new process; the old one ends in order, or not
            if chance.random() < 0.5:
                lives[i].end()
            lives[i].store.close()
            lives[i] = _a_life(tmp_path, chance, size)
        elif what < 0.9:
            lives[i].memory.clear()
        elif what < 0.95:
            for life in lives:
                life.store.wait()
            _damage_one(tmp_path, chance)
        else:
            for life in lives:
                life.store.wait()
            for path in (tmp_path / owner).glob("*"):
                path.unlink()
            if (tmp_path / owner).exists():
                (tmp_path / owner).rmdir()
            conversations.pop(owner, None)
        _check_files(tmp_path, lives, size)
    assert n_reused
    for life in lives:
        life.end()


def _a_life(folder: Path, chance: random.Random, most_bytes: int) -> Life:
    parking = chance.choice([0, 5_000, 100_000])
    pool = chance.choice([400, 1000])
    return Life(
        folder, pool=pool, ids=chance.choice([2, 4]), parking=parking, most_bytes=most_bytes
    )


def _longest_known(life: Life, tokens: list[int]) -> int:
    """The most that anything in reach begins alike: compared with each, the naive way."""
    tree = life.memory._tree
    held = [tree.tokens(holder) for holder in tree._tails]
    return max(
        (next((i for i, (a, b) in enumerate(zip(t, tokens, strict=False)) if a != b),
              min(len(t), len(tokens) - 1)) for t in held),
        default=0,
    )  # fmt: skip


def _damage_one(folder: Path, chance: random.Random) -> None:
    found = sorted(folder.rglob("*.kv"))
    if not found:
        return
    path = chance.choice(found)
    data = bytearray(path.read_bytes())
    how = chance.randrange(3)
    if how == 0:
        path.unlink()
    elif how == 1:
        path.write_bytes(data[: chance.randrange(len(data))])
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)


def _check_files(folder: Path, lives: list[Life], most_bytes: int) -> None:
    if any(life.store.is_writing for life in lives):
        return
    # Two that write at once may be a file over the bound, until the next one is written.
    largest = 4096 + 14 * 360
    assert sum(path.stat().st_size for path in folder.rglob("*.kv")) <= most_bytes + largest
    assert not list(folder.rglob("*.tmp"))
