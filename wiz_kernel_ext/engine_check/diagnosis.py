"""A verdict in words: what happened, what is suspected, and what to do.

Pure; said in a cell, in the status, by `wiz doctor`, and by `EngineUnusable`.
"""

from __future__ import annotations

import re
import sys

from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.engine_check.processor import Processor
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict
from wiz_kernel_ext.errors import EngineUnusable

_STAGES = {
    "import": "as it was loaded",
    "load": "as it loaded a model",
    "context": "as it made a context",
    "decode": "at its first decode",
}
_CARDS_LIBRARY = re.compile(r"lib(cu|nv|hip|roc|amdhip|vulkan|sycl|ze_|OpenCL)|cuda", re.IGNORECASE)
REBUILD = "`wiz doctor --rebuild` builds it anew for this machine: 5 to 10 minutes on 2 cores."


def ended(trial: Trial) -> str:
    """How a trial ended, to go on after "the engine"."""
    stage = _STAGES.get(trial.stage, trial.stage)
    if trial.outcome == "died":
        return f"was killed by {trial.signal} {stage}"
    if trial.outcome == "hung":
        return f"gave no answer within {trial.words} ({stage})"
    if trial.outcome == "wrong":
        return f"answered {trial.words[:40]!r}, which is wrong"
    if trial.outcome == "refused":
        return f"failed {stage}: {trial.words}" if trial.words else f"failed {stage}"
    return "answered right"


def suspected(verdict: Verdict, processor: Processor) -> str:
    """The instruction set or library that is most likely at fault; "" where nothing is."""
    first = verdict.trials[0]
    if first.outcome == "right":
        return ""
    if first.outcome == "refused":
        return "llama-cpp-python's installation" if first.stage == "import" else "libllama"
    if first.signal == "SIGKILL":
        return "memory: the system kills processes when it runs out"
    way = verdict.way
    # Without its rows and columns a tile configuration is refused as it is loaded or as it is used.
    has_amx = first.stage == "decode" and processor.has_amx
    if first.signal == "SIGILL" and not (has_amx and way == Way(extra_buffers=False)):
        return f"libggml-cpu, built for another processor than this one ({processor.model})"
    if way is not None and way.system_cxx:
        return "a second C++ library in the build, beside the system's libstdc++"
    if verdict.sockets_first and first.stage in ("import", "load") and way is None:
        return "libzmq, loaded before the engine with another C++ library"
    if way is not None and not way.gpu and way.extra_buffers:
        return "the library for the GPU"
    if way is not None and way.one_thread and way.extra_buffers:
        return "libgomp, the engine's threads"
    if has_amx:
        return "AMX code in libggml-cpu (GCC drops part of its tile configuration)"
    if way is not None and not way.extra_buffers:
        return "repacked weights in libggml-cpu"
    return "libggml-cpu" if first.stage == "decode" else "libllama"


def notice(verdict: Verdict, processor: Processor) -> str:
    """What the cell says of an engine that is not used as it is; "" where it is."""
    if verdict.is_plain or verdict.way is None:
        return ""
    return (
        f"The engine {ended(verdict.trials[0])}; suspected: {suspected(verdict, processor)}. "
        f"It is used {verdict.way}, and is right so, but slower. {REBUILD}"
    )


def tried(verdict: Verdict) -> list[str]:
    """Each way that was tried, and how it ended."""
    return [f"{trial.way}: {ended(trial)}" for trial in verdict.trials]


def usable(verdict: Verdict, processor: Processor) -> Way:
    """The way to use the engine; raises EngineUnusable where it is right in none."""
    if verdict.way is not None:
        return verdict.way
    first = verdict.trials[0]
    if first.stage == "import" and first.outcome == "refused":
        raise cannot_be_loaded(first.words, first.log)
    cause = suspected(verdict, processor)
    raise EngineUnusable(
        f"This build of llama.cpp does not work on this processor ({processor.model}): it "
        f"{ended(first)}, and none of {len(verdict.trials)} ways to use it is right. "
        f"Suspected: {cause}.",
        hint=_what_next(verdict, cause),
        signal=first.signal,
        stage=first.stage,
        suspected=cause,
        tried=tried(verdict),
        log=first.log,
    )


def cannot_be_loaded(words: str, log: list[str]) -> EngineUnusable:
    """The error for an engine that is installed and whose import fails, with its own `words`."""
    anew = f"{sys.executable} -m pip install --force-reinstall --no-cache-dir llama-cpp-python"
    if _CARDS_LIBRARY.search(words):
        hint = (
            "Its build is for a card whose libraries are missing here: install those, or a build "
            f"for the CPU: {anew}; or: {REBUILD}"
        )
    else:
        hint = f"Install it anew: {anew}; or: {REBUILD}"
    return EngineUnusable(
        f"llama-cpp-python, the engine, is installed for {sys.executable}, but it cannot be "
        f"loaded: {words or 'its import said nothing'}",
        hint=hint,
        stage="import",
        suspected="llama-cpp-python's installation",
        log=log,
    )


def _what_next(verdict: Verdict, cause: str) -> str:
    if verdict.sockets_first and "libzmq" in cause:
        return (
            "Ask through a Client, whose model has a process of its own, or import llama_cpp "
            "before everything else here."
        )
    first = verdict.trials[0]
    if first.is_lasting or first.outcome == "refused":
        return REBUILD
    return "Make room in memory, and load the model again."
