"""What computes here: the processor's model and instruction sets, and the driver of a card.

Read from the system's own files, in microseconds; a build is right or wrong for one of these.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CARD_DRIVER = Path("/proc/driver/nvidia/version")
# Clock rates, numbers of cores and the like differ from one look to the next.
_NAMES = {
    *("vendor_id", "model name", "cpu family", "model", "stepping", "flags"),
    *("Features", "CPU implementer", "CPU variant", "CPU part"),  # as ARM has them
}


@dataclass(frozen=True)
class Processor:
    """`model` is for people; `features` are the instruction sets, by the system's names."""

    model: str
    features: frozenset[str]
    identity: str

    @property
    def digest(self) -> str:
        """The same for the same processor, driver and choice of cards."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:16]

    @property
    def has_amx(self) -> bool:
        """Whether it multiplies tiles (Intel's AMX)."""
        return "amx_tile" in self.features


def this_processor(cpuinfo: Path = _CPUINFO, card_driver: Path = _CARD_DRIVER) -> Processor:
    """The processor of this machine, all its cores being taken for alike."""
    facts = _first_block(cpuinfo)
    model = facts.get("model name") or platform.processor() or platform.machine()
    features = frozenset((facts.get("flags") or facts.get("Features") or "").split())
    identity = [
        platform.machine(),
        model,
        *(f"{name}={value}" for name, value in sorted(facts.items()) if name != "model name"),
        _first_line(card_driver),
        os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    ]
    return Processor(model, features, "\n".join(identity))


def _first_block(cpuinfo: Path) -> dict[str, str]:
    # Line by line, to its first empty one: with 256 cores the whole file takes a while to make.
    facts = {}
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                if name.strip() in _NAMES:
                    facts[name.strip()] = value.strip()
    except OSError:  # not Linux
        pass
    return facts


def _first_line(file: Path) -> str:
    try:
        return file.read_text(errors="replace").partition("\n")[0]
    except OSError:
        return ""
