"""Converting as the service asks for it: a child process, progress, and never half a file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.making.convert.running import converted, llama_logits
from tests.support.large_checkpoint import PeakMemory, allowed_bytes, write_large_checkpoint
from wiz_kernel_ext.children.in_child import CALLED_OFF
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    ConversionFailed,
    ConversionRefused,
    OperationCancelled,
)
from wiz_kernel_ext.making.convert import convert, estimate

COMMAND = [sys.executable, "-m", "wiz_kernel_ext.making.convert"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint large enough to be caught in mid-conversion."""
    folder = tmp_path_factory.mktemp("large")
    write_checkpoint(folder, "llama", intermediate_size=20_000, num_hidden_layers=2)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkpoint that converts at once."""
    write_checkpoint(tmp_path / "model", "qwen2")
    return tmp_path / "model"


def names_in(folder: Path) -> list[str]:
    """The names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_child_converts_and_tells_how_far_it_is(small: Path, tmp_path: Path) -> None:
    marks: list[tuple[int, int | None]] = []
    notices: list[str] = []
    target = tmp_path / "new" / "model.gguf"
    report = await convert(
        small,
        target,
        outtype="q8_0",
        on_progress=lambda done, total: marks.append((done, total)),
        on_notice=notices.append,
    )
    assert report.path == target
    assert report.size_bytes == target.stat().st_size
    assert report.pre_tokenizer == "qwen2"
    assert report.n_probes >= 300
    assert marks[0][0] == 0
    assert marks[-1][0] == marks[-1][1] == report.source_size_bytes
    assert marks == sorted(marks)
    assert notices == report.notices
    assert "NFC" in notices[0]
    assert llama_logits(target, [1, 2, 3]).shape[0] == 3
    assert names_in(target.parent) == ["model.gguf"]


@pytest.mark.parametrize("out_type", ["f16", "q8_0"])
def test_the_size_is_known_before(out_type: str, large: Path, tmp_path: Path) -> None:
    expected = estimate(large, out_type)
    report = converted(large, tmp_path / "model.gguf", out_type)
    assert abs(report.size_bytes - expected) < 0.02 * report.size_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is told by Linux only")
@pytest.mark.parametrize(
    ("size_bytes", "n_vocab", "out_type"),
    [
        (150_000_000, 4096, "q8_0"),
        *(
            pytest.param(900_000_000, 49_152, out_type, marks=pytest.mark.slow)
            for out_type in ("bf16", "f16", "q8_0", "f32")
        ),
    ],
)
async def test_the_memory_is_bounded_by_the_largest_tensor_and_not_by_the_model(
    tmp_path: Path, size_bytes: int, n_vocab: int, out_type: str
) -> None:
    largest = write_large_checkpoint(tmp_path, size_bytes, n_vocab)
    peak = PeakMemory("wiz_kernel_ext.making.convert")
    report = await convert(tmp_path, tmp_path / "m.gguf", outtype=out_type, on_progress=peak)
    assert report.source_size_bytes >= size_bytes
    assert 20e6 < peak.n_bytes <= min(allowed_bytes(largest), 0.8 * size_bytes)


async def test_a_cancelled_conversion_leaves_nothing(large: Path, tmp_path: Path) -> None:
    cancelled = asyncio.Event()
    with pytest.raises(OperationCancelled):
        await convert(
            large,
            tmp_path / "model.gguf",
            outtype="f32",
            on_progress=lambda done, total: cancelled.set(),
            cancelled=cancelled,
        )
    assert names_in(tmp_path) == []
    assert not converters()


async def test_a_cancelled_task_ends_the_child_too(large: Path, tmp_path: Path) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(
        convert(large, tmp_path / "model.gguf", on_progress=lambda done, total: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == []
    assert not converters()


async def test_a_killed_conversion_is_an_error_and_leaves_nothing(
    large: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConversionFailed, match="was killed by SIGKILL") as caught:
        await convert(
            large,
            tmp_path / "model.gguf",
            outtype="f32",
            on_progress=lambda done, total: [process.kill() for process in converters()],
        )
    assert str(large) in caught.value.message
    assert names_in(tmp_path) == []


def converters() -> list[psutil.Process]:
    """The conversions this process started."""
    children = psutil.Process().children(recursive=True)
    return [
        p for p in children if p.is_running() and "wiz_kernel_ext.making.convert" in p.cmdline()
    ]


@pytest.mark.parametrize("way", ["its parent is gone", "it is terminated"])
def test_a_conversion_that_is_ended_leaves_nothing(way: str, large: Path, tmp_path: Path) -> None:
    command = [*COMMAND, str(large), str(tmp_path / "model.gguf"), "--type", "f32", "--tied"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert b"ticked" in process.stdout.readline()
        if way == "it is terminated":
            process.terminate()
        else:
            process.stdin.close()
        assert process.wait(timeout=20) in (CALLED_OFF, 143)
    assert names_in(tmp_path) == []


def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(large: Path, tmp_path: Path) -> None:
    # A limit on the size of files stands in for the full disk: the write fails half way.
    script = f'ulimit -f 8000; exec "$0" -m wiz_kernel_ext.making.convert {large} {tmp_path}/m.gguf'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], capture_output=True, timeout=60, check=False
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["type"] == "failed"
    assert last["error"]["code"] == "conversion_failed"
    assert "m.gguf could not be written" in last["error"]["message"]
    assert names_in(tmp_path) == []


def test_no_room_is_said_before_converting(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ConversionFailed, match=r"needs .* MB; its disk has 1000 B") as caught:
        converted(small, tmp_path / "model.gguf")
    assert caught.value.details["free_bytes"] == 1000
    assert not (tmp_path / "model.gguf").exists()


async def test_a_target_that_exists_is_only_overwritten_when_told(
    small: Path, tmp_path: Path
) -> None:
    target = tmp_path / "model.gguf"
    target.write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        await convert(small, target)
    assert target.read_text() == "precious"
    await convert(small, target, overwrite=True)
    assert target.read_bytes()[:4] == b"GGUF"


async def test_what_a_power_cut_left_behind_is_removed(small: Path, tmp_path: Path) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    (tmp_path / f".model.gguf.{gone.pid}.part").write_text("half")
    (tmp_path / f".model.gguf.{os.getpid()}.part").write_text("another's, at work")
    (tmp_path / ".model.gguf.part").write_text("not ours")
    await convert(small, tmp_path / "model.gguf")
    kept = {".model.gguf.part", f".model.gguf.{os.getpid()}.part", "model", "model.gguf"}
    assert set(names_in(tmp_path)) == kept


async def test_a_listener_that_fails_ends_the_child(large: Path, tmp_path: Path) -> None:
    def fail(done: int, total: int | None) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await convert(large, tmp_path / "model.gguf", outtype="f32", on_progress=fail)
    assert names_in(tmp_path) == []
    assert not converters()


async def test_a_refusal_in_the_child_is_the_same_error_here(small: Path, tmp_path: Path) -> None:
    (small / "tokenizer.json").unlink()
    with pytest.raises(ConversionRefused, match=r"there is no tokenizer\.json") as caught:
        await convert(small, tmp_path / "model.gguf")
    assert caught.value.details["file"] == "tokenizer.json"
    assert "save_pretrained" in caught.value.hint


async def test_a_folder_that_cannot_be_made_is_an_error(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConversionFailed, match="cannot be made"):
        await convert(small, tmp_path / "file" / "model.gguf")
    with pytest.raises(BadRequest, match="is a folder"):
        await convert(small, small)


def test_a_library_that_is_missing_is_named_with_the_remedy(small: Path, tmp_path: Path) -> None:
    (tmp_path / "gguf.py").write_text("raise ImportError('no', name='gguf')")
    done = subprocess.run(
        [*COMMAND, str(small), str(tmp_path / "model.gguf")],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}:."},
    )
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert "gguf" in error["message"]
    assert "wiz-kernel-ext[convert]" in error["hint"]


def test_asking_for_a_conversion_needs_neither_numpy_nor_gguf() -> None:
    code = (
        "import sys, wiz_kernel_ext.making.convert, wiz_kernel_ext.making.quantize\n"
        "print([m for m in ('numpy', 'gguf', 'tokenizers', 'llama_cpp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FAKE_CONVERTER = """
import sys, time
source, out = sys.argv[1], sys.argv[sys.argv.index("--outfile") + 1]
print("INFO:hf-to-gguf:Loading model", file=sys.stderr)
for percent in (0, 40, 100):
    sys.stderr.write(f"\\rWriting: {percent:3}%|####  | 1M/2M [00:01<00:01, 1Mbyte/s]")
    sys.stderr.flush()
open(out, "w").write("whole " + sys.argv[-1])
"""


def checkout(folder: Path, extra: str = "") -> Path:
    """A llama.cpp checkout, as far as its converter is seen from outside."""
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(FAKE_CONVERTER + extra)
    return folder


async def test_a_llama_cpp_checkout_the_user_names_converts(small: Path, tmp_path: Path) -> None:
    marks: list[tuple[int, int | None]] = []
    report = await convert(
        small,
        tmp_path / "model.gguf",
        outtype="f16",
        on_progress=lambda done, total: marks.append((done, total)),
        llama_cpp_dir=checkout(tmp_path / "llama.cpp"),
    )
    total = (small / "model.safetensors").stat().st_size
    assert marks == [(0, total), (total * 40 // 100, total), (total, total)]
    assert (tmp_path / "model.gguf").read_text() == "whole f16"
    assert report.converter.endswith("convert_hf_to_gguf.py")


async def test_what_is_refused_here_goes_to_the_checkout_in_the_environment(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small / "tokenizer.json").unlink()
    monkeypatch.setenv("LLAMA_CPP_DIR", str(checkout(tmp_path / "llama.cpp")))
    notices: list[str] = []
    report = await convert(small, tmp_path / "model.gguf", on_notice=notices.append)
    assert report.converter != "wiz_kernel_ext"
    assert "there is no tokenizer.json" in notices[0]
    assert "Handing it to llama.cpp's converter" in notices[0]


async def test_a_checkout_that_fails_or_is_cancelled_leaves_nothing(
    small: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "model.gguf"
    failing = checkout(tmp_path / "failing", "sys.exit('ModuleNotFoundError: torch')")
    with pytest.raises(ConversionFailed, match="torch") as caught:
        await convert(small, target, llama_cpp_dir=failing)
    assert str(small) in caught.value.message
    hanging = checkout(tmp_path / "hanging", "time.sleep(60)")
    cancelled = asyncio.Event()

    def cancel(done: int, total: int | None) -> Any:
        cancelled.set()

    with pytest.raises(OperationCancelled):
        await convert(small, target, llama_cpp_dir=hanging, on_progress=cancel, cancelled=cancelled)
    assert names_in(target.parent) == []


async def test_a_folder_without_the_converter_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"no convert_hf_to_gguf\.py in"):
        await convert(small, tmp_path / "model.gguf", llama_cpp_dir=tmp_path)
