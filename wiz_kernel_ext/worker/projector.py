"""What has a model see images: loaded beside it, and what it made of the latest images, kept.

Loaded on the engine's thread; used by the threads that encode prompts, one image at a time.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wiz_kernel_ext.engine.backend import LibraryRefused
from wiz_kernel_ext.engine.fingerprint import model_fingerprint
from wiz_kernel_ext.engine.images import Image, Projector, image_of
from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.protocol.images import check_image

if TYPE_CHECKING:
    from wiz_kernel_ext.worker.loaded import Loaded

_MOST_KEPT_BYTES = 256 * 2**20
_OTHER = "Load the mmproj file of the model's own repository (--projector, projector)."


class ImageReader:
    """Images by their bytes, as `projector` makes them; the latest ones are kept."""

    def __init__(self, projector: Projector, most_bytes: int = _MOST_KEPT_BYTES) -> None:
        self._projector = projector
        self._most_bytes = most_bytes
        self._kept: dict[bytes, Image] = {}
        self._lock = threading.Lock()

    def read(self, data: bytes) -> Image:
        """The image in an image file's bytes; raises BadRequest, InternalError."""
        check_image(data)
        digest = hashlib.sha256(data).digest()
        with self._lock:
            image = self._kept.pop(digest, None)
            if image is None:
                parts = self._projector.encode(data)
                image = image_of(parts, self._projector.identity, data)
            self._kept[digest] = image
            n_bytes = sum(one.n_bytes for one in self._kept.values())
            while n_bytes > self._most_bytes and len(self._kept) > 1:
                n_bytes -= self._kept.pop(next(iter(self._kept))).n_bytes
            return image

    def close(self) -> None:
        """Give the memory back."""
        self._projector.close()


def load_projector(loaded: Loaded, path: Path, *, threads: int, gpu: bool) -> None:
    """Load the projector at `path` for the model that is loaded, which stays if that fails.

    Raises ModelLoadFailed, NotSupported.
    """
    try:
        projector = loaded.model.open_projector(
            str(path), model_fingerprint(path), threads=threads, gpu=gpu
        )
    except LibraryRefused as error:
        raise ModelLoadFailed(
            f"llama.cpp cannot load the projector {path.name}: {_why(error)}.",
            hint=_OTHER,
            log=error.log,
        ) from None
    loaded.projector = ImageReader(projector)
    loaded.info = replace(loaded.info, projector=str(path))


def _why(error: LibraryRefused) -> str:
    return str(error).removeprefix("error: ").partition("\n")[0]
