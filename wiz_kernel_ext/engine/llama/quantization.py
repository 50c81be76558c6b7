"""llama.cpp's quantizer, called in this process, and what its log says of how far it is."""

from __future__ import annotations

import ctypes
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp as c

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


def run_quantizer(
    source: Path,
    target: Path,
    file_type: int,
    reader: LogReader,
    *,
    dry_run: bool = False,
    threads: int = 0,
) -> bool:
    """Write `source` as `target` in `file_type` (a `llama_ftype`); whether that succeeded.

    `reader` hears the log. With `dry_run` nothing is written, and the log has the sizes.
    """

    @c.llama_log_callback  # type: ignore[untyped-decorator]
    def on_log(level: int, text: bytes, _: Any) -> None:
        reader.add(level, text.decode("utf-8", "replace"))

    c.llama_log_set(on_log, ctypes.c_void_p(0))
    params = c.llama_model_quantize_default_params()
    params.ftype = file_type
    params.nthread = threads
    params.dry_run = dry_run
    params.max_buf_size = BUFFER_BYTES
    code = c.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    return bool(code == 0)
