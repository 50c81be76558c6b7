"""Will a model run here? An estimate from its header, or only from its size.

Pure: the sums for the way this project loads models (`worker/context_plan.py`), for a `Machine`.
The compute buffer's form was found by measuring llama.cpp's for models of several shapes; see
`tests/models/test_fit.py`, which measures again.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from wiz_kernel_ext.gguf_file.header import Header
from wiz_kernel_ext.gguf_file.shape import ModelShape, model_shape
from wiz_kernel_ext.models.machine import Machine
from wiz_kernel_ext.protocol.context_defaults import (
    BATCH_SIZE,
    SEQUENCES,
    batch_size_for,
    context_size_for,
    micro_batch_size_for,
    pool_size_for,
    sequence_ids_for,
)
from wiz_kernel_ext.protocol.hub import Fit, FitBasis, Verdict
from wiz_kernel_ext.protocol.requests import CreateContext

PROCESS_BYTES = 150_000_000
"""A worker's own memory: interpreter, libraries, vocabulary."""
COMFORT = 0.9
"""More of the available memory than this is tight: estimates err, and others live here too."""
_KV_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
_REPACKED_BY_SIZE = ("Q4_0", "Q4_K", "IQ4_NL", "Q2_K")


@dataclass(frozen=True, kw_only=True)
class Use:
    """How a model would be used; None is the default for it. See `CreateContext`.

    `batch_size` is what is computed at once: on a card not the whole of a step.
    """

    context_size: int | None = None
    sequences: int = SEQUENCES
    batch_size: int = BATCH_SIZE
    kv_type: str = "f16"
    flash_attention: bool = False

    @classmethod
    def asked(cls, context: CreateContext, *, on_card: bool = False) -> Use:
        """The use that a request for a context means, its layers being on a card or not."""
        sequences = context.sequences or SEQUENCES
        batch_size = context.batch_size or BATCH_SIZE
        if on_card:
            batch_size = micro_batch_size_for(
                batch_size_for(context.batch_size, sequences, on_card=True), on_card=True
            )
        kv_type, flash = context.kv_type or "f16", context.flash_attention
        return cls(
            context_size=context.context_size,
            sequences=sequences,
            batch_size=batch_size,
            kv_type=kv_type,
            # Quantized cells need it.
            flash_attention=on_card or kv_type.startswith("q") if flash is None else flash,
        )

    def context_for(self, n_ctx_train: int) -> int:
        """The context of one conversation, in tokens."""
        return context_size_for(self.context_size, n_ctx_train)

    def sequence_ids(self) -> int:
        """How many sequences the memory tells apart: those running, and as many resting."""
        return sequence_ids_for(self.sequences)

    def cells_for(self, n_ctx_train: int) -> int:
        """The cells of the whole KV memory, in tokens."""
        return pool_size_for(self.context_for(n_ctx_train), self.sequences)


def estimate(header: Header, machine: Machine, use: Use, *, files_bytes: int | None = None) -> Fit:
    """Whether the model of `header` runs on `machine`.

    `files_bytes` is the size of all parts of a split model, whose first part `header` is of.
    """
    shape = model_shape(header)
    total_bytes = files_bytes or header.size_bytes
    repacked = sum(
        tensor.size_bytes
        for tensor in header.tensors
        if tensor.type.name in machine.repacked_types
        and tensor.name != "token_embd.weight"
        and len(tensor.shape) > 1
        and tensor.shape[1] % 8 == 0
    )
    if total_bytes > header.size_bytes:
        repacked = repacked * total_bytes // max(header.size_bytes, 1)
    return _fit(
        "header",
        machine,
        context_size=use.context_for(shape.n_ctx_train),
        weights=total_bytes,
        repacked=repacked,
        kv=kv_bytes(shape, use),
        compute=compute_bytes(shape, use),
    )


def measured(fit: Fit, kv: int, compute: int, machine: Machine) -> Fit:
    """`fit` with the engine's own figures in the place of the sums."""
    return _fit(
        "measured",
        machine,
        context_size=fit.context_size,
        weights=fit.weights_bytes,
        repacked=fit.repacked_bytes,
        kv=kv,
        compute=compute,
    )


def together(fit: Fit, other: Fit, machine: Machine) -> Fit:
    """Two models in one process, for the longest conversation of the first."""
    return _fit(
        fit.basis if fit.basis == other.basis else "header",
        machine,
        context_size=fit.context_size,
        weights=fit.weights_bytes + other.weights_bytes,
        repacked=fit.repacked_bytes + other.repacked_bytes,
        kv=fit.kv_bytes + other.kv_bytes,
        compute=fit.compute_bytes + other.compute_bytes,
    )


def estimate_by_size(
    size_bytes: int, quant: str, machine: Machine, use: Use, *, shape: ModelShape | None = None
) -> Fit:
    """The same where only size and label are known, and perhaps the `shape` of a sister file.

    Without one, KV and compute are those of a typical model of that size.
    """
    quant = quant.removeprefix("UD-")
    repacks = any(name in machine.repacked_types for name in _REPACKED_BY_SIZE)
    half = repacks and quant.startswith(_REPACKED_BY_SIZE)
    if shape is not None:
        kv, compute, n_ctx_train = (
            kv_bytes(shape, use),
            compute_bytes(shape, use),
            shape.n_ctx_train,
        )
    else:
        cells, n_ctx_train = use.cells_for(0), 0
        # 7 to 8 billion parameters in 4 GB: 128 KiB a token with f16 and grouped heads.
        kv = int(cells * _KV_BYTES[use.kv_type] * 65_536 * min(1.0, size_bytes / 4e9) ** 0.5)
        compute = cells * use.batch_size * 4 * (2 if use.flash_attention else 33)
    return _fit(
        "size" if shape is None else "header",
        machine,
        context_size=use.context_for(n_ctx_train),
        weights=size_bytes,
        repacked=size_bytes // 2 if half else 0,
        kv=kv,
        compute=compute,
    )


def with_context(fit: Fit, context_size: int) -> Fit:
    """`fit` with another context: KV and compute grow with it, the rest stays.

    About: whoever holds the header or the engine estimates again.
    """
    factor = context_size / fit.context_size if fit.context_size else 1.0
    kv, compute = int(fit.kv_bytes * factor), int(fit.compute_bytes * factor)
    grown = kv + compute - fit.kv_bytes - fit.compute_bytes
    needed, least = fit.needed_bytes + grown, fit.least_bytes + grown
    return msgspec.structs.replace(
        fit,
        verdict=verdict(needed, least, fit.available_bytes),
        context_size=context_size,
        kv_bytes=kv,
        compute_bytes=compute,
        needed_bytes=needed,
        least_bytes=least,
    )


def verdict(needed: int, least: int, available: int) -> Verdict:
    """The rule: what fits, what fits only without what the system can drop again."""
    if not available:
        return "unknown"
    if needed <= available * COMFORT:
        return "fits"
    # The mapped pages of what was repacked are not read again: the system can drop them.
    return "tight" if least <= available else "too big"


def kv_bytes(shape: ModelShape, use: Use) -> int:
    """The KV memory: every layer in full, as llama.cpp keeps it for sliding windows too."""
    kept = shape.kv_values * use.cells_for(shape.n_ctx_train) * _KV_BYTES[use.kv_type]
    return int(kept) + 4 * shape.state_values * use.sequences


def compute_bytes(shape: ModelShape, use: Use) -> int:
    """The scratch memory of one step of `batch_size` tokens, and its output."""
    cells, batch = use.cells_for(shape.n_ctx_train), use.batch_size
    mask = cells * (2 if use.flash_attention else 4)
    feed_forward = 4 * (3 * shape.n_ffn + 4 * shape.n_embd)
    attention = 0 if use.flash_attention else 4 * (cells * shape.n_heads + 6 * shape.n_embd)
    return batch * (mask + max(feed_forward, attention)) + 4 * shape.n_vocab * 2 * use.sequences


def _fit(
    basis: FitBasis,
    machine: Machine,
    *,
    context_size: int,
    weights: int,
    repacked: int,
    kv: int,
    compute: int,
) -> Fit:
    least = weights + kv + compute + PROCESS_BYTES
    needed = least + repacked
    available = machine.available_bytes
    return Fit(
        verdict=verdict(needed, least, available),
        basis=basis,
        context_size=context_size,
        weights_bytes=weights,
        repacked_bytes=repacked,
        kv_bytes=kv,
        compute_bytes=compute,
        other_bytes=PROCESS_BYTES,
        needed_bytes=needed,
        least_bytes=least,
        available_bytes=available,
        limit=machine.limit,
    )
