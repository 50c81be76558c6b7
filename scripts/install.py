"""`python scripts/install.py EXTRA…`: install this project, and see that its engine works here.

llama-cpp-python is built from source, or comes from pip's cache: in both cases it answers a prompt
before it is trusted, and is built again in a safer way where it cannot. Standard library only.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "wiz_kernel_ext" / "engine_check"))

import building  # noqa: E402  # by its path: nothing is installed yet


def main(extras: list[str]) -> int:
    """Install with the extras named; 0 if the engine is right in the end."""
    project = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    if importlib.util.find_spec("llama_cpp") is None:
        print("== llama-cpp-python is built from source: 5 to 10 minutes on 2 cores, unless pip")
        print("== has it in its cache", flush=True)
    native = building.RECIPES[0]
    try:
        built = building.install(
            ["--editable", project], native, say=lambda text: print(f"== {text}", flush=True)
        )
    except building.BuildFailed as error:
        print(f"pip could not install it:\n{error}", file=sys.stderr)
        return 1
    where = "was built here" if built else "was there, or in a cache"
    print(f"== llama-cpp-python {where}: it is tried", flush=True)
    # What was built just now, and does not work, is not built the same way once more.
    safer = ["--safer"] if built else []
    command = [sys.executable, "-m", "wiz_kernel_ext", "doctor", "--rebuild", *safer]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
