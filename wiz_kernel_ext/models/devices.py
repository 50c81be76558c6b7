"""The devices that the engine computes on here: asked for in a child process, told in words.

The engine is started by command line; where it has no answer, there are none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from wiz_kernel_ext.children.child import child_environment, run_child
from wiz_kernel_ext.protocol.devices import Device
from wiz_kernel_ext.sizes import size

COMMAND = (sys.executable, "-m", "wiz_kernel_ext.engine.llama.devices")
_TIMEOUT_S = 30.0


async def devices_here(command: Sequence[str] = COMMAND) -> list[Device]:
    """Every device, with what is free on it now; none where the engine cannot be asked."""
    said: list[str] = []
    child = run_child(
        list(command),
        what="Looking for devices",
        on_output=said.append,
        environment={**child_environment(), "GGML_NO_BACKTRACE": "1"},
    )
    try:
        await asyncio.wait_for(child, _TIMEOUT_S)
        return msgspec.json.decode(said[-1], type=list[Device])
    except (asyncio.TimeoutError, OSError, LookupError, msgspec.DecodeError):
        return []


def told(device: Device) -> str:
    """A device in a line."""
    name = device.description or device.kind
    named = name if name == device.name else f"{device.name}: {name}"
    memory = (
        f", {size(device.free_bytes)} of {size(device.total_bytes)} free"
        if device.total_bytes
        else ""
    )
    features = f" ({', '.join(device.features)})" if device.features else ""
    return f"{named}{memory}{features}"
