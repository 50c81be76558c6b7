"""Projector files are told apart, in words, before llama.cpp sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gguf_bytes import BOOL, TEXT, U32, Metadata, gguf_bytes
from tests.support.tiny_projector import write_tiny_projector
from wiz_kernel_ext.engine.projector_header import check_projector
from wiz_kernel_ext.errors import GgufInvalid, ModelLoadFailed, NotSupported

SOUND: Metadata = {
    "general.architecture": (TEXT, "clip"),
    "clip.has_vision_encoder": (BOOL, True),
    "clip.projector_type": (TEXT, "mlp"),
    "clip.vision.image_size": (U32, 16),
    "clip.vision.patch_size": (U32, 4),
    "clip.vision.attention.head_count": (U32, 2),
}


def test_a_whole_projector_passes(tmp_path: Path) -> None:
    check_projector(write_tiny_projector(tmp_path / "p.gguf", 64))


def test_a_language_model_is_no_projector(tiny_gguf: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="is no projector"):
        check_projector(tiny_gguf)


def test_one_that_hears_sees_no_images(tmp_path: Path) -> None:
    path = write_tiny_projector(tmp_path / "p.gguf", 64, has_vision=False)
    with pytest.raises(NotSupported, match="reads no images"):
        check_projector(path)


def test_one_that_was_cut_short_is_damaged(tmp_path: Path) -> None:
    path = write_tiny_projector(tmp_path / "p.gguf", 64)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(GgufInvalid):
        check_projector(path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("clip.projector_type", (TEXT, ""), "its kind"),
        ("clip.vision.image_size", (U32, 1 << 30), "image_size is"),
        ("clip.vision.patch_size", (U32, 0), "its patch_size"),
        ("clip.vision.patch_size", (U32, 32), "patches larger"),
        ("clip.vision.attention.head_count", (U32, 0), "head_count"),
        ("clip.vision.block_count", (TEXT, "two"), "block_count is"),
    ],
)
def test_impossible_sizes_are_damage(
    tmp_path: Path, key: str, value: tuple[int, object], said: str
) -> None:
    path = tmp_path / "p.gguf"
    path.write_bytes(gguf_bytes({**SOUND, key: value}))
    with pytest.raises(GgufInvalid, match=said):
        check_projector(path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("v.position_embd.weight", (4, 32)),
        ("v.patch_embd.weight", (32, 48)),
        ("v.blk.0.attn_q.weight", (16, 32)),
        ("v.blk.0.attn_q.bias", (7,)),
        ("v.blk.1.ffn_up.weight", (64, 48)),
        ("v.blk.1.ln2.weight", (31,)),
        ("mm.0.weight", (64, 48)),
        ("mm.2.weight", (64, 48)),
    ],
)
def test_tensors_that_do_not_fit_together_are_damage(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    """Each of these ends the process, in the library."""
    path = write_tiny_projector(tmp_path / "p.gguf", 64, shapes={name: shape})
    with pytest.raises(GgufInvalid, match="damaged"):
        check_projector(path)


@pytest.mark.parametrize(
    "sizes", [{"attention.head_count": 3}, {"attention.head_count": 64}, {"embedding_length": 64}]
)
def test_sizes_that_do_not_fit_the_tensors_are_damage(
    tmp_path: Path, sizes: dict[str, int]
) -> None:
    path = write_tiny_projector(tmp_path / "p.gguf", 64, sizes=sizes)
    with pytest.raises(GgufInvalid, match="damaged"):
        check_projector(path)
