"""Is this file a whole projector? Asked before llama.cpp sees it, which aborts on some bad ones."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.errors import GgufInvalid, ModelLoadFailed, NotSupported
from wiz_kernel_ext.gguf_file.header import Header, read_file_header

_VISION = "clip.vision."
_MOST = {
    "image_size": 8192,
    "patch_size": 8192,
    "embedding_length": 1 << 16,
    "feed_forward_length": 1 << 20,
    "block_count": 512,
    "attention.head_count": 1024,
    "projection_dim": 1 << 20,
}
"""What such a file says of its sizes, and no file has more of."""
_FILE = "Load the mmproj file of the model's own repository."


def check_projector(path: Path) -> Header:
    """The header of the projector at `path`.

    Raises ModelFileNotFound, ModelLoadFailed for what is none, its kind GgufInvalid for a damaged
    file, and NotSupported where it reads no images.
    """
    header = read_file_header(path)
    metadata = header.metadata
    if metadata.get("general.architecture") != "clip":
        raise ModelLoadFailed(f"{path.name} is no projector (mmproj).", hint=_FILE, log=[])
    if metadata.get("clip.has_vision_encoder") is not True:
        raise NotSupported(f"{path.name} reads no images.", hint=_FILE)
    kind = metadata.get("clip.projector_type", metadata.get(f"{_VISION}projector_type"))
    if not isinstance(kind, str) or not kind:
        raise GgufInvalid(f"{path.name} does not say its kind (clip.projector_type).")
    for name, most in _MOST.items():
        value = metadata.get(f"{_VISION}{name}")
        if value is not None and not (isinstance(value, int) and 0 <= value <= most):
            raise GgufInvalid(f"{path.name} says {name} is {value!r}: it is damaged.")
        if not value and name in ("image_size", "patch_size", "attention.head_count"):
            raise GgufInvalid(f"{path.name} does not say its {name}: it is damaged.")
    if metadata[f"{_VISION}image_size"] < metadata[f"{_VISION}patch_size"]:
        raise GgufInvalid(f"{path.name} has patches larger than its images: it is damaged.")
    if any(not tensor.size_bytes for tensor in header.tensors):
        raise GgufInvalid(f"{path.name} has an empty tensor: it is damaged.")
    return header
