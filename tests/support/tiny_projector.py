"""Writes tiny projectors (mmproj GGUFs) with random weights, and pictures for them, for tests.

A LLaVA-like one: images of 16 × 16 pixels in 16 pieces, two layers of 32 numbers, then two matrices
to the text model's embeddings. Needs `gguf` and numpy.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

N_PIECES = 16
_SIZE, _PATCH, _WIDTH, _N_FFN, _N_LAYERS = 16, 4, 32, 64, 2


def write_tiny_projector(
    path: Path,
    n_embd: int,
    *,
    kind: str = "mlp",
    seed: int = 0,
    has_vision: bool = True,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Path:
    """Write a projector for models whose embeddings have `n_embd` numbers; returns the path.

    `shapes` of tensors and `sizes` in the header are instead of the right ones.
    """
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name("tiny projector")
    writer.add_bool("clip.has_vision_encoder", has_vision)
    writer.add_string("clip.projector_type", kind)
    writer.add_bool("clip.use_gelu", True)
    for name, value in {
        "image_size": _SIZE,
        "patch_size": _PATCH,
        "embedding_length": _WIDTH,
        "feed_forward_length": _N_FFN,
        "block_count": _N_LAYERS,
        "projection_dim": n_embd,
        "attention.head_count": 2,
        **(sizes or {}),
    }.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    rng = np.random.default_rng(seed)
    for name, size in {**_tensors(kind, n_embd), **(shapes or {})}.items():
        # So that pieces count as much as tokens, whose embeddings are about 1.
        gain = 8 if name == "mm.2.weight" else 1
        numbers = gain * rng.standard_normal(size) / np.sqrt(size[-1])
        writer.add_tensor(name, numbers.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(kind: str, n_embd: int) -> dict[str, tuple[int, ...]]:
    tensors: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (_WIDTH, 3, _PATCH, _PATCH),
        "v.position_embd.weight": (N_PIECES, _WIDTH),
        "v.post_ln.weight": (_WIDTH,),
        "v.post_ln.bias": (_WIDTH,),
    }
    for layer in range(_N_LAYERS):
        for name, size in {
            "attn_q": (_WIDTH, _WIDTH),
            "attn_k": (_WIDTH, _WIDTH),
            "attn_v": (_WIDTH, _WIDTH),
            "attn_out": (_WIDTH, _WIDTH),
            "ffn_up": (_N_FFN, _WIDTH),
            "ffn_down": (_WIDTH, _N_FFN),
        }.items():
            tensors[f"v.blk.{layer}.{name}.weight"] = size
            tensors[f"v.blk.{layer}.{name}.bias"] = size[:1]
        for name in ("ln1", "ln2"):
            tensors[f"v.blk.{layer}.{name}.weight"] = (_WIDTH,)
            tensors[f"v.blk.{layer}.{name}.bias"] = (_WIDTH,)
    if kind == "gemma3":
        tensors["mm.input_projection.weight"] = (_WIDTH, n_embd)
        tensors["mm.soft_emb_norm.weight"] = (_WIDTH,)
    else:
        tensors |= {
            "mm.0.weight": (n_embd, _WIDTH),
            "mm.0.bias": (n_embd,),
            "mm.2.weight": (n_embd, n_embd),
            "mm.2.bias": (n_embd,),
        }
    return tensors


def png(seed: int, size: int = 24) -> bytes:
    """A picture of `size` × `size` pixels of noise, as a PNG file's bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
