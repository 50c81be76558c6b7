"""What a worker's process imports first, and how it ends where that cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wiz_kernel_ext

ROOT = Path(wiz_kernel_ext.__file__).parents[1]
ORDER = """
import sys
import {module}
names = list(sys.modules)
print(names.index("llama_cpp.llama_cpp"), names.index("zmq") if "zmq" in names else len(names))
"""


@pytest.mark.parametrize("module", ["wiz_kernel_ext.worker.__main__"])
def test_the_engine_is_loaded_before_the_sockets_library(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORDER.format(module=module)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    engine, sockets = map(int, done.stdout.split())
    assert engine < sockets


def test_an_engine_that_cannot_be_imported_ends_the_process_in_good_order(tmp_path: Path) -> None:
    (tmp_path / "llama_cpp.py").write_text("raise ImportError('libgomp.so.1: no such file')")
    done = subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext.worker"],
        input='{"endpoint": "x", "secretKey": "y"}\n',
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: libgomp.so.1: no such file"
