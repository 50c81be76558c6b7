"""One snapshot in a file: what was written comes back, and whatever else is there is refused."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from wiz_kernel_ext.engine import snapshot_file
from wiz_kernel_ext.engine.backend import Saved
from wiz_kernel_ext.engine.snapshot_file import (
    Damaged,
    read_beginning,
    read_snapshot,
    write_snapshot,
)

TOKENS = [*range(100), 151_000]
DATA = bytes(random.Random(1).randbytes(5000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.kv"
    write_snapshot(path, "this", TOKENS, Saved(bytearray(DATA + b"spare"), len(DATA)))
    return path


def test_what_was_written_comes_back(file: Path) -> None:
    assert read_beginning(file, "this").tokens == TOKENS
    saved = read_snapshot(file, "this", TOKENS)
    assert (bytes(saved.data), saved.n_bytes) == (DATA, len(DATA))


def test_only_its_owner_can_read_it_and_nothing_half_written_stays(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["one.kv"]  # noqa: PTH208


def test_every_flipped_bit_is_noticed(file: Path) -> None:
    whole, chance = file.read_bytes(), random.Random(2)
    beginning = len(whole) - len(DATA)
    everywhere = [*range(beginning), *chance.sample(range(beginning, len(whole)), 300)]
    for at in everywhere:
        data = bytearray(whole)
        data[at] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        with pytest.raises(Damaged):
            read_snapshot(file, "this", TOKENS)
        if at < beginning:
            with pytest.raises(Damaged):
                read_beginning(file, "this")


@pytest.mark.parametrize("size", [0, 1, 8, 11, 12, 40, 200, 600, -1])
def test_a_cut_file_is_noticed_before_it_is_read(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(Damaged):
        read_beginning(file, "this")


def test_a_longer_file_is_noticed(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(Damaged):
        read_beginning(file, "this")


def test_a_file_cut_while_it_is_read_is_noticed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = snapshot_file._beginning

    def and_cut(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        os.truncate(file, 2000)
        return found

    monkeypatch.setattr(snapshot_file, "_beginning", and_cut)
    with pytest.raises(Damaged):
        read_snapshot(file, "this", TOKENS)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"fingerprint":"this","n_tokens":-1,"n_bytes":0,"crc":0}',
        b'{"fingerprint":"this","n_tokens":1e18,"n_bytes":0,"crc":0}',
        b'{"fingerprint":"this","n_tokens":999999999999,"n_bytes":-3999999999996,"crc":0}',
        b'{"fingerprint":"this","n_tokens":"many","n_bytes":0,"crc":0}',
        b"\xff" * 30,
    ],
)
def test_a_head_that_lies_is_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "lie.kv"
    path.write_bytes(b"wizkv\x01\r\n" + len(head).to_bytes(4, "little") + head + bytes(1000))
    with pytest.raises(Damaged):
        read_beginning(path, "this")


def test_a_head_longer_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.kv"
    path.write_bytes(b"wizkv\x01\r\n" + b"\xff" * 4 + bytes(5000))
    with pytest.raises(Damaged, match="too long"):
        read_beginning(path, "this")


def test_another_models_is_refused(file: Path) -> None:
    with pytest.raises(Damaged, match="another model's"):
        read_snapshot(file, "that", TOKENS)


def test_one_that_took_its_place_is_as_good_as_gone(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_snapshot(file, "this", TOKENS[:-1])


def test_neither_a_link_nor_a_pipe_nor_a_folder_is_read(file: Path) -> None:
    link, pipe = file.with_name("link.kv"), file.with_name("pipe.kv")
    link.symlink_to(file)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="symbolic"):
        read_beginning(link, "this")
    for path in (pipe, file.parent):
        with pytest.raises(Damaged):
            read_beginning(path, "this")


def test_where_the_folder_is_gone_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_snapshot(tmp_path / "gone" / "one.kv", "this", TOKENS, Saved(bytearray(3), 3))
    assert not (tmp_path / "gone").exists()


def test_a_disk_that_gets_full_leaves_the_former_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(file, "this", TOKENS[:5], Saved(bytearray(9), 9))
    assert read_beginning(file, "this").tokens == TOKENS
    assert os.listdir(file.parent) == ["one.kv"]  # noqa: PTH208
