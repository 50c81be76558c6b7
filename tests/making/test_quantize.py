"""Quantizing: every type on offer, its size before, progress, and never half a file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import gguf
import psutil
import pytest

from tests.making.convert.running import llama_logits
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.children.in_child import CALLED_OFF
from wiz_kernel_ext.engine.llama.quantization import LogReader
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    ConversionFailed,
    ConversionRefused,
    ModelFileNotFound,
    OperationCancelled,
)
from wiz_kernel_ext.making.quantize import QUANTS, estimate_quantized, quantize

MAIN_TYPE = {"Q5_K_M": "Q5_K", "Q4_K_M": "Q4_K"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rows every block divides."""
    shape = Shape(width=256, n_ffn=512, quantization="F32")
    return write_tiny_gguf(tmp_path_factory.mktemp("source") / "model.gguf", shape)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes a second or more to quantize."""
    shape = Shape(width=1024, n_ffn=4096, n_layers=4, quantization="F16")
    return write_tiny_gguf(tmp_path_factory.mktemp("slow") / "model.gguf", shape)


def names_in(folder: Path) -> list[str]:
    """The names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


FAST = {"Q8_0", "Q4_K_M"}
TYPES = [q if q in FAST else pytest.param(q, marks=pytest.mark.slow) for q in QUANTS]


@pytest.mark.parametrize("quant", TYPES)
async def test_every_type_is_made_of_its_announced_size(
    quant: str, source: Path, tmp_path: Path
) -> None:
    marks: list[tuple[int, int | None]] = []
    target = tmp_path / "model.gguf"
    expected = await estimate_quantized(source, quant)
    report = await quantize(
        source, target, quant.lower(), on_progress=lambda done, total: marks.append((done, total))
    )
    assert report.quant == quant
    assert report.size_bytes == target.stat().st_size
    assert abs(report.size_bytes - expected) < 32_768
    tensors = gguf.GGUFReader(source).tensors
    total = sum(int(tensor.n_bytes) for tensor in tensors)
    assert report.n_tensors == len(tensors)
    assert marks[0] == (0, total)
    assert marks[-1] == (total, total)
    made = {tensor.tensor_type.name for tensor in gguf.GGUFReader(target).tensors}
    assert MAIN_TYPE.get(quant, quant) in made
    assert llama_logits(target, [1, 2, 3]).shape[0] == 3
    assert names_in(tmp_path) == ["model.gguf"]


async def test_a_cancelled_quantization_leaves_nothing(slow: Path, tmp_path: Path) -> None:
    cancelled = asyncio.Event()
    with pytest.raises(OperationCancelled):
        await quantize(
            slow,
            tmp_path / "model.gguf",
            "IQ4_XS",
            on_progress=lambda done, total: cancelled.set(),
            cancelled=cancelled,
        )
    assert names_in(tmp_path) == []
    assert not quantizers()


async def test_a_killed_quantization_is_an_error_and_leaves_nothing(
    slow: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConversionFailed, match="was killed by SIGKILL") as caught:
        await quantize(
            slow,
            tmp_path / "model.gguf",
            "Q4_K_M",
            on_progress=lambda done, total: [process.kill() for process in quantizers()],
        )
    assert str(slow) in caught.value.message
    assert names_in(tmp_path) == []


def quantizers() -> list[psutil.Process]:
    """The quantizations this process started."""
    children = psutil.Process().children(recursive=True)
    return [p for p in children if "wiz_kernel_ext.making.quantize_child" in p.cmdline()]


def test_a_quantization_whose_parent_is_gone_ends_and_leaves_nothing(
    slow: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "wiz_kernel_ext.making.quantize_child", str(slow), "IQ4_XS"]
    command += ["--out", str(tmp_path / "model.gguf"), "--tied"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert b"ticked" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=20) == CALLED_OFF
    assert names_in(tmp_path) == []


async def test_a_split_model_becomes_one_file(source: Path, tmp_path: Path) -> None:
    first = split(source, tmp_path / "parts.gguf")
    report = await quantize(first, tmp_path / "model.gguf", "Q8_0")
    assert report.n_tensors == len(gguf.GGUFReader(source).tensors)
    assert llama_logits(tmp_path / "model.gguf", [1, 2, 3]).shape[0] == 3


def split(source: Path, target: Path) -> Path:
    """The model in parts of eight tensors; the first part."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama", split_max_tensors=8)
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF.", "general.architecture")):
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return min(target.parent.glob("parts-00001-of-*.gguf"))


async def test_a_model_quantized_already_is_refused_with_the_remedy(
    source: Path, tmp_path: Path
) -> None:
    await quantize(source, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(ConversionRefused, match="quantized already") as caught:
        await quantize(tmp_path / "q8.gguf", tmp_path / "model.gguf", "Q4_0")
    assert "F16, BF16 or F32" in caught.value.hint
    with pytest.raises(ConversionRefused, match="quantized already"):
        await estimate_quantized(tmp_path / "q8.gguf", "Q4_0")
    assert names_in(tmp_path) == ["q8.gguf"]


async def test_a_type_the_model_has_already_is_refused(slow: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionRefused, match="is F16 already"):
        await quantize(slow, tmp_path / "model.gguf", "F16")


async def test_a_target_that_exists_is_only_overwritten_when_told(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "model.gguf"
    target.write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        await quantize(source, target, "Q4_0")
    assert target.read_text() == "precious"
    await quantize(source, target, "Q4_0", overwrite=True)
    assert target.read_bytes()[:4] == b"GGUF"


async def test_what_is_no_model_is_refused_with_llama_cpps_reason(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ConversionRefused, match="GGUF version") as caught:
        await quantize(bad, tmp_path / "model.gguf", "Q4_0")
    assert str(bad) in caught.value.message
    with pytest.raises(ModelFileNotFound):
        await quantize(tmp_path / "none.gguf", tmp_path / "model.gguf", "Q4_0")
    assert names_in(tmp_path) == ["bad.gguf"]


def cut_off(source: Path, target: Path) -> Path:
    """The file without its end."""
    target.write_bytes(source.read_bytes()[:-5000])
    return target


async def test_a_cut_off_model_is_refused(source: Path, tmp_path: Path) -> None:
    cut = cut_off(source, tmp_path / "cut.gguf")
    with pytest.raises(ConversionRefused, match=r"cut.gguf"):
        await quantize(cut, tmp_path / "model.gguf", "Q4_0")


async def test_rows_that_no_block_divides_are_a_notice(tmp_path: Path) -> None:
    narrow = write_tiny_gguf(tmp_path / "narrow.gguf", Shape(width=64, n_ffn=96))
    report = await quantize(narrow, tmp_path / "model.gguf", "Q4_K_M")
    assert "tensors have rows that no block of Q4_K_M divides" in report.notices[0]


async def test_a_type_that_is_not_on_offer_is_refused_with_those_that_are(source: Path) -> None:
    with pytest.raises(BadRequest, match="'IQ1_S'") as caught:
        await quantize(source, source.with_name("none.gguf"), "IQ1_S")
    assert "Q4_K_M" in caught.value.hint


def test_the_log_is_read_in_whatever_pieces_it_comes() -> None:
    log = (
        "[   1/   3] token_embd.weight - [  256,   512,     1,     1], type =    f32, "
        "converting to q4_K .. size =     0.50 MiB ->     0.07 MiB\n"
        "[   2/   3] output_norm.weight - [  256,     1,     1,     1], type =    f32, "
        "size =    0.001 MiB\n"
        "[   3/   3] a name with spaces - [   32,     2,     1,     1], type =   q8_0, "
        "size =    0.001 MiB\n"
        "llama_model_quantize_impl: quant size  =     1.50 MiB (4.50 BPW)\n"
        "llama_model_quantize_impl: WARNING: 2 of 3 tensor(s) required fallback quantization\n"
    )
    for step in (1, 7, len(log)):
        sizes: list[int] = []
        reader = LogReader(sizes.append)
        for start in range(0, len(log), step):
            reader.add(2, log[start : start + step])
        assert sizes == [256 * 512 * 4, 1024, 64]
        assert (reader.n_tensors, reader.n_changed) == (3, 1)
        assert reader.quantized_kind == "q8_0"
        assert reader.n_new_bytes == 3 << 19
        assert reader.fallbacks == "2 of 3"
