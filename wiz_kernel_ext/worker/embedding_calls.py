"""`worker:embed` and `worker:rerank`: from a request to its one result, on the asker's thread.

Called by `LlamaWorker`. What is computed, and when, is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from wiz_kernel_ext.engine.embedding import cosines, normalized
from wiz_kernel_ext.engine.vectors import Vectors
from wiz_kernel_ext.errors import (
    ContextNotLoaded,
    ModelNotLoaded,
    OperationCancelled,
    WizError,
)
from wiz_kernel_ext.protocol.embedding import Embed, Embeddings, Rerank, Scores
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.worker.encoding import Encoding
from wiz_kernel_ext.worker.text_vectors import Texts

if TYPE_CHECKING:
    from wiz_kernel_ext.worker.call import Call
    from wiz_kernel_ext.worker.engine_loop import EngineLoop
    from wiz_kernel_ext.worker.model_host import ModelHost

MOST_NAMED = 20
NOT_TRAINED = (
    "The model was made to chat, not trained for vectors: they tell very different texts apart, "
    "and little more. An embedding model (bge, nomic-embed, …) does that better."
)
BY_COSINE = (
    "The model is no reranker: the scores are cosines between its vector of the query and those of "
    "the texts."
)


class EmbeddingCalls:
    """Answers the two requests on one engine's loop and model."""

    def __init__(self, loop: EngineLoop, host: ModelHost) -> None:
        self._loop = loop
        self._host = host
        self._encoding = Encoding()

    def close(self) -> None:
        """Read nothing more."""
        self._encoding.close()

    async def embed(self, request: Embed, call: Call) -> Embeddings:
        """`worker:embed`; raises NotSupported, BadRequest, OperationCancelled."""
        texts = await self._read(request, call)
        notices = _told(texts, call)
        vectors = await self._computed(texts, call)
        if request.normalize:
            vectors = normalized(vectors)
        return Embeddings(
            n=len(vectors),
            dims=vectors.shape[1],
            vectors=np.ascontiguousarray(vectors, "<f4").tobytes(),
            pooling=texts.vectors.pooling,
            n_tokens=texts.read.n_tokens,
            truncated=texts.read.truncated,
            notices=notices,
            model_path=self._host.model_path or "",
        )

    async def rerank(self, request: Rerank, call: Call) -> Scores:
        """`worker:rerank`; raises as `embed`."""
        texts = await self._read(request, call)
        notices = _told(texts, call)
        vectors = await self._computed(texts, call)
        if texts.query is None:
            scores = [float(value) for value in vectors[:, 0]]
        else:
            scores = cosines(vectors[1:], vectors[0])
        return Scores(
            scores=scores,
            ranked_by="reranker" if texts.query is None else "cosine",
            n_tokens=sum(map(len, texts.tokens)),
            truncated=texts.read.truncated,
            notices=notices,
            model_path=self._host.model_path or "",
        )

    async def _read(self, request: Embed | Rerank, call: Call) -> Texts:
        def read() -> Texts:
            return self._host.read_texts(request)

        try:
            found = await self._encoding.run(read, call)
        except (ModelNotLoaded, ContextNotLoaded):
            # What was asked for before this may still be on its way to the engine's thread.
            await self._loop.call(lambda: self._host.check(context=True))
            found = await self._encoding.run(read, call)
        if found is None:
            raise OperationCancelled("Cancelled.")
        return found

    async def _computed(self, texts: Texts, call: Call) -> Vectors:
        """The vectors of all texts, the query's first."""
        loop = asyncio.get_running_loop()
        end: asyncio.Future[Vectors | WizError] = loop.create_future()
        n_queries = 1 if texts.query else 0
        total = float(len(texts.read.tokens))

        def settle(value: Vectors | WizError) -> None:
            if not end.done():
                end.set_result(value)

        def on_end(value: Vectors | WizError) -> None:
            with suppress(RuntimeError):  # the asker's event loop is closed
                loop.call_soon_threadsafe(settle, value)

        def on_progress(n_done: int) -> None:
            done = float(max(0, n_done - n_queries))
            call.emit(Progress(stage="embed", done=done, total=total))

        def submit() -> None:
            work = self._host.embed(texts, on_progress, on_end)
            call.on_cancel(lambda: self._interrupt(lambda: texts.vectors.cancel(work)))

        await self._loop.call(submit)
        result = await end
        if isinstance(result, WizError):
            raise result
        return result

    def _interrupt(self, command: Callable[[], object]) -> None:
        self._loop.post(command)
        self._host.abort()


def _told(texts: Texts, call: Call) -> list[str]:
    """What is to be known of the result, which the asker is told before it is there."""
    facts, notices = texts.vectors.facts, list[str]()
    if texts.query is not None:
        notices.append(BY_COSINE)
    if facts.kind == "text" and facts.pooling is None:
        notices.append(NOT_TRAINED)
    if truncated := texts.read.truncated:
        named = ", ".join(map(str, truncated[:MOST_NAMED]))
        rest = f" and {len(truncated) - MOST_NAMED} more" if len(truncated) > MOST_NAMED else ""
        notices.append(
            f"Cut to the {texts.vectors.parameters.longest} tokens that the model reads: "
            f"{'text' if len(truncated) == 1 else 'texts'} {named}{rest}."
        )
    for text in notices:
        call.emit(Notice(text=text))
    return notices
