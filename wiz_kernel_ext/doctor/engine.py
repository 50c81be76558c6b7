"""The engine: whether it is there, right on this processor, and built for what this machine has."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

from wiz_kernel_ext.children.child import child_environment
from wiz_kernel_ext.doctor.finding import Around, Finding, failed
from wiz_kernel_ext.engine_check.build import EngineBuild, engine_build
from wiz_kernel_ext.engine_check.cards import (
    CARDS,
    Card,
    cards_here,
    how_to_build,
    left_unused,
    unused_notice,
)
from wiz_kernel_ext.engine_check.check import checked
from wiz_kernel_ext.engine_check.diagnosis import notice, tried, usable
from wiz_kernel_ext.engine_check.processor import Processor, this_processor
from wiz_kernel_ext.engine_check.verdict import Verdict
from wiz_kernel_ext.errors import EngineUnusable, WizError
from wiz_kernel_ext.models.devices import COMMAND as DEVICES
from wiz_kernel_ext.models.devices import devices_here, told
from wiz_kernel_ext.protocol.devices import cards

SETS_TIMEOUT_S = 20.0
# What makes a build faster, by its names in the engine and in the system; the oldest first.
_SETS = {
    "AVX": "avx",
    "FMA": "fma",
    "F16C": "f16c",
    "AVX2": "avx2",
    "AVX512": "avx512f",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "asimd",
    "DOTPROD": "asimddp",
    "SVE": "sve",
}

_BUILD = (
    f"{sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir "
    "--no-binary llama-cpp-python llama-cpp-python"
)
_SAY_SETS = (
    "import os; os.environ['GGML_NO_BACKTRACE'] = '1'; import llama_cpp; "
    "print(llama_cpp.llama_print_system_info().decode())"
)


def works(around: Around) -> Iterator[Finding]:
    """Whether the engine answers right here, tried anew in a process of its own."""
    try:
        build, processor = engine_build(), this_processor()
        verdict = asyncio.run(checked(around.where.data_dir, anew=True))
    except WizError as error:
        yield failed("engine", error)
        return
    lines = report(verdict, build, processor)
    try:
        usable(verdict, processor)
    except EngineUnusable as error:
        yield Finding(
            about="engine",
            state="must",
            text="is right in no way it can be used on this processor",
            remedy=error.info().hint,
            lines=lines,
        )
        return
    if told := notice(verdict, processor):
        yield Finding(
            about="engine",
            state="note",
            text="answers right, but not as it was built",
            remedy=told,
            lines=lines,
        )
    else:
        yield Finding(about="engine", text="answers right", lines=lines)


def for_cards(around: Around, cards: Sequence[Card] = CARDS) -> Iterator[Finding]:
    """Whether a card of this machine is left unused by a build for processors only."""
    try:
        build = engine_build()
    except EngineUnusable:
        return
    here = cards_here(around.environment, cards)
    unused, built_for = left_unused(build, here), ", ".join(build.cards())
    if not here:
        what = built_for or "processors only, and there is no card here"
        yield Finding(about="cards", text=f"built for {what}")
    for card in here:
        if card not in unused:
            yield Finding(about="cards", text=f"there is {card.name}, built for {built_for}")
        else:
            yield Finding(
                about="cards",
                state="note",
                text=f"there is {card.name}, and the engine is built for processors only",
                remedy=how_to_build(card, around.environment),
            )


def devices(around: Around, command: Sequence[str] = DEVICES) -> Iterator[Finding]:
    """What the engine computes on, with what is free; whether it finds the card it is built for."""
    try:
        build = engine_build()
    except EngineUnusable:
        return
    found = asyncio.run(devices_here(command))
    if not found:
        return  # it dies as it is loaded, and `works` tells how
    here = cards_here(around.environment)
    text = ", ".join(device.name for device in found)
    lines = [told(device) for device in found]
    if here and not left_unused(build, here) and not cards(found):
        yield Finding(
            about="devices",
            state="note",
            text=f"{text}: the engine is built for {', '.join(build.cards())} and finds no card",
            remedy=unused_notice(build, here),
            lines=lines,
        )
    else:
        yield Finding(about="devices", text=text, lines=lines)


def instruction_sets(around: Around) -> Iterator[Finding]:
    """Which instruction sets the build uses, and which of this processor it leaves unused."""
    try:
        engine_build()
    except EngineUnusable:
        return
    used = used_sets()
    if not used:
        return  # it dies as it is loaded, and `works` tells how
    here = this_processor().features
    unused = [name for name, flag in _SETS.items() if flag in here and name not in used]
    text = f"uses {', '.join(name for name in _SETS if name in used) or 'none'}"
    if unused:
        yield Finding(
            about="instructions",
            state="note",
            text=f"{text}; this processor also has {', '.join(unused)}: built for another one",
            remedy=f"CMAKE_ARGS=-DGGML_NATIVE=on {_BUILD} builds it for this one.",
        )
    else:
        yield Finding(about="instructions", text=text)


def used_sets(command: tuple[str, ...] = (sys.executable, "-c", _SAY_SETS)) -> set[str]:
    """The names of what the engine says it uses; none where it cannot be asked."""
    try:
        said = subprocess.run(
            command,
            env=child_environment(os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SETS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {name for name, value in re.findall(r"(\w+) = (\d+)", said.stdout) if value != "0"}


def report(verdict: Verdict, build: EngineBuild, processor: Processor) -> list[str]:
    """A verdict, line by line, as it is read in a terminal."""
    cards = ", ".join(build.cards()) or "none"
    return [
        f"engine     llama-cpp-python {build.version} (build {verdict.build})",
        f"           in {build.folder}; for cards: {cards}",
        f"processor  {processor.model} ({verdict.processor}){', has AMX' * processor.has_amx}",
        *(f"tried      {trial}" for trial in tried(verdict)),
    ]
