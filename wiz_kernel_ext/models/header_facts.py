"""What the header of a model's file says that a list of models shows; read once for each file."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound, NotPermitted
from wiz_kernel_ext.folders import changed_at, size_of
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.gguf_file.kinds import other_kind
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.places import FoundModel

_NEVER = -1.0


class Facts(msgspec.Struct, frozen=True):
    """What a header said, for a file of that size and time of change."""

    size_bytes: int
    changed_at: float
    quant: str = ""
    architecture: str = ""
    n_ctx_train: int = 0
    n_params: int = 0
    problem: str = ""


def facts_of(found: FoundModel, known: Facts | None) -> Facts:
    """`known` while the file is as it was; else what its header says now, or why it cannot."""
    size, changed = size_of(found.path), changed_at(found.path)
    if known and (known.size_bytes, known.changed_at) == (size, changed):
        return known
    try:
        header = read_file_header(found.path)
    except NotPermitted as error:
        # Allowing it changes no time: it is asked again.
        return Facts(size, _NEVER, problem=error.message)
    except (GgufInvalid, ModelFileNotFound) as error:
        return Facts(size, changed, problem=error.message)
    shape, other = model_shape(header), other_kind(found.path.name, header)
    return Facts(
        size,
        changed,
        shape.quant,
        shape.architecture,
        shape.n_ctx_train,
        shape.n_params,
        f"{found.path.name} {other.what}." if other else "",
    )
