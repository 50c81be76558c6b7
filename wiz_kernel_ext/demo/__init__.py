"""The bundled demo model: real answers with no download.

A small Llama-architecture chat model (English and Portuguese) that this project trained from
scratch on text it wrote itself. It knows a narrow world (see README.md beside this file) and says
so outside it. This module knows only where the file is; training and export live in the other
modules and need ``pip install wiz-kernel-ext[demo]``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["MODEL_FILE", "model_path"]

MODEL_FILE = "wiz-demo-q8_0.gguf"


def model_path() -> Path:
    """Return the path of the bundled GGUF file (Q8_0, a few MB)."""
    return Path(__file__).parent / MODEL_FILE
