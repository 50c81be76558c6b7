"""Images in a prompt: what stands in the place of tokens there, and what the model reads of it.

A projector makes of an image so many embeddings, the pieces, and perhaps tokens around them. Each
piece has an id below zero, drawn from the image and the projector: to the cache, the scheduler and
the snapshots it is a value like a token. What is computed of it is its embedding, which is found by
its place in the prompt, never by its id. Pure; a backend's `Projector` does the work.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.errors import BadRequest, NotSupported
from wiz_kernel_ext.protocol.images import MARK, marked

Row = npt.NDArray[np.float32]
"""One piece's embedding, [n_embd]."""
Part = list[int] | npt.NDArray[np.float32]
"""Of what a projector makes: tokens, or pieces as [n, n_embd]."""
NO_ROWS: Mapping[int, Row] = {}


class Projector(ABC):
    """What makes a model's embeddings of images; used by one thread at a time, whichever it is."""

    identity: str
    """Of the projector's file: another one makes other pieces of the same image."""

    @abstractmethod
    def encode(self, image: bytes) -> list[Part]:
        """What the model reads of the image in a PNG, JPEG, BMP or GIF file's bytes, in order.

        Raises BadRequest for what is no image, InternalError where it cannot be computed.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the memory back, before the model's."""


@dataclass(frozen=True)
class Image:
    """An image as it stands in a prompt: `ids` are tokens (from 0 on) and pieces (below 0).

    `rows` are the pieces' embeddings, in their order.
    """

    ids: list[int]
    rows: list[Row]

    @property
    def n_bytes(self) -> int:
        """Memory of the embeddings."""
        return sum(row.nbytes for row in self.rows)


def image_of(parts: Sequence[Part], identity: str, data: bytes) -> Image:
    """An image of what the projector called `identity` made of the file's bytes `data`."""
    rows = [row for part in parts if not isinstance(part, list) for row in part]
    found = hashlib.shake_256(identity.encode() + hashlib.sha256(data).digest())
    numbers = np.frombuffer(found.digest(4 * len(rows)), "<u4") >> 1
    pieces = iter((-1 - numbers.astype(np.int64)).tolist())
    ids: list[int] = []
    for part in parts:
        ids += part if isinstance(part, list) else [next(pieces) for _ in part]
    return Image(ids, rows)


ReadImage = Callable[[bytes], Image]
"""The image in an image file's bytes; raises BadRequest, NotSupported, InternalError."""


def no_projector(_: bytes) -> Image:
    """What reads images where nothing does; raises NotSupported."""
    raise NotSupported(
        "The loaded model sees no images: it was loaded without a projector.",
        hint="If there is one for it: `wiz load MODEL --projector MMPROJ.gguf --reload`.",
        field="images",
    )


class Places:
    """Puts words nobody could have guessed where images stand, and finds them again.

    `read` makes the images of their files' bytes.
    """

    def __init__(self, read: ReadImage) -> None:
        self._read = read
        self._nonce = f"wizimage{secrets.token_hex(12)}"
        self._word = re.compile(f"{self._nonce}n([0-9]+)z")
        self._images: list[Image] = []
        self._found: list[Image] = []

    def place(self, text: str, images: Sequence[bytes]) -> str:
        """A message's text with a word for each of its images, where the first marks are."""
        if not images:
            return text
        first, *rest = marked(text, len(images)).split(MARK, len(images))
        placed = [first]
        for image, part in zip(images, rest, strict=True):
            placed += [f"{self._nonce}n{len(self._images)}z", part]
            self._images.append(self._read(image))
        return "".join(placed)

    def split(self, text: str) -> Iterator[str | list[int]]:
        """The texts between images, and the images' ids."""
        if not self._images:
            yield text
            return
        for i, part in enumerate(self._word.split(text)):
            if i % 2:
                self._found.append(self._images[int(part)])
                yield self._images[int(part)].ids
            elif part:
                yield part

    def rows(self, tokens: Sequence[int], *, whole: bool) -> dict[int, Row]:
        """The embeddings of the pieces in `tokens`, by their places there.

        Raises BadRequest where the prompt ends with a piece, and, if it is to be `whole`,
        NotSupported where the chat template left an image out.
        """
        if whole and len(self._found) < len(self._images):
            raise NotSupported(
                "The model's chat template leaves out an image.",
                hint="Give it another one: chat_template='chatml'.",
            )
        if tokens and tokens[-1] < 0:
            raise BadRequest(
                "The prompt ends with an image.", hint="Put text behind it.", field="images"
            )
        rows = (row for image in self._found for row in image.rows)
        pieces = (place for place, token in enumerate(tokens) if token < 0)
        return dict(zip(pieces, rows, strict=True))
