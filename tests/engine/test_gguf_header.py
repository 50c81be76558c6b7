"""Bad files are told apart, in words, before llama.cpp sees them."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.gguf_header import check_gguf
from wiz_kernel_ext.errors import ModelFileNotFound, ModelLoadFailed, WizError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def vocabulary(*tokens: str) -> tuple[str, int, bytes]:
    listed = struct.pack("<IQ", 8, len(tokens)) + b"".join(map(text, tokens))
    return "tokenizer.ggml.tokens", 9, listed


def gguf_bytes(
    *,
    version: int = 3,
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...] = (("t", (32,), 0, 0),),
    entries: tuple[tuple[str, int, bytes], ...] = (("general.architecture", 8, text("llama")),),
    n_data: int = 128,
) -> bytes:
    """A GGUF file of these parts; a tensor is name, shape, type and offset."""
    data = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    for key, kind, value in entries:
        data += text(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        data += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        data += struct.pack("<IQ", kind, offset)
    return data + b"\0" * (-len(data) % 32) + b"\0" * n_data


def check_bytes(path: Path, data: bytes) -> None:
    file = path / "model.gguf"
    file.write_bytes(data)
    check_gguf(file)


def test_a_whole_model_passes_with_its_facts(tiny_gguf: Path) -> None:
    header = check_gguf(tiny_gguf)
    assert header.metadata["general.architecture"] == "llama"
    assert header.size_bytes == tiny_gguf.stat().st_size
    assert header.metadata["llama.block_count"] == 2


@pytest.mark.parametrize("quantization", ["F16", "Q8_0"])
def test_the_size_needed_is_exact_for_packed_types(tmp_path: Path, quantization: str) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", Shape(quantization=quantization))
    assert check_gguf(path).size_bytes == path.stat().st_size


def test_a_file_made_by_hand_passes(tmp_path: Path) -> None:
    architecture = ("general.architecture", 8, text("llama"))
    check_bytes(tmp_path, gguf_bytes(entries=(architecture, vocabulary("a", "", "", "b"))))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelFileNotFound, match="no file"):
        check_gguf(tmp_path / "none.gguf")


def test_a_directory_and_a_device_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="is a directory"):
        check_gguf(tmp_path)
    with pytest.raises(ModelLoadFailed, match="not a regular file"):
        check_gguf(Path(os.devnull))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"GG", "not a GGUF file"),
        (b"Dear reader, this is a text.", "begins with 'Dear'"),
        (b"\x80\x02}q\x01", "begins with the bytes 80 02 7d 71"),
        (b"PK\x03\x04", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (b"GGUF", "middle of its header"),
        (b"GGUF" + struct.pack("<I", 1) + b"\0" * 16, "version 1"),
        (b"GGUF" + struct.pack(">I", 3) + b"\0" * 16, "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "only a vocabulary"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1 << 60), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, 1 << 62), "damaged"),
        (gguf_bytes(entries=(("k", 99, b""),)), "unknown type 99"),
        (gguf_bytes(entries=(("k", 9, struct.pack("<IQ", 9, 1)),)), "unknown type 9"),
        (gguf_bytes(entries=(("k", 9, struct.pack("<IQ", 4, 1 << 50)),)), "damaged"),
        (gguf_bytes(entries=(("k", 9, struct.pack("<IQ", 4, 1 << 20)),)), "middle of its header"),
        (gguf_bytes(entries=(("general.alignment", 4, struct.pack("<I", 7)),)), "alignment of 7"),
        (gguf_bytes(entries=()), "architecture"),
        (gguf_bytes(tensors=(("t", (32, 0), 0, 0),)), "shape"),
        (gguf_bytes(tensors=(("t", (1 << 40, 1 << 40), 0, 0),)), "shape"),
        (gguf_bytes(tensors=(("t", (1, 1, 1, 1, 1), 0, 0),)), "5 dimensions"),
        (gguf_bytes(tensors=(("t", (33,), 8, 0),)), "broken rows"),
        (gguf_bytes(tensors=(("t", (32,), 0, 5),)), "odd offset"),
        (gguf_bytes(entries=(vocabulary("a", "b", "a"),)), "same token twice"),
        (gguf_bytes(entries=(vocabulary("a", "a\0b"),)), "same token twice"),
        (gguf_bytes(n_data=127), "incomplete"),
        (gguf_bytes(tensors=(("t", (32,), 0, 1 << 30),)), "odd offset"),
    ],
)
def test_each_kind_of_damage_is_said_in_words(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(ModelLoadFailed, match=words):
        check_bytes(tmp_path, data)


def test_a_truncated_download_is_told_with_both_sizes(tmp_path: Path, tiny_gguf: Path) -> None:
    whole = tiny_gguf.read_bytes()
    with pytest.raises(ModelLoadFailed, match=f"500,000 bytes of {len(whole):,}") as caught:
        check_bytes(tmp_path, whole[:500_000])
    assert "download it again" in caught.value.hint


@pytest.mark.parametrize("n_layers", [0, 513, 1 << 31])
def test_an_impossible_number_of_layers_is_caught(tmp_path: Path, n_layers: int) -> None:
    entries = (
        ("general.architecture", 8, text("llama")),
        ("llama.block_count", 4, struct.pack("<I", n_layers)),
    )
    with pytest.raises(ModelLoadFailed, match="damaged"):
        check_bytes(tmp_path, gguf_bytes(entries=entries))


def split_entries(number: int) -> tuple[tuple[str, int, bytes], ...]:
    return (
        ("general.architecture", 8, text("llama")),
        ("split.count", 2, struct.pack("<H", 2)),
        ("split.no", 2, struct.pack("<H", number)),
    )


def test_a_model_in_parts_needs_all_of_them_and_its_first_name(tmp_path: Path) -> None:
    first, second = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"
    first.write_bytes(gguf_bytes(entries=split_entries(0)))
    with pytest.raises(ModelFileNotFound, match="m-00002-of-00002"):
        check_gguf(first)
    second.write_bytes(gguf_bytes(entries=split_entries(1)))
    check_gguf(first)
    with pytest.raises(ModelLoadFailed, match="not the first") as caught:
        check_gguf(second)
    assert "m-00001-of-00002.gguf" in caught.value.hint
    second.write_bytes(gguf_bytes(entries=split_entries(1), n_data=10))
    with pytest.raises(ModelLoadFailed, match=r"m-00002-of-00002\.gguf is incomplete"):
        check_gguf(first)
    shutil.copy(first, tmp_path / "renamed.gguf")
    with pytest.raises(ModelLoadFailed, match="name does not say so"):
        check_gguf(tmp_path / "renamed.gguf")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_random_damage_does_anything_but_pass_or_be_refused(
    tmp_path: Path, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(gguf_bytes())
    for at, value in damage:
        data[at % len(data)] = value
    try:
        check_bytes(tmp_path, bytes(data))
    except WizError as error:
        assert error.message
