"""Whether llama.cpp's multimodal library is here: a build can be without it, as ours are.

`MTMD_CPP_LIB` names a folder with one that was built apart.
"""

from __future__ import annotations

import pytest


def _is_here() -> bool:
    try:
        from llama_cpp import mtmd_cpp  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


needs_images = pytest.mark.skipif(not _is_here(), reason="llama-cpp-python without libmtmd")
