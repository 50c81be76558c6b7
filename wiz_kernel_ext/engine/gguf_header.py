"""Is this file a whole GGUF model? Asked before llama.cpp sees it, which aborts on some bad ones.

`gguf_file` reads the header as the library's own reader does; here is what the library trusts
beyond that, and the parts of a split model.
"""

from __future__ import annotations

import re
from pathlib import Path

from wiz_kernel_ext.errors import GgufInvalid
from wiz_kernel_ext.gguf_file.cursor import GgufArray, array_texts
from wiz_kernel_ext.gguf_file.header import Header, read_file_header
from wiz_kernel_ext.gguf_file.kinds import refuse_other_kinds, refuse_readers
from wiz_kernel_ext.gguf_file.source import FileSource

MAX_LAYERS = 512
_MIN_ALIGNMENT = 8
_VOCABULARY = "tokenizer.ggml.tokens"
_PART = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$")


def check_gguf(path: Path, *, writes: bool = False) -> Header:
    """The header of the model at `path`, all parts of a split one being there.

    With `writes` it has to be one that can answer.

    Raises ModelFileNotFound, ModelLoadFailed for what is no model of texts, and its kind
    GgufInvalid saying what is wrong with the file.
    """
    header = read_file_header(path)
    refuse_other_kinds(path.name, header)
    if writes:
        refuse_readers(path.name, header)
    _check_vocabulary(path, header)
    _check_sizes(path, header)
    for part in parts_of(path, header)[1:]:
        read_file_header(part)
    return header


def _check_sizes(path: Path, header: Header) -> None:
    architecture = header.metadata.get("general.architecture")
    if not architecture or not isinstance(architecture, str):
        raise _bad(path, "does not say its architecture (general.architecture)")
    if header.alignment < _MIN_ALIGNMENT:
        raise _bad(path, f"has an alignment of {header.alignment}: it is damaged")
    n_layers = header.metadata.get(f"{architecture}.block_count")
    if isinstance(n_layers, int) and not 0 < n_layers <= MAX_LAYERS:
        raise _bad(path, f"claims {n_layers} layers: it is damaged")
    for tensor in header.tensors:
        if not tensor.size_bytes or not tensor.shape:
            raise _bad(path, f"has tensor {tensor.name} of shape {list(tensor.shape)}")


def _check_vocabulary(path: Path, header: Header) -> None:
    vocabulary = header.metadata.get(_VOCABULARY)
    if not isinstance(vocabulary, GgufArray):
        return
    with FileSource(path) as source:
        # llama.cpp reads them up to a zero byte, names empty ones, and aborts on a double.
        words = set(array_texts(source, vocabulary))
        if len(words) == vocabulary.count and b"" not in words and b"\0" not in b"\n".join(words):
            return  # nearly every file
        texts = (text.partition(b"\0")[0] for text in array_texts(source, vocabulary))
        words = {word or f"[EMPTY_{i}]".encode() for i, word in enumerate(texts)}
    if len(words) < vocabulary.count:
        raise _bad(path, "has the same token twice in its vocabulary: it is damaged")


def parts_of(path: Path, header: Header) -> list[Path]:
    """The files of the model that begins at `path`, itself first; raises GgufInvalid."""
    n_parts = header.metadata.get("split.count", 0)
    if not isinstance(n_parts, int) or n_parts < 2:
        return [path]
    name = _PART.match(path.name)
    if not name or int(name[3]) != n_parts:
        raise _bad(
            path,
            f"is one of {n_parts} parts, but its name does not say so",
            f"Name the parts NAME-00001-of-{n_parts:05d}.gguf and so on.",
        )
    numbers = range(2, n_parts + 1)
    return [path, *(path.with_name(f"{name[1]}-{n:05d}-of-{name[3]}.gguf") for n in numbers)]


def _bad(path: Path, what: str, hint: str | None = None) -> GgufInvalid:
    return GgufInvalid(f"{path.name} {what}.", hint=hint, path=str(path))
