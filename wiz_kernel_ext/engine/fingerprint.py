"""What a saved sequence can be restored into: the same model, computed in the same way.

A model is its file's contents and not its path. Reading gigabytes to be sure would take longer than
what it saves, so of each tensor a piece is read, beside all of the header; the time of the file's
last change is part of it, for an edit that left all those pieces as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import msgspec

from wiz_kernel_ext.engine.backend import ContextParameters
from wiz_kernel_ext.engine.gguf_header import parts_of
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.gguf_file.source import FileSource

_PIECE_BYTES = 4096
# What may differ between two contexts that restore each other's sequences.
_SIZES = {"pool_size", "sequence_ids", "batch_size", "threads"}


def model_fingerprint(path: Path) -> str:
    """The model at `path`, all parts of it; raises what `read_file_header` does, or OSError."""
    found = hashlib.sha256()
    first = read_file_header(path)
    for part in parts_of(path, first):
        header, status = first if part == path else read_file_header(part), part.stat()
        found.update(f"{status.st_size} {status.st_mtime_ns} {header.data_offset} ".encode())
        with FileSource(part) as source:
            found.update(source.read(0, header.data_offset))
            for tensor in header.tensors:
                n = min(_PIECE_BYTES, tensor.size_bytes)
                offset = header.data_offset + tensor.offset + (tensor.size_bytes - n) // 2
                found.update(source.read(offset, n))
    return found.hexdigest()


def state_fingerprint(
    model: str, parameters: ContextParameters, versions: Mapping[str, str]
) -> str:
    """All that a saved sequence depends on, as a name for a file."""
    way = {
        field.name: getattr(parameters, field.name)
        for field in fields(parameters)
        if field.name not in _SIZES
    }
    what = msgspec.json.encode([model, way, versions], order="sorted")
    return hashlib.sha256(what).hexdigest()[:32]
