"""What people hand over as an image, as the bytes of an image file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_projector import png
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.calls import build_prompt
from wiz_kernel_ext.protocol.codec import decode, encode
from wiz_kernel_ext.protocol.images import images_of, marked
from wiz_kernel_ext.protocol.requests import Prompt

PICTURE = png(1)


class Picture:
    """What a PIL image can do."""

    def save(self, file: Any, format: str) -> None:
        assert format == "PNG"
        file.write(PICTURE)


class Figure:
    """What a matplotlib figure can do."""

    def savefig(self, file: Any, format: str) -> None:
        assert format == "png"
        file.write(PICTURE)


def test_bytes_paths_files_pictures_and_figures_are_images(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    given = [PICTURE, bytearray(PICTURE), path, str(path), io.BytesIO(PICTURE), Picture(), Figure()]
    assert images_of(given) == [PICTURE] * len(given)
    assert images_of(path) == [PICTURE]
    assert images_of(None) is None


@pytest.mark.parametrize("given", [b"hello", 5, object(), io.StringIO("text"), "/none/there.png"])
def test_what_is_none_is_refused(given: object) -> None:
    with pytest.raises(BadRequest) as caught:
        images_of([given])
    assert caught.value.info().details["field"] == "images"


def test_a_prompt_carries_its_images_over_the_wire() -> None:
    prompt = build_prompt(Prompt, "what is it?", {"images": Picture(), "max_tokens": 3})
    assert decode(encode(prompt), Prompt).images == [PICTURE]


def test_images_without_a_mark_stand_in_front() -> None:
    assert marked("a <image> b", 1) == "a <image> b"
    assert marked("a <image> b", 3) == "<image><image>a <image> b"
    assert marked("a", 0) == "a"
