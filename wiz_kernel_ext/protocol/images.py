"""Images as people hand them to a call, as the bytes of image files; and where they stand in text.

Knows no library of pictures: a PIL image is what can `save` itself, a matplotlib figure what can
`savefig`.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from wiz_kernel_ext.errors import BadRequest

MARK = "<image>"
"""Where an image stands in a text."""
MAX_IMAGE_BYTES = 32 * 2**20
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF87a", b"GIF89a")


def marked(text: str, n_images: int) -> str:
    """`text` with a mark for each of its images: those that have none stand in front."""
    return MARK * max(0, n_images - text.count(MARK)) + text


def images_of(given: Any) -> list[bytes] | None:
    """The image files' bytes of what was given: one image, or several; raises BadRequest.

    An image is bytes, a path, an open file, a PIL image or a matplotlib figure.
    """
    if given is None:
        return None
    several = given if isinstance(given, list | tuple) else [given]
    return [_bytes_of(one) for one in several]


def check_image(data: bytes) -> None:
    """Raise BadRequest for what does not begin as an image file does, or is too large."""
    if not data.startswith(_BEGINNINGS):
        raise BadRequest("That is no PNG, JPEG, BMP or GIF file.", field="images")
    if len(data) > MAX_IMAGE_BYTES:
        raise BadRequest(
            f"The image has {len(data):,} bytes, and at most {MAX_IMAGE_BYTES:,} are taken.",
            hint="Make it smaller: the model sees less of it anyway.",
            field="images",
        )


def _bytes_of(one: Any) -> bytes:
    if isinstance(one, str | os.PathLike):
        data = _read(Path(os.fsdecode(one)).expanduser())
    elif isinstance(one, bytes | bytearray | memoryview):
        data = bytes(one)
    else:
        data = _drawn(one)
    check_image(data)
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadRequest(f"The image {path} cannot be read: {why}.", field="images") from None


def _drawn(one: Any) -> bytes:
    buffer = io.BytesIO()
    if hasattr(one, "savefig"):
        one.savefig(buffer, format="png")
    elif hasattr(one, "save"):
        one.save(buffer, format="PNG")
    elif hasattr(one, "read"):
        data = one.read()
        return data if isinstance(data, bytes) else b""
    else:
        raise BadRequest(
            f"A {type(one).__name__} is no image.",
            hint="Give bytes, a path, a PIL image or a matplotlib figure.",
            field="images",
        )
    return buffer.getvalue()
