"""The estimate of what a model takes, against llama.cpp's own figures, and against a machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.gguf_bytes import small_model
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.gguf_file.header import read_file_header, read_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.gguf_file.skeleton import write_skeleton
from wiz_kernel_ext.gguf_file.source import BytesSource, FileSource
from wiz_kernel_ext.models.fit import (
    PROCESS_BYTES,
    Use,
    compute_bytes,
    estimate,
    estimate_by_size,
    kv_bytes,
    measured,
    verdict,
    with_context,
)
from wiz_kernel_ext.models.machine import Machine, this_machine
from wiz_kernel_ext.models.rehearsal import rehearse
from wiz_kernel_ext.protocol.hub import Fit

HEADER = read_header(BytesSource(small_model()))
MIB = 2**20
ROOMY = Machine(available_bytes=64 * 10**9, repacked_types=frozenset({"Q4_K", "Q4_0"}))

SHAPES = {
    "narrow": Shape(width=256, n_heads=4, n_kv_heads=2, n_ffn=768, n_vocab=2000),
    "wide": Shape(width=512, n_heads=8, n_kv_heads=2, n_ffn=2048, n_vocab=8000),
}


@pytest.mark.parametrize("flash", [False, True], ids=["plain", "flash"])
@pytest.mark.parametrize("name", SHAPES)
def test_kv_and_compute_are_what_llama_cpp_allocates(
    name: str, flash: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wiz_kernel_ext.engine.backend import ContextParameters, LoadParameters
    from wiz_kernel_ext.engine.llama import backend as llama
    from wiz_kernel_ext.engine.llama import step

    path = write_tiny_gguf(tmp_path / "m.gguf", SHAPES[name])
    use = Use(context_size=2048, flash_attention=flash)
    shape = model_shape(read_file_header(path))
    said: list[str] = []
    monkeypatch.setattr(step.log_tail, "add", lambda level, text: said.append(text))
    model = llama.LlamaBackend().load(str(path), LoadParameters(), lambda fraction: True)
    context = model.create_context(
        ContextParameters(
            pool_size=use.cells_for(shape.n_ctx_train),
            sequence_ids=16,
            batch_size=use.batch_size,
            threads=1,
            flash_attention=flash,
        )
    )
    context.close()
    model.close()
    log = "".join(said)
    (kv,) = re.findall(r"CPU KV buffer size = +([\d.]+) MiB", log)
    (compute,) = re.findall(r"CPU compute buffer size = +([\d.]+) MiB", log)
    assert kv_bytes(shape, use) / MIB == pytest.approx(float(kv), abs=0.01)
    assert compute_bytes(shape, use) / MIB == pytest.approx(float(compute), rel=0.1)


def test_the_demo_model_fits_anywhere() -> None:
    from wiz_kernel_ext.demo import model_path

    fit = estimate(read_file_header(model_path()), this_machine(), Use())
    assert fit.verdict == "fits"
    assert fit.needed_bytes < 400_000_000


def test_the_verdict_follows_the_memory() -> None:
    def verdict(available_bytes: int) -> str:
        machine = Machine(available_bytes=available_bytes)
        return estimate(HEADER, machine, Use()).verdict

    needed = estimate(HEADER, ROOMY, Use()).needed_bytes
    assert verdict(2 * needed) == "fits"
    assert verdict(needed) == "tight"
    assert verdict(needed - 1) == "too big"


def test_a_longer_context_takes_more() -> None:
    short = estimate(HEADER, ROOMY, Use(context_size=512))
    long = estimate(HEADER, ROOMY, Use(context_size=8192))
    assert long.kv_bytes == 16 * short.kv_bytes
    assert long.context_size == 8192
    quantized = estimate(HEADER, ROOMY, Use(context_size=8192, kv_type="q8_0"))
    assert quantized.kv_bytes == long.kv_bytes * 34 // 64


def test_the_parts_of_a_split_model_count_together() -> None:
    fit = estimate(HEADER, ROOMY, Use(), files_bytes=10**10)
    assert fit.weights_bytes == 10**10
    total = fit.weights_bytes + fit.kv_bytes + fit.compute_bytes + PROCESS_BYTES
    assert fit.needed_bytes == total


def test_by_size_alone_the_repacked_half_is_counted() -> None:
    q4 = estimate_by_size(4 * 10**9, "Q4_K_M", ROOMY, Use())
    q8 = estimate_by_size(4 * 10**9, "Q8_0", ROOMY, Use())
    assert (q4.basis, q4.repacked_bytes, q8.repacked_bytes) == ("size", 2 * 10**9, 0)
    assert q4.verdict == "fits"
    assert estimate_by_size(10**11, "", ROOMY, Use()).verdict == "too big"


@pytest.mark.parametrize("skeleton", [False, True], ids=["file", "skeleton"])
async def test_the_engine_itself_tells_what_a_model_would_take(
    tmp_path: Path, skeleton: bool
) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", SHAPES["wide"])
    header = read_file_header(path)
    if skeleton:
        with FileSource(path) as source:
            write_skeleton(source, header, tmp_path / "s.gguf")
        path = tmp_path / "s.gguf"
    use, shape = Use(context_size=1024), model_shape(header)
    found = await rehearse(path, use, shape.n_ctx_train)
    assert found is not None
    kv, compute = found
    assert kv == kv_bytes(shape, use)
    assert compute == pytest.approx(compute_bytes(shape, use), rel=0.1)
    fit = measured(estimate(header, ROOMY, use), kv, compute, ROOMY)
    assert (fit.basis, fit.verdict) == ("measured", "fits")


async def test_where_the_engine_cannot_tell_the_sums_stand(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(small_model())
    assert await rehearse(path, Use(), 2048) is None


@pytest.mark.parametrize(("available", "expected"), [(0, "unknown"), (100, "fits"), (85, "tight")])
def test_a_verdict_is_of_what_is_needed_and_what_there_is(available: int, expected: str) -> None:
    assert verdict(80, 70, available) == expected
    assert verdict(80, 70, 69) == "too big"


def test_a_fit_with_another_context_grows_by_what_depends_on_it() -> None:
    known = Fit(
        verdict="fits", context_size=1000, weights_bytes=50, kv_bytes=10, compute_bytes=5,
        needed_bytes=65, least_bytes=60, available_bytes=100,
    )  # fmt: skip
    assert with_context(known, 1000) == known
    twice = with_context(known, 2000)
    assert (twice.kv_bytes, twice.compute_bytes, twice.weights_bytes) == (20, 10, 50)
    assert (twice.needed_bytes, twice.least_bytes, twice.verdict) == (80, 75, "fits")
    assert with_context(known, 4000).verdict == "too big"
