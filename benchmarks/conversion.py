"""Conversion of a random 0.6 GB checkpoint: speed, and peak memory against what is allowed."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.report import Figure
from tests.support.large_checkpoint import PeakMemory, allowed_bytes, write_large_checkpoint
from wiz_kernel_ext.making.convert import convert

OUT_TYPES = ("bf16", "f16", "q8_0")
SIZE_BYTES = 600_000_000
N_VOCAB = 49_152


def run(n_rounds: int) -> list[Figure]:
    """Convert to each type, `n_rounds` times."""
    rates: dict[str, list[float]] = {out_type: [] for out_type in OUT_TYPES}
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        largest = write_large_checkpoint(folder, SIZE_BYTES, N_VOCAB)
        for _ in range(n_rounds):
            for out_type in OUT_TYPES:
                target = folder / f"out-{out_type}.gguf"
                peak = PeakMemory("wiz_kernel_ext.making.convert")
                report = asyncio.run(convert(folder, target, outtype=out_type, on_progress=peak))
                target.unlink()
                rates[out_type].append(report.source_size_bytes / report.duration_s / 1e6)
                peaks.append(peak.n_bytes / allowed_bytes(largest))
    figures = [
        Figure(f"safetensors to {out_type}", samples, "MB/s", "≥ 100 MB/s")
        for out_type, samples in rates.items()
    ]
    return [*figures, Figure("peak memory / allowed", peaks, "×", "≤ 1")]
