"""Headers well and badly formed, from files and from ranges."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from tests.support import gguf_bytes as g
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound
from wiz_kernel_ext.gguf_file.cursor import GgufArray
from wiz_kernel_ext.gguf_file.header import read_file_header, read_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.gguf_file.skeleton import write_skeleton
from wiz_kernel_ext.gguf_file.source import BytesSource, FileSource, RangeSource
from wiz_kernel_ext.gguf_file.types import TENSOR_TYPES

GOOD = g.small_model()
META = g.llama_metadata()


def header_of(data: bytes) -> Any:
    return read_header(BytesSource(data))


def test_a_header_tells_the_models_shape() -> None:
    shape = model_shape(header_of(GOOD))
    assert (shape.name, shape.architecture, shape.quant) == ("Little", "llama", "Q8_0")
    assert (shape.n_layers, shape.n_ctx_train, shape.n_vocab) == (2, 2048, 300)
    assert shape.kv_values == 2 * 2 * (16 + 16)
    assert shape.chat_template == "{{ messages }}"
    assert shape.tokenizer == "gpt2 gpt-2"
    assert shape.n_params == 1024


def test_heads_can_differ_by_layer() -> None:
    meta = META | {"llama.attention.head_count_kv": (g.ARRAY, (g.U32, [2, 0]))}
    assert model_shape(header_of(g.gguf_bytes(meta))).kv_values == 2 * 32


def test_the_file_must_be_as_long_as_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(GOOD)
    assert read_file_header(path).size_bytes == len(GOOD)
    path.write_bytes(GOOD[:-1])
    with pytest.raises(GgufInvalid, match=r"cut\.gguf is incomplete"):
        read_file_header(path)


def test_the_demo_model_reads_as_the_library_reads_it() -> None:
    header = read_file_header(model_path())
    assert header.size_bytes == model_path().stat().st_size
    assert model_shape(header).quant == "Q8_0"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileNotFound, match=r"gone\.gguf"):
        read_file_header(tmp_path / "gone.gguf")


ONE = g.tensor("a", [32], 0, 0)
BAD: dict[str, bytes] = {
    "empty": b"",
    "no gguf": b"PK\3\4" + GOOD[4:],
    "version 1": b"GGUF" + (1).to_bytes(4, "little") + GOOD[8:],
    "version 4": b"GGUF" + (4).to_bytes(4, "little") + GOOD[8:],
    "big-endian": b"GGUF" + (3).to_bytes(4, "big") + GOOD[8:],
    "2^64 tensors": GOOD[:8] + b"\xff" * 8 + GOOD[16:],
    "2^64 metadata": GOOD[:16] + b"\xff" * 8 + GOOD[24:],
    "cut in the metadata": GOOD[:200],
    "long string": g.gguf_bytes({"k": (g.TEXT, "")})[:-8] + b"\xff" * 8,
    "long array": g.gguf_bytes({"k": (g.ARRAY, (g.U32, []))})[:-8]
    + (1 << 40).to_bytes(8, "little"),
    "array beyond the end": g.gguf_bytes({"k": (g.ARRAY, (g.U32, []))})[:-8]
    + (1 << 20).to_bytes(8, "little"),
    "nested array": g.gguf_bytes({"k": (g.ARRAY, (g.ARRAY, []))}),
    "alignment 3": g.gguf_bytes({"general.alignment": (g.U32, 3)}),
    "alignment as text": g.gguf_bytes({"general.alignment": (g.TEXT, "32")}),
    "empty key": g.gguf_bytes({"": (g.U32, 3)}),
    "5 dimensions": g.gguf_bytes(META, [g.tensor("a", [1] * 5, 0, 0)]),
    "overflowing shape": g.gguf_bytes(META, [g.tensor("a", [1 << 40, 1 << 40], 0, 0)]),
    "overflow hidden by a zero": g.gguf_bytes(META, [g.tensor("a", [0, 1 << 40, 1 << 40], 0, 0)]),
    "negative dimension": g.gguf_bytes(META, [g.tensor("a", [(1 << 64) - 1], 0, 0)]),
    "unknown type": g.gguf_bytes(META, [g.tensor("a", [32], 77, 0)]),
    "removed type": g.gguf_bytes(META, [g.tensor("a", [32], 4, 0)]),
    "part of a block": g.gguf_bytes(META, [g.tensor("a", [31], 8, 0)]),
    "long name": g.gguf_bytes(META, [g.tensor("a" * 64, [32], 0, 0)]),
    "twice": g.gguf_bytes(META, [ONE, g.tensor("a", [32], 0, 128)]),
    "overlapping": g.gguf_bytes(META, [ONE, g.tensor("b", [32], 0, 64)]),
    "a gap": g.gguf_bytes(META, [ONE, g.tensor("b", [32], 0, 256)]),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_header_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(GgufInvalid):
        header_of(data)


def test_a_key_given_twice_is_refused() -> None:
    once = g.gguf_bytes({"k": (g.U32, 1)})
    twice = once[:16] + (2).to_bytes(8, "little") + once[24:] * 2
    with pytest.raises(GgufInvalid, match="twice"):
        header_of(twice)


def test_control_characters_do_not_reach_a_terminal() -> None:
    meta = META | {"general.name": (g.TEXT, "a\x1b[31mb\x07")}
    assert model_shape(header_of(g.gguf_bytes(meta))).name == "a[31mb"


def test_a_long_array_is_counted_not_kept() -> None:
    array = header_of(g.small_model(n_vocab=5000)).metadata["tokenizer.ggml.tokens"]
    assert isinstance(array, GgufArray)
    assert (array.count, len(array.values), array.values[1]) == (5000, 1024, "t1")


def test_a_remote_header_costs_little_more_than_itself() -> None:
    data = g.small_model(payload_bytes=8_000_000, n_vocab=200_000)
    asked: list[int] = []

    def fetch(offset: int, size: int) -> bytes:
        asked.append(size)
        return data[offset : offset + size]

    header = read_header(RangeSource(fetch, len(data)))
    assert header.size_bytes == len(data)
    assert len(asked) <= 5
    assert sum(asked) <= 2.5 * header.data_offset + 512 * 1024


def test_a_remote_header_is_bounded() -> None:
    data = g.gguf_bytes(META | {"k": (g.TEXT, "x" * 3_000_000)})
    source = RangeSource(lambda offset, size: data[offset : offset + size], None)
    with pytest.raises(GgufInvalid, match="longer than"):
        read_header(source, max_bytes=1_000_000)
    assert source.n_fetched_bytes <= 2_000_000


def test_a_skeleton_has_the_header_and_the_length(tmp_path: Path) -> None:
    path = tmp_path / "skeleton.gguf"
    header = header_of(GOOD)
    write_skeleton(BytesSource(GOOD), header, path)
    assert path.stat().st_size == len(GOOD)
    with FileSource(path) as source:
        assert read_header(source) == header


def test_tensor_types_are_those_of_the_library() -> None:
    import importlib.util

    spec = importlib.util.find_spec("llama_cpp")
    assert spec is not None and spec.origin is not None
    libraries = sorted((Path(spec.origin).parent / "lib").glob("libggml-base.*"))
    ggml = ctypes.CDLL(str(libraries[0]))
    ggml.ggml_type_name.restype = ctypes.c_char_p
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_size.restype = ctypes.c_size_t
    for number in range(43):
        block_size = ggml.ggml_blck_size(number)
        ours = TENSOR_TYPES.get(number)
        assert bool(block_size) == (ours is not None)
        if ours is not None:
            assert (ours.block_size, ours.block_bytes) == (block_size, ggml.ggml_type_size(number))
            assert ours.name.lower() == ggml.ggml_type_name(number).decode().lower()
