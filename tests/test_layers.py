"""The house plan's table of rooms: who may import whom, and which library lives where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import wiz_kernel_ext

PACKAGE = Path(wiz_kernel_ext.__file__).parent

# A room may import itself and the rooms named here.
BASE = {"errors", "settings", "protocol"}
ROOMS: dict[str, set[str]] = {
    "remedies": set(),
    "own_session": set(),
    "sizes": set(),
    "interrupts": set(),
    "json_file": {"errors"},
    "folders": set(),
    "cgroups": set(),
    "free_memory": {"cgroups"},
    "out_of_memory": {"cgroups"},
    "surroundings": set(),
    "local_paths": set(),
    "log_file": set(),
    "printable": set(),
    "errors": {"printable", "remedies"},
    "configuration": {"errors"},
    "settings": {"configuration", "errors"},
    "protocol": {"errors", "remedies"},
    "children": {"errors", "surroundings"},
    "gguf_file": {"errors", "folders"},
    "engine": BASE | {"cgroups", "folders", "free_memory", "gguf_file", "out_of_memory"},
    "transport": BASE | {"folders", "surroundings"},
    "engine_check": BASE
    | {"children", "engine", "folders", "json_file", "out_of_memory", "transport"},
    "models": BASE
    | {"cgroups", "children", "demo", "folders", "free_memory", "gguf_file", "json_file"}
    | {"sizes", "surroundings"},
    # Of the engine: its quantizer.
    "making": BASE
    | {"children", "engine", "folders", "gguf_file", "out_of_memory", "sizes", "surroundings"},
    "hub": BASE
    | {"children", "folders", "gguf_file", "json_file", "making", "models", "sizes"}
    | {"surroundings"},
    "store": BASE | {"folders"},
    "worker": BASE
    | {
        "children",
        "engine",
        "engine_check",
        "free_memory",
        "out_of_memory",
        "transport",
        "models",
        "hub",
        "remedies",
    },
    "service": BASE
    | {"children", "engine", "engine_check", "transport", "store"}
    | {"cgroups", "configuration", "folders", "free_memory", "gguf_file", "hub", "log_file"}
    | {"making", "models", "out_of_memory", "sizes", "surroundings"},
    "client": BASE
    | {"interrupts", "local_paths", "log_file", "own_session", "surroundings", "transport"},
    "commands": BASE | {"client", "local_paths", "printable", "remedies", "sizes"},
    "notebook": BASE
    | {
        "children",
        "client",
        "commands",
        "configuration",
        "folders",
        "hub",
        "interrupts",
        "local_paths",
        "log_file",
        "making",
        "models",
        "own_session",
        "printable",
        "remedies",
        "transport",
    },
    # It looks at every part, so it knows all that may be looked at from outside.
    "doctor": BASE
    | {"children", "client", "configuration", "engine_check", "folders", "hub", "log_file"}
    | {"models"}
    | {"remedies", "sizes", "transport"},
    "cli": BASE
    | {
        "client",
        "commands",
        "doctor",
        "engine_check",
        "interrupts",
        "local_paths",
        "log_file",
        "printable",
        "remedies",
        "transport",
    },
    "__main__": {"cli", "errors"},
}
# A library may be imported in these rooms only.
LIBRARIES: dict[str, set[str]] = {
    "llama_cpp": {"engine"},  # and there in engine/llama/ only: see below
    "gguf": {"making"},
    "tokenizers": {"making"},
    "llguidance": {"engine"},
    "jsonschema_rs": {"engine"},
    "zmq": {"transport"},
    "filelock": {"transport"},
    "jupyter_core": {"configuration", "transport"},
    "sqlite3": {"store"},
    "huggingface_hub": {"hub"},
    "IPython": {"notebook"},
    "ipykernel": {"notebook"},
    "ipywidgets": {"notebook"},
    "anywidget": {"notebook"},
    "traitlets": {"configuration", "notebook"},  # Jupyter's own files are read with its own loaders
    "jinja2": {"engine"},
    "torch": {"demo"},
}
# What the service may use of the engine: files that compute nothing.
PURE_ENGINE = {
    "wiz_kernel_ext.engine.environment",
    "wiz_kernel_ext.engine.threads",
    "wiz_kernel_ext.engine.way",
}


def modules() -> list[Path]:
    """Every module of the package but the demo's training scripts, which are no part of it."""
    return [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "demo"]


def room_of(path: Path) -> str:
    """The first part of a module's place in the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The absolute names a module imports, but for type checkers."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "wiz_kernel_ext":
            other = rest.partition(".")[0]
            assert not other or other == room or other in ROOMS[room], f"{room} imports {name}"
            if room == "service" and other == "engine":
                assert name in PURE_ENGINE
        elif top in LIBRARIES:
            assert room in LIBRARIES[top], f"{room} imports {name}"


def test_one_folder_touches_llama_cpp() -> None:
    users = {
        path.relative_to(PACKAGE).parent.as_posix()
        for path in modules()
        if any(name.partition(".")[0] == "llama_cpp" for name in imports(path))
    }
    assert users == {"engine/llama"}


def test_one_module_asks_the_system_how_much_memory_is_free() -> None:
    """Its own figure knows no cgroups, so nobody goes by that alone."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if re.search(r"virtual_memory|meminfo|_PHYS_?PAGES", path.read_text())
    }
    assert users == {"free_memory.py"}


def test_the_table_knows_every_room() -> None:
    assert {room_of(path) for path in modules()} <= {*ROOMS, "__init__"}
