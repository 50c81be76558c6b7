"""How an adapter is written: a name, and perhaps by how much it counts ("style.gguf=0.5").

Pure; every face, the service and the worker read and write it here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from wiz_kernel_ext.errors import BadRequest

MOST_ADAPTERS = 16
"""So many may answer together."""
_MOST_SCALE = 1e4
_SCALED = re.compile(r"(?s)(.*)=\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*", re.IGNORECASE)


class ScaledAdapter(NamedTuple):
    """A LoRA file, by any name of it, and how much of it counts: 1 is as it was trained."""

    name: str
    scale: float = 1.0

    def __str__(self) -> str:
        """As it is written, which reads as this again."""
        is_plain = self.scale == 1.0 and not _SCALED.fullmatch(self.name)
        return self.name if is_plain else f"{self.name}={self.scale!r}"


def read_adapter(text: str) -> ScaledAdapter:
    """The adapter that `text` is; a "=" in a path counts only before a number at the end.

    Raises BadRequest for no name, or a scale out of all bounds.
    """
    found = _SCALED.fullmatch(text)
    name, scale = (found[1], float(found[2])) if found else (text, 1.0)
    name = name.strip()
    if not name or "\0" in name:
        raise BadRequest(
            "An adapter needs a path or a name.",
            hint="Give the path of a LoRA .gguf file, or NAME=0.5 for half of it.",
            field="adapters",
        )
    if abs(scale) > _MOST_SCALE:
        raise BadRequest(
            f"The adapter {name[:200]} is scaled by {scale:g}; at most {_MOST_SCALE:g} is taken.",
            hint="1 is the adapter as it was trained.",
            field="adapters",
        )
    return ScaledAdapter(name, scale)


def read_adapters(texts: Sequence[str]) -> list[ScaledAdapter]:
    """The adapters that `texts` are; raises BadRequest for one that is none, or for too many."""
    if len(texts) > MOST_ADAPTERS:
        raise BadRequest(
            f"{len(texts)} adapters are too many for one answer: {MOST_ADAPTERS} at most.",
            hint="Merge some of them into one file.",
            field="adapters",
        )
    return [read_adapter(text) for text in texts]
