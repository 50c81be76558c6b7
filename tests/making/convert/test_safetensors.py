"""A safetensors header is somebody else's: read, or refused, and never believed."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making.convert.checkpoints import safetensors
from wiz_kernel_ext.errors import ConversionRefused
from wiz_kernel_ext.making.convert.safetensors import MAX_HEADER_BYTES, read_header

WEIGHTS = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b.bias": np.arange(5, dtype=np.float32),
}
WHOLE = safetensors(WEIGHTS)


def with_header(header: Any, data: bytes = bytes(64)) -> bytes:
    """A file with that header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changes: Any) -> dict[str, Any]:
    """A right entry for 16 numbers, changed."""
    return {"dtype": "F32", "shape": [16], "data_offsets": [0, 64], **changes}


def test_a_header_gives_every_tensor_its_place(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(WHOLE)
    tensors = read_header(file)
    assert set(tensors) == set(WEIGHTS)
    for name, tensor in tensors.items():
        stored = WHOLE[tensor.start : tensor.start + tensor.size_bytes]
        assert np.array_equal(
            np.frombuffer(stored, np.float32).reshape(tensor.shape), WEIGHTS[name]
        )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"\x01\x00", "cut off"),
        (WHOLE[:40], "cut off"),
        ((2**63).to_bytes(8, "little") + bytes(50), "cut off"),
        (with_header(b"{"), "not readable"),
        (with_header(b"\xff\xfe{}"), "not readable"),
        (with_header([]), "not readable"),
        (with_header(b"[" * 5000), "not readable"),
        (with_header({"a": 5}), "not readable"),
        (with_header({"a": {"dtype": "F32", "shape": [16]}}), "not readable"),
        (with_header({"a": entry(shape=["16"])}), "not readable"),
        (with_header({"a": entry(shape=[1.5])}), "not readable"),
        (with_header({"a": entry(dtype="F6_E3M2")}), "number type 'F6_E3M2'"),
        (with_header({"a": entry(shape=[-16])}), "impossible"),
        (with_header({"a": entry(shape=[1, 1, 1, 1, 16])}), "impossible"),
        (with_header({"a": entry(shape=[17])}), "size of its shape"),
        (with_header({"a": entry(shape=[2**62, 2**62])}), "size of its shape"),
        (with_header({"a": entry(data_offsets=[64, 128])}), "outside of the file"),
        (with_header({"a": entry(data_offsets=[64, 0])}), "outside of the file"),
        (with_header({"a": entry(data_offsets=[-64, 0])}), "outside of the file"),
        (with_header({"a": entry(), "b": entry()}), "inside another"),
    ],
)
def test_a_damaged_header_is_refused_with_the_file(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ConversionRefused, match=reason) as caught:
        read_header(file)
    assert str(file) in caught.value.message


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write((4 << 30).to_bytes(8, "little"))
        stream.truncate(8 << 30)  # sparse
    tracemalloc.start()
    try:
        with pytest.raises(ConversionRefused, match="claims 4,294,967,296 bytes"):
            read_header(file)
        assert tracemalloc.get_traced_memory()[1] < MAX_HEADER_BYTES
    finally:
        tracemalloc.stop()


def test_too_many_tensors_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    file.write_bytes(with_header({f"t{i}": empty for i in range(50_001)}))
    with pytest.raises(ConversionRefused, match="names 50,001 tensors"):
        read_header(file)


def test_a_file_that_may_not_be_read_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConversionRefused, match="cannot be read"):
        read_header(tmp_path / "none.safetensors")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8
    ),
    length=st.integers(0, len(WHOLE)),
)
def test_mutated_files_are_read_or_refused_and_nothing_else(
    tmp_path: Path, edits: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(WHOLE)
    for place, value in edits:
        data[place] = value
    file = tmp_path / "model.safetensors"
    file.write_bytes(data if length % 4 else data[:length])
    check(file)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    header=st.dictionaries(
        st.text(max_size=8),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "BF16", "F8_E4M3", "X", "", 3]),
                "shape": st.lists(st.integers(-(2**70), 2**70), max_size=6),
                "data_offsets": st.lists(st.integers(-10, 2**65), max_size=3),
            }
        )
        | st.recursive(
            st.none() | st.integers() | st.text(max_size=4),
            lambda inner: st.lists(inner, max_size=3),
        ),
        max_size=6,
    )
)
def test_invented_headers_are_read_or_refused_and_nothing_else(
    tmp_path: Path, header: dict[str, Any]
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(with_header(header))
    check(file)


@pytest.mark.slow
def test_thousands_of_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "model.safetensors"
    n_header = int.from_bytes(WHOLE[:8], "little") + 8
    for _ in range(10_000):
        data = bytearray(WHOLE)
        for place in rng.integers(0, n_header, rng.integers(1, 5)):
            data[place] = rng.integers(0, 256)
        file.write_bytes(data)
        check(file)


def check(file: Path) -> None:
    """Whatever was accepted lies inside of the file."""
    try:
        tensors = read_header(file)
    except ConversionRefused:
        return
    size = file.stat().st_size
    for tensor in tensors.values():
        assert 0 <= tensor.start <= tensor.start + tensor.size_bytes <= size
