"""What a conversion leaves behind, beside the file. Shared by the child, its parent and callers."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ConversionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A finished conversion: sizes in bytes; `pre_tokenizer` was equal on `n_probes` texts."""

    path: Path
    size_bytes: int
    source_size_bytes: int
    duration_s: float
    outtype: str
    converter: str = "wiz_kernel_ext"
    architecture: str = ""
    name: str = ""
    n_tensors: int = 0
    pre_tokenizer: str | None = None
    n_probes: int = 0
    notices: list[str] = []
