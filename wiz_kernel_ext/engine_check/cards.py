"""Cards of this machine, by the system's own files, and whether the build leaves one unused."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.engine_check.build import EngineBuild

_BUILD = (
    f"{sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir "
    "--no-binary llama-cpp-python llama-cpp-python"
)


@dataclass(frozen=True)
class Card:
    """A kind of card: what it is called, and the `signs`, of which one shows that it is there.

    `builds` are the kinds of build that use it, the best first; `compiler` is the program that it
    takes, with the `places` it is in where it is on no path; "" where a build is not made for it by
    itself. `hidden_by` are the variables that hide it.
    """

    name: str
    signs: tuple[Path, ...]
    builds: tuple[str, ...]
    compiler: str = ""
    places: tuple[str, ...] = ()
    hidden_by: tuple[str, ...] = ()

    def is_here(self, environ: Mapping[str, str]) -> bool:
        """Whether there is one that may be used."""
        is_hidden = any(environ.get(name, "all") in ("", "-1") for name in self.hidden_by)
        return not is_hidden and any(sign.exists() for sign in self.signs)

    def found_compiler(self, environ: Mapping[str, str]) -> str | None:
        """The compiler's path; None where it is not here."""
        if not self.compiler:
            return None
        path = os.pathsep.join([environ.get("PATH", ""), *self.places])
        return shutil.which(self.compiler, path=path)


CARDS = (
    Card(
        "an NVIDIA card",
        (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/nvidia0")),
        ("cuda", "vulkan"),
        "nvcc",
        ("/usr/local/cuda/bin", "/opt/cuda/bin"),
        ("CUDA_VISIBLE_DEVICES",),
    ),
    Card(
        "an AMD card",
        (Path("/dev/kfd"),),
        ("hip", "vulkan"),
        hidden_by=("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    ),
)


def cards_here(
    environ: Mapping[str, str] = os.environ, cards: Sequence[Card] = CARDS
) -> list[Card]:
    """The kinds of card that are here, and may be used."""
    return [card for card in cards if card.is_here(environ)]


def left_unused(build: EngineBuild, here: Sequence[Card]) -> list[Card]:
    """Those of the cards `here` that `build` was not built for."""
    built_for = build.cards()
    return [card for card in here if not any(kind in built_for for kind in card.builds)]


def how_to_build(card: Card, environ: Mapping[str, str] = os.environ) -> str:
    """What makes the engine use `card`, as a hint has it."""
    if not card.compiler:
        return f"CMAKE_ARGS=-DGGML_{card.builds[0].upper()}=on {_BUILD} builds it for the card."
    rebuild = "`wiz doctor --rebuild` builds it for the card."
    if card.found_compiler(environ) is None:
        return f"Install {card.compiler} (the card's toolkit); then {rebuild}"
    return rebuild


def build_arguments(card: Card, environ: Mapping[str, str] = os.environ) -> list[str]:
    """CMake's arguments for building for `card`; none where that cannot be done here."""
    compiler = card.found_compiler(environ)
    if compiler is None:
        return []
    kind = card.builds[0].upper()
    return [
        f"-DGGML_{kind}=on",
        f"-DCMAKE_{kind}_COMPILER={compiler}",
        f"-DCMAKE_{kind}_ARCHITECTURES=native",
    ]


def unused_notice(build: EngineBuild, here: Sequence[Card], *, has_device: bool = False) -> str:
    """What is said of cards that are here and not computed on; "" where there are none.

    `has_device`: the engine found a card to compute on.
    """
    if has_device or not here:
        return ""
    if unused := left_unused(build, here):
        card = unused[0]
        return (
            f"There is {card.name} here, and this build of llama.cpp computes on the processor "
            f"only. {how_to_build(card)}"
        )
    return (
        f"There is {here[0].name} here, and llama.cpp, built for {', '.join(build.cards())}, finds "
        "none that it can use: its driver may be too old, or out of reach of this process."
    )
