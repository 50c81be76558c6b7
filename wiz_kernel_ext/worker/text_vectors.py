"""What a loaded model does with texts beside answering: vectors of them, and scores.

Its context is made when the first text comes and given back when there is nothing to do, unless the
model has no other. Called by `ModelHost`, on the engine's thread but for `read` and `abort`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import LibraryRefused, Model
from wiz_kernel_ext.engine.contention import ThreadCount
from wiz_kernel_ext.engine.embedding import Embedder, EmbeddingWork, OnEnd, OnProgress
from wiz_kernel_ext.engine.text_reader import ReadTexts, TextReader
from wiz_kernel_ext.engine.vectors import EmbeddingParameters
from wiz_kernel_ext.errors import InternalError, ModelLoadFailed, NotSupported, WizError
from wiz_kernel_ext.protocol.embedding import Embed, Pooling, Rerank

_LESS = "Load it with a smaller context (--ctx, context_size) or fewer layers on the card."


@dataclass(frozen=True)
class Texts:
    """A request's texts as tokens: those asked about, and a query to compare them with, if any."""

    vectors: TextVectors
    read: ReadTexts
    query: ReadTexts | None = None

    @property
    def tokens(self) -> list[list[int]]:
        """All that is to be computed, the query first."""
        return [*(self.query.tokens if self.query else []), *self.read.tokens]


class TextVectors:
    """Vectors by `model`; `fixed_threads` where somebody said how many compute."""

    def __init__(
        self,
        model: Model,
        parameters: EmbeddingParameters,
        clock: Callable[[], float],
        *,
        fixed_threads: bool,
    ) -> None:
        self.facts = model.embedding_facts()
        self.parameters = parameters
        self._model = model
        self._clock = clock
        self._threads = None if fixed_threads else ThreadCount(parameters.threads)
        self._reader = TextReader(model, self.facts, parameters.longest)
        self._embedder: Embedder | None = None

    @property
    def pooling(self) -> Pooling:
        """How a text's tokens become one vector."""
        return self.facts.pooling or "mean"

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        return self._embedder is not None and self._embedder.is_busy

    def read(self, request: Embed | Rerank) -> Texts:
        """A request's texts as this model reads them; from any thread but the engine's.

        Raises NotSupported for what it cannot do, BadRequest naming the text with no tokens.
        """
        is_reranker = self.facts.kind == "reranker"
        if isinstance(request, Embed):
            if is_reranker:
                raise NotSupported(
                    "The model rates texts as answers to a query, and makes no vectors of them.",
                    hint="Use rerank(query, texts), or load an embedding model.",
                    field="texts",
                )
            return Texts(self, self._reader.read(request.texts))
        if is_reranker:
            return Texts(self, self._reader.read_pairs(request.query, request.texts))
        query = self._reader.read_query(request.query)
        return Texts(self, self._reader.read(request.texts), query)

    def submit(self, texts: Texts, on_progress: OnProgress, on_end: OnEnd) -> EmbeddingWork:
        """Queue texts; raises ModelLoadFailed where there is no memory for a context."""
        return self._made().submit(texts.tokens, on_progress, on_end)

    def step(self, *, beside: bool) -> bool:
        """One step; whether anything was computed."""
        embedder = self._embedder
        return embedder is not None and embedder.step(beside=beside)

    def cancel(self, work: EmbeddingWork) -> None:
        """End `work`; nothing if it has ended."""
        if self._embedder is not None:
            self._embedder.cancel(work)

    def fail(self, error: WizError) -> None:
        """End all there is with `error`."""
        if self._embedder is not None:
            self._embedder.fail(error)

    def abort(self) -> None:
        """Break off the step under way; from any thread."""
        embedder = self._embedder
        if embedder is not None:
            embedder.abort()

    def rest(self) -> None:
        """There is nothing to do: a model that answers needs that memory no more."""
        if self.facts.writes and not self.is_busy:
            self.close()

    def close(self) -> None:
        """End all there is and give the context back; the next text makes another."""
        embedder, self._embedder = self._embedder, None
        if embedder is not None:
            embedder.close()

    def _made(self) -> Embedder:
        if self._embedder is None:
            facts, parameters = self.facts, self.parameters
            try:
                context = self._model.create_embedding_context(parameters)
            except LibraryRefused as error:
                raise ModelLoadFailed(
                    f"llama.cpp cannot create the context for vectors: {error}.",
                    hint=_LESS,
                    log=error.log,
                ) from None
            self._embedder = Embedder(
                context,
                width=1 if facts.pooling == "rank" else facts.n_dims,
                pooling=self.pooling,
                in_pieces=facts.in_pieces,
                batch_size=parameters.packed,
                n_texts=parameters.n_texts,
                n_params=self._model.facts.n_params,
                clock=self._clock,
                threads=self._threads,
            )
        return self._embedder

    def check(self) -> None:
        """Make the context now, so that what fails fails as the model is loaded."""
        self._made()


def failed(error: Exception) -> InternalError:
    """What those are told whose step failed."""
    return InternalError(f"The engine failed: {error!r}.")
