"""What computes: a processor or a card, as the engine's library names it."""

from __future__ import annotations

from typing import Literal

import msgspec

from wiz_kernel_ext.protocol.results import Result

DeviceKind = Literal["cpu", "gpu", "igpu", "accel"]


class Device(Result, frozen=True, kw_only=True):
    """A compute device; `free_bytes` is what was free when it was asked.

    `kind`: "igpu" computes in the processor's memory, "accel" only helps the processor. `id` is
    the same where two libraries drive one card; empty where it is not known. `features` are what it
    was built to use, a processor's instruction sets for one.
    """

    name: str
    description: str
    kind: DeviceKind
    free_bytes: int = 0
    total_bytes: int = 0
    features: list[str] = msgspec.field(default_factory=list)
    id: str = ""


def cards(devices: list[Device]) -> list[Device]:
    """Those that layers are given to, in the library's order: each card once.

    Cards of their own, or else those in the processor.
    """
    for kind in ("gpu", "igpu"):
        found: dict[str, Device] = {}
        for device in devices:
            if device.kind == kind:
                found.setdefault(device.id or device.name, device)
        if found:
            return list(found.values())
    return []
