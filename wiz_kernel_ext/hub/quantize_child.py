"""`python -m wiz_kernel_ext.hub.quantize_child SRC Q4_K_M --out OUT`: quantizing, in JSON lines.

Knows llama.cpp's quantizer, the one thing outside of the engine that is asked of llama_cpp, and how
to read its log, which is all it says on the way. It has no way to be stopped: its process is ended
instead. Run by `quantize.py`; without --out it only says the size.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import llama_cpp as c

from wiz_kernel_ext.children.in_child import NICENESS, Speaker, end_on_signal, end_with_parent
from wiz_kernel_ext.errors import (
    ConversionFailed,
    ConversionRefused,
    ModelFileNotFound,
    WizError,
)
from wiz_kernel_ext.hub.convert.target import check_space, check_target, discard, part_file
from wiz_kernel_ext.hub.quantize import QUANTS, QuantizationReport

BUFFER_BYTES = 256 << 20
_TENSOR = re.compile(
    r"^\[\s*\d+/\s*\d+\] (?P<name>.+?)\s+- \[(?P<shape>[\d, ]+)\], type =\s*(?P<kind>\w+),"
    r".*size =\s*[\d.]+ MiB(?P<changed> ->)?"
)
_SIZE = re.compile(r"quant size\s+=\s+([\d.]+) MiB")
_FALLBACK = re.compile(r"WARNING: (\d+ of \d+) tensor\(s\) required fallback")
_ERROR = 4  # ggml_log_level
_ITEM_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "f64": 8}


@dataclass
class LogReader:
    """What the quantizer's log says; `on_tensor` hears each tensor's bytes when it is done."""

    on_tensor: Callable[[int], object] = lambda n_bytes: None
    n_tensors: int = 0
    n_bytes: int = 0
    n_new_bytes: int = 0
    n_changed: int = 0
    quantized_kind: str = ""
    fallbacks: str = ""
    reasons: list[str] = field(default_factory=list)
    _line: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, in llama.cpp's words; the first is the cause."""
        return self.reasons[0] if self.reasons else "no reason given"

    def add(self, level: int, text: str) -> None:
        """Take what llama.cpp logged, which may be part of a line."""
        *whole, self._line = (self._line + text).split("\n")
        for line in whole:
            self._read(level, line)

    def _read(self, level: int, line: str) -> None:
        if tensor := _TENSOR.search(line):
            item_bytes = _ITEM_BYTES.get(tensor["kind"], 0)
            if not item_bytes and not tensor["kind"].startswith("i"):
                self.quantized_kind = self.quantized_kind or tensor["kind"]
            n = math.prod(int(size) for size in tensor["shape"].split(",")) * (item_bytes or 1)
            self.n_tensors += 1
            self.n_bytes += n
            self.n_changed += tensor["changed"] is not None
            self.on_tensor(n)
        elif size := _SIZE.search(line):
            self.n_new_bytes = int(float(size[1]) * (1 << 20))
        elif fallback := _FALLBACK.search(line):
            self.fallbacks = fallback[1]
        elif level == _ERROR and line.strip():
            self.reasons.append(line.split(": ", 1)[-1].strip())


def main(arguments: list[str] | None = None) -> int:
    """Quantize or measure; 0 when there is a result, 1 when an error (the last line has either)."""
    parser = argparse.ArgumentParser(prog="python -m wiz_kernel_ext.hub.quantize_child")
    parser.add_argument("source", type=Path)
    parser.add_argument("quant", choices=list(QUANTS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--tied", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    speaker = Speaker()
    part = part_file(options.out or options.source, os.getpid())
    tidy_up = partial(discard, part)
    end_on_signal(tidy_up)
    if options.tied:
        os.nice(NICENESS)
        end_with_parent(tidy_up)
    try:
        if options.out is None:
            speaker.result(_measure(options.source, options.quant)[1])
        else:
            speaker.result(_quantize(options, part, speaker))
    except WizError as error:
        speaker.error(error)
        return 1
    finally:
        tidy_up()
    return 0


def _measure(source: Path, quant: str) -> tuple[LogReader, int]:
    """What quantizing would do, and the size of the file then; raises ConversionRefused."""
    if not source.is_file():
        raise ModelFileNotFound(f"There is no model file {source}.")
    reader = LogReader()
    if not _run(source, Path(os.devnull), quant, reader, dry_run=True):
        raise ConversionRefused(
            f"llama.cpp cannot quantize {source}: {reader.reason}.",
            hint="Check that it is a complete GGUF model.",
            source=str(source),
        )
    if reader.quantized_kind:
        raise ConversionRefused(
            f"{source} is quantized already ({reader.quantized_kind}): doing it twice ruins it.",
            hint="Quantize the F16, BF16 or F32 file, or convert the original checkpoint again.",
            source=str(source),
        )
    if not reader.n_changed:
        raise ConversionRefused(
            f"{source} is {quant} already.", hint="Choose a smaller type.", source=str(source)
        )
    n_header = max(0, source.stat().st_size - reader.n_bytes)
    return reader, reader.n_new_bytes + n_header


def _quantize(options: Any, part: Path, speaker: Speaker) -> QuantizationReport:
    began = time.monotonic()
    source, target = options.source, options.out
    check_target(target, options.overwrite)
    measured, n_bytes = _measure(source, options.quant)
    check_space(target, n_bytes)
    notices = []
    if measured.fallbacks:
        notices.append(
            f"{measured.fallbacks} tensors have rows that no block of {options.quant} divides; "
            "they are kept in a larger type."
        )
        speaker.notice(notices[0])
    done = 0

    def on_tensor(n: int) -> None:
        nonlocal done
        done += n
        speaker.progress(done, measured.n_bytes)

    speaker.progress(0, measured.n_bytes)
    reader = LogReader(on_tensor)
    if not _run(source, part, options.quant, reader, threads=options.threads):
        raise ConversionFailed(
            f"{target} could not be written: {reader.reason}.",
            hint="See that its disk has room and the source is complete.",
            source=str(source),
            target=str(target),
        )
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    size = part.stat().st_size
    check_target(target, options.overwrite)
    part.replace(target)
    return QuantizationReport(
        path=target,
        quant=options.quant,
        size_bytes=size,
        source_size_bytes=max(source.stat().st_size, measured.n_bytes),  # of all its parts
        n_tensors=measured.n_tensors,
        duration_s=time.monotonic() - began,
        notices=notices,
    )


def _run(
    source: Path,
    target: Path,
    quant: str,
    reader: LogReader,
    *,
    dry_run: bool = False,
    threads: int = 0,
) -> bool:
    """Call llama.cpp's quantizer; whether it succeeded."""

    @c.llama_log_callback  # type: ignore[untyped-decorator]
    def on_log(level: int, text: bytes, _: Any) -> None:
        reader.add(level, text.decode("utf-8", "replace"))

    c.llama_log_set(on_log, ctypes.c_void_p(0))
    params = c.llama_model_quantize_default_params()
    params.ftype = QUANTS[quant]
    params.nthread = threads
    params.dry_run = dry_run
    params.max_buf_size = BUFFER_BYTES
    code = c.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    return bool(code == 0)


if __name__ == "__main__":
    sys.exit(main())
