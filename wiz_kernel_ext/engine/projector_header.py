"""Is this file a whole projector? Asked before llama.cpp sees it, which aborts on some bad ones."""

from __future__ import annotations

import re
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
_PLAIN = {"mlp", "idefics3"}
"""Kinds whose images go through a plain vision transformer, with its tensors' usual names."""
_IN_LAYER = re.compile(r"v\.blk\.\d+\.(attn_[qkv]|attn_out|ffn_up|ffn_down|ln1|ln2)\.weight$")
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
    if kind in _PLAIN:
        _check_shapes(path, header, kind)
    return header


def _check_shapes(path: Path, header: Header, kind: str) -> None:
    """Raise GgufInvalid where the parts of a plain vision transformer do not fit together."""
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    size, patch, width, n_heads = (
        header.metadata.get(f"{_VISION}{name}") or 0
        for name in ("image_size", "patch_size", "embedding_length", "attention.head_count")
    )

    def expect(right: bool, name: str) -> None:
        if not right:
            shape = list(shapes.get(name, ()))
            raise GgufInvalid(f"{path.name} has {name} of shape {shape}: it is damaged.")

    if not width or width % n_heads:
        raise GgufInvalid(f"{path.name} has {n_heads} heads for {width} numbers: it is damaged.")
    expect(shapes.get("v.patch_embd.weight", ())[:2] == (patch, patch), "v.patch_embd.weight")
    expect(shapes["v.patch_embd.weight"][2:] == (3, width), "v.patch_embd.weight")
    places = shapes.get("v.position_embd.weight", ())
    n_places = places[1] if len(places) > 1 else 0
    expect(places[:1] == (width,) and n_places >= (size // patch) ** 2, "v.position_embd.weight")
    for name, shape in shapes.items():
        base, _, end = name.rpartition(".")
        weight = shapes.get(f"{base}.weight")
        if end == "bias" and weight is not None:
            expect(shape == weight[-1:], name)
        elif (found := _IN_LAYER.match(name)) is None:
            continue
        elif found[1] in ("ln1", "ln2"):
            expect(shape == (width,), name)
        elif found[1].startswith("attn"):
            expect(shape == (width, width), name)
        else:  # up and down, which older files have the other way round
            expect(len(shape) == 2 and width in shape, name)
            other = base.replace("ffn_up", "ffn_down") if "up" in base else f"{base[:-4]}up"
            expect(shapes.get(f"{other}.weight") == shape[::-1], name)
    # Of several layers' numbers side by side the first matrix is as wide as all of them.
    if kind == "mlp" and f"{_VISION}feature_layer" not in header.metadata:
        first, second = shapes.get("mm.0.weight", ()), shapes.get("mm.2.weight")
        expect(first[:1] == (width,), "mm.0.weight")
        expect(second is None or second[:1] == first[1:], "mm.2.weight")
