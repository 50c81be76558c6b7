"""`python -m wiz_kernel_ext.making.quantize_child SRC Q4_K_M --out OUT`: quantizing, in JSON lines.

Knows llama.cpp's quantizer, the one thing outside of the engine that is asked of llama_cpp, and how
to read its log, which is all it says on the way. It has no way to be stopped: its process is ended
instead. Run by `quantize.py`; without --out it only says the size.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from wiz_kernel_ext.children.in_child import NICENESS, Speaker, end_on_signal, end_with_parent
from wiz_kernel_ext.engine.llama.quantization import LogReader, run_quantizer
from wiz_kernel_ext.errors import (
    ConversionFailed,
    ConversionRefused,
    ModelFileNotFound,
    WizError,
    not_permitted,
)
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.making.quantize import QUANTS, QuantizationReport
from wiz_kernel_ext.making.target import check_space, check_target, discard, part_file
from wiz_kernel_ext.out_of_memory import go_first


def main(arguments: list[str] | None = None) -> int:
    """Quantize or measure; 0 when there is a result, 1 when an error (the last line has either)."""
    parser = argparse.ArgumentParser(prog="python -m wiz_kernel_ext.making.quantize_child")
    parser.add_argument("source", type=Path)
    parser.add_argument("quant", choices=list(QUANTS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--tied", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    go_first()
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
    try:
        source.open("rb").close()
    except OSError as error:
        raise not_permitted(error) or ConversionFailed(
            f"{source} cannot be read: {error.strerror}.", source=str(source)
        ) from None
    reader = LogReader()
    if not run_quantizer(source, Path(os.devnull), QUANTS[quant], reader, dry_run=True):
        raise ConversionRefused(
            f"llama.cpp cannot quantize {source}: {reader.reason}.",
            hint="Check that it is a complete GGUF model.",
            source=str(source),
        )
    if reader.quantized_kind:
        raise ConversionRefused(
            f"{source} is quantized already ({_quant_of(source) or reader.quantized_kind}): doing "
            "it twice ruins it.",
            hint="Quantize the F16, BF16 or F32 file, or convert the original checkpoint again.",
            source=str(source),
        )
    if not reader.n_changed:
        raise ConversionRefused(
            f"{source} is {quant} already.", hint="Choose a smaller type.", source=str(source)
        )
    n_header = max(0, source.stat().st_size - reader.n_bytes)
    return reader, reader.n_new_bytes + n_header


def _quant_of(source: Path) -> str:
    """What a file says its type is: tensors of several types are in most."""
    try:
        return model_shape(read_file_header(source)).quant
    except WizError:
        return ""


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
    if not run_quantizer(source, part, QUANTS[options.quant], reader, threads=options.threads):
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


if __name__ == "__main__":
    sys.exit(main())
