"""A real llama.cpp that dies, hangs or computes wrong, at a place and in ways that a test chooses.

A package `llama_cpp` in a folder of its own, to be put before the real one on PYTHONPATH: it loads
the real one and wraps the three calls at which an engine's trouble shows.
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_PACKAGE = """
import ctypes, importlib.util, json, os, signal, sys, time

FAULT = json.loads(%(fault)r)
with open(%(log)r, "a") as log:
    log.write("imported\\n")

spec = importlib.util.spec_from_file_location(
    "llama_cpp", %(init)r, submodule_search_locations=[%(folder)r]
)
c = sys.modules["llama_cpp"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(c)

state = {"sockets_first": "zmq" in sys.modules}
state |= {"ours": True, "extra_buffers": True, "one_thread": False, "gpu": True}


def fails_here(stage):
    avoided = any(state[name] == value for name, value in FAULT["unless"].items())
    waits = FAULT["when"] and not os.path.exists(FAULT["when"])
    return FAULT["stage"] == stage and state["ours"] and not avoided and not waits


def fail():
    how = FAULT["how"]
    if FAULT["when"]:
        open(FAULT["when"] + ".reached", "w").close()
    if how == "hang":
        time.sleep(3600)
    elif how == "spin":
        while True:
            pass
    elif how == "pause":
        time.sleep(4)
    elif how == "print":
        # As any library may, and past Python: to the descriptor.
        for _ in range(1024):
            os.write(1, (b"a library says something " * 41)[:1023] + b"\\n")
    elif how.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[how])
        time.sleep(10)


def wrapped(name, before):
    real = getattr(c, name)
    def call(*arguments):
        before(*arguments)
        return real(*arguments)
    setattr(c, name, call)


def loading(path, params):
    state["ours"] = FAULT["model"] in path.decode()
    # A model without its weights is only planned with.
    state["ours"] = state["ours"] and not params.no_alloc and not params.vocab_only
    state["extra_buffers"] = bool(params.use_extra_bufts)
    state["gpu"] = params.n_gpu_layers != 0
    if fails_here("load"):
        fail()


def making_context(model, params):
    state["one_thread"] = params.n_threads == 1
    if fails_here("context"):
        fail()


def decoding(context, batch):
    if fails_here("decode"):
        fail()


wrapped("llama_model_load_from_file", loading)
wrapped("llama_init_from_model", making_context)
wrapped("llama_decode", decoding)
if FAULT["cards"]:
    c.llama_supports_gpu_offload = lambda: True
if FAULT["stage"] == "import":
    fail()
if FAULT["how"] == "wrong":
    sample, logits_of = c.llama_sampler_sample, c.llama_get_logits_ith

    def wrong_logits(*arguments):
        logits = logits_of(*arguments)
        if fails_here("decode"):
            logits[0] = 1e9
        return logits

    c.llama_sampler_sample = lambda *a: sample(*a) + (1 if fails_here("decode") else 0)
    c.llama_get_logits_ith = wrong_logits
"""


@dataclass(frozen=True)
class Fault:
    """`how` it fails at `stage`, not where one of `unless` holds; with `when`, once that is a file.

    `how` is a signal's name, "hang" (it waits for ever), "spin" (it computes for ever), "pause" (of
    4 s), "print" (1 MB on standard output) or "wrong". `unless` has names of `Way`'s fields with
    the values that avoid it, or `sockets_first`, whether libzmq was there before; `model` is part
    of the path of the models it concerns; `cards` makes the build one for CUDA.
    """

    stage: str
    how: str
    unless: tuple[tuple[str, bool], ...] = ()
    model: str = ""
    cards: bool = False
    when: str = ""


@dataclass(frozen=True)
class FaultyEngine:
    """Where it is, and how often it was imported."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, fault: Fault) -> FaultyEngine:
        """Write the package below `folder`."""
        spec = importlib.util.find_spec("llama_cpp")
        assert spec is not None
        assert spec.origin is not None
        package = folder / "llama_cpp"
        (package / "lib").mkdir(parents=True)
        described = json.dumps({**asdict(fault), "unless": dict(fault.unless)})
        code = _PACKAGE % {
            "fault": described,
            "log": str(folder / "imports.log"),
            "init": spec.origin,
            "folder": str(Path(spec.origin).parent),
        }
        (package / "__init__.py").write_text(code)
        # What tells this build from every other one, also from another test's.
        (package / "lib" / "libllama.so").write_text(code)
        if fault.cards:
            (package / "lib" / "libggml-cuda.so").write_text(described)
        return cls(folder)

    @property
    def n_imports(self) -> int:
        """How many processes imported it so far."""
        log = self.folder / "imports.log"
        return log.read_text().count("imported") if log.exists() else 0

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process finds it, and not the real one."""
        paths = [str(self.folder), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
        return {"PYTHONPATH": ":".join(paths)}
