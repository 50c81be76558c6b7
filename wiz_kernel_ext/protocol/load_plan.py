"""What a load would do, worked out and not done: `service:planLoad`'s result."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.protocol.hub import FitBasis, Verdict
from wiz_kernel_ext.protocol.results import Result


class DevicePart(Result, frozen=True, kw_only=True):
    """What one device would hold, in bytes. Of the layers, the output is one.

    `other_bytes` is what a process or a card's library takes besides.
    """

    device: str
    description: str = ""
    n_layers: int = 0
    weights_bytes: int = 0
    kv_bytes: int = 0
    compute_bytes: int = 0
    other_bytes: int = 0
    needed_bytes: int = 0
    free_bytes: int = 0
    total_bytes: int = 0


class Setting(Result, frozen=True, kw_only=True):
    """One thing that was settled: what, how, and why so, for people to read."""

    name: str
    value: str
    why: str


class LoadPlan(Result, frozen=True, kw_only=True):
    """How a model would be loaded now, and whether that would be done.

    `parts` are the devices, cards first. `draft` is the path of the model that would guess for it,
    `draft_parts` what that one would hold beside, `free_bytes` being what the model leaves.
    `cells` of `cell_bytes` each are the model's KV memory, one for a token. `notices` are what its
    users would be told, `refusal` the error that a load would end in, with what would fit instead;
    "" where it would be done. `is_loaded`: it would be shared.
    """

    name: str
    path: str
    verdict: Verdict
    basis: FitBasis = "header"
    parts: list[DevicePart] = msgspec.field(default_factory=list)
    draft: str = ""
    draft_parts: list[DevicePart] = msgspec.field(default_factory=list)
    cells: int = 0
    cell_bytes: int = 0
    settings: list[Setting] = msgspec.field(default_factory=list)
    notices: list[str] = msgspec.field(default_factory=list)
    refusal: str = ""
    is_loaded: bool = False
