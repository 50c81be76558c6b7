"""Which C++ and engine libraries a process has loaded: what a crash in one of them is about.

Two libraries that bring a C++ runtime each are a known cause of one, so those are named first.
"""

from __future__ import annotations

from pathlib import Path

_RUNTIMES = ("libstdc++", "libc++", "libgcc_s", "libgomp", "libomp", "libiomp")
_USERS = ("libllama", "libggml", "libzmq", "libcudart", "libcublas", "libcuda.", "libhip")


def native_libraries(pid: int) -> list[str]:
    """The paths of those that process `pid` has mapped, runtimes first; none where it is gone.

    Linux only: elsewhere the system tells nobody.
    """
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    mapped = (line.split(maxsplit=5)[5:] for line in lines)
    found = list(dict.fromkeys(path for (path,) in filter(None, mapped) if path[0] == "/"))
    return [path for kind in (_RUNTIMES, _USERS) for path in found if _is_one_of(path, kind)]


def _is_one_of(path: str, kind: tuple[str, ...]) -> bool:
    return path.rpartition("/")[2].startswith(kind)
