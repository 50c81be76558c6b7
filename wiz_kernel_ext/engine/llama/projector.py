"""Images as embeddings, by llama.cpp's multimodal library: a library of its own, beside the rest.

It reads the model's vocabulary, and computes with threads and memory of its own: so images are
read beside the engine's thread, one at a time. Imported when a projector is opened: a build can be
without it.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import llama_cpp as c
import numpy as np

from wiz_kernel_ext.engine.backend import LibraryRefused
from wiz_kernel_ext.engine.images import Part, Projector
from wiz_kernel_ext.engine.llama.log_tail import LogTail
from wiz_kernel_ext.errors import BadRequest, InternalError, NotSupported

_WITHOUT = (
    "Build it with that library, which takes about twice as long: CMAKE_ARGS=-DLLAVA_BUILD=ON "
    "CFLAGS='-fno-dse -fno-tree-dse' CXXFLAGS='-fno-dse -fno-tree-dse' pip install "
    "--force-reinstall --no-cache-dir --no-deps --no-binary llama-cpp-python llama-cpp-python=="
    f"{c.__version__}"
)


def open_projector(
    model: Any, path: str, identity: str, *, threads: int, gpu: bool, on_log: Any, tail: LogTail
) -> Projector:
    """The projector at `path` for `model`; see `Model.open_projector`."""
    m = _library()
    m.mtmd_log_set(on_log, ctypes.c_void_p(0))
    m.mtmd_helper_log_set(on_log, ctypes.c_void_p(0))
    params = m.mtmd_context_params_default()
    params.use_gpu = gpu
    params.n_threads = threads
    params.print_timings = params.warmup = False
    tail.clear()
    context = m.mtmd_init_from_file(path.encode(), model, params)
    if not context:
        raise LibraryRefused(tail.reason() or "no reason given", tail.lines())
    projector = LlamaProjector(m, context, c.llama_model_n_embd_inp(model), identity)
    try:
        projector.check()
    except NotSupported:
        projector.close()
        raise
    return projector


def _library() -> Any:
    try:
        from llama_cpp import mtmd_cpp
    except (ImportError, OSError, RuntimeError) as error:
        raise NotSupported(
            "This llama-cpp-python was built without the library that reads images (libmtmd).",
            hint=_WITHOUT,
        ) from error
    return mtmd_cpp


class LlamaProjector(Projector):
    """An `mtmd_context`; `width` is the model's embeddings' length."""

    def __init__(self, library: Any, context: Any, width: int, identity: str) -> None:
        self._m = library
        self._context = context
        self._width = width
        self.identity = identity
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise NotSupported for what the engine's cells cannot hold as they are."""
        m, context = self._m, self._context
        if not m.mtmd_support_vision(context):
            raise NotSupported("This projector reads sounds, and no images.")
        if m.mtmd_decode_use_mrope(context):
            raise NotSupported(
                "This projector's images need positions in two dimensions, which are not built."
            )
        if m.mtmd_decode_use_non_causal(context, None):
            raise NotSupported(
                "The pieces of this projector's images look at one another, both ways, which is "
                "not built."
            )

    def encode(self, image: bytes) -> list[Part]:
        m = self._m
        data = (ctypes.c_uint8 * len(image)).from_buffer_copy(image)
        with self._lock:
            bitmap = m.mtmd_helper_bitmap_init_from_buf(self._context, data, len(image), False)
            if not bitmap:
                raise BadRequest(
                    "That is no image: PNG, JPEG, BMP and GIF files are read.", field="images"
                )
            chunks = m.mtmd_input_chunks_init()
            try:
                return self._parts(bitmap, chunks)
            finally:
                m.mtmd_input_chunks_free(chunks)
                m.mtmd_bitmap_free(bitmap)

    def _parts(self, bitmap: Any, chunks: Any) -> list[Part]:
        m, marker = self._m, self._m.mtmd_default_marker()
        text = m.mtmd_input_text(marker, len(marker), False, True)
        bitmaps = (ctypes.c_void_p * 1)(bitmap)
        code = m.mtmd_tokenize(self._context, chunks, ctypes.byref(text), bitmaps, 1)
        if code != 0:
            raise BadRequest(f"The image cannot be prepared (code {code}).", field="images")
        found = [
            m.mtmd_input_chunks_get(chunks, i) for i in range(m.mtmd_input_chunks_size(chunks))
        ]
        return [self._part(chunk) for chunk in found]

    def _part(self, chunk: Any) -> Part:
        m = self._m
        if m.mtmd_input_chunk_get_type(chunk) == m.MTMD_INPUT_CHUNK_TYPE_TEXT:
            n = ctypes.c_size_t()
            tokens = m.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(n))
            return [int(token) for token in tokens[: n.value]]
        if m.mtmd_decode_use_non_causal(self._context, chunk):
            raise NotSupported("The pieces of this image look at one another, both ways.")
        size = m.mtmd_input_chunk_get_n_tokens(chunk)
        if m.mtmd_input_chunk_get_n_pos(chunk) != size:
            raise NotSupported("The pieces of this image do not stand at places of their own.")
        if (code := m.mtmd_encode_chunk(self._context, chunk)) != 0:
            raise InternalError(f"The image could not be computed (code {code}).")
        floats = m.mtmd_get_output_embd(self._context)
        shape = (size, self._width)
        return np.ctypeslib.as_array(floats, shape=shape).astype(np.float32, copy=True)

    def close(self) -> None:
        if self._context:
            self._m.mtmd_free(self._context)
            self._context = None
