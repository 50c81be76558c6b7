"""What a GGUF file is: a model that answers, one that makes vectors or rates texts, or no model.

For what is no model, what to load instead. Pure.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.gguf_file.header import Header

Kind = Literal["text", "embedding", "reranker"]
Pooling = Literal["mean", "cls", "last", "rank"]
POOLING_TYPES: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
"""How a text's tokens become one vector, by the number in its file; 0 is none."""

_VISION = {"clip", "mmproj"}
READERS = {
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5encoder",
}
"""Architectures that read texts and write none; they keep nothing of what they have read."""
_PICTURES = {
    "aura",
    "cosmos",
    "flux",
    "hidream",
    "hyvid",
    "ltxv",
    "lumina2",
    "qwen_image",
    "sd1",
    "sd3",
    "sdxl",
    "wan",
    "z_image",
}
_PART = re.compile(r"^(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)


class OtherKind(NamedTuple):
    """What a file is instead of a model ("is an adapter…"), and what to do with that."""

    what: str
    instead: str


def other_kind(name: str, header: Header) -> OtherKind | None:
    """What the file called `name` is, where it is no model of texts."""
    metadata = header.metadata
    kind, architecture = metadata.get("general.type"), metadata.get("general.architecture")
    base = metadata.get("general.base_model.0.name")
    of = f" of {base[:100]}" if isinstance(base, str) and base else ""
    if kind == "adapter" or "adapter.type" in metadata:
        return OtherKind(
            f"is an adapter (LoRA){of}, and no model by itself",
            "Load the model it was made for, and use it with that: `--adapter`.",
        )
    if kind in _VISION or architecture in _VISION:
        senses = "hears" if metadata.get("clip.has_audio_encoder") is True else "sees images"
        return OtherKind(
            f"is the part{of} that {senses} (mmproj), and no model by itself",
            "Load the other .gguf file of its repository: the language model.",
        )
    if kind == "imatrix" or "imatrix.chunk_count" in metadata:
        return OtherKind(
            "is an importance matrix (for quantizing), and no model",
            "Load the model's own .gguf file.",
        )
    n_parts, part = metadata.get("split.count"), metadata.get("split.no")
    in_parts = isinstance(n_parts, int) and n_parts > 1
    if in_parts and isinstance(part, int) and part > 0:
        named = _PART.match(name)
        first = f"{named['stem']}-00001-of-{named['count']}.gguf" if named else "the first part"
        return OtherKind(
            f"is part {part + 1} of {n_parts} of a model, not the first of its {n_parts} parts",
            f"Load {first}: it finds the others beside it.",
        )
    if not header.tensors and not in_parts:
        return OtherKind(
            "is only a vocabulary: it has no tensors", "Load the model's own .gguf file."
        )
    return _no_writer(metadata)


def refuse_other_kinds(name: str, header: Header) -> None:
    """Raise ModelLoadFailed where the file called `name` holds no model of texts."""
    if (other := other_kind(name, header)) is not None:
        raise ModelLoadFailed(f"{name} {other.what}.", hint=other.instead)


def kind_of(header: Header) -> Kind:
    """What the model of `header` is for: to write texts, to make vectors of them, or to rate them.

    The last two cannot answer; what writes makes vectors too.
    """
    metadata = header.metadata
    architecture = metadata.get("general.architecture")
    number = metadata.get(f"{architecture}.pooling_type")
    if isinstance(number, int) and POOLING_TYPES.get(number) == "rank":
        return "reranker"
    is_causal = metadata.get(f"{architecture}.attention.causal") is not False
    is_read = reads_only(str(architecture), is_causal=is_causal, pools=number is not None)
    return "embedding" if is_read else "text"


def reads_only(architecture: str, *, is_causal: bool, pools: bool) -> bool:
    """Whether a model reads texts and writes none; `pools`: it says how tokens become a vector."""
    return architecture in READERS or (pools and not is_causal)


def refuse_readers(name: str, header: Header) -> None:
    """Raise ModelLoadFailed where the file called `name` holds a model that cannot answer."""
    if (kind := kind_of(header)) != "text":
        raise ModelLoadFailed(f"{name} {READS_ONLY[kind]}.", hint="Take a chat model.")


READS_ONLY: dict[Kind, str] = {
    "embedding": "is an embedding model: it makes vectors of texts, and cannot answer",
    "reranker": "is a reranking model: it rates texts, and cannot answer",
}


def _no_writer(metadata: dict[str, object]) -> OtherKind | None:
    architecture = metadata.get("general.architecture")
    if architecture in _PICTURES:
        return OtherKind(
            "is a model that makes pictures or films, not text", "It needs another program."
        )
    if architecture == "wavtokenizer-dec":
        return OtherKind("is a model that makes sound, not text", "It needs another program.")
    return None
