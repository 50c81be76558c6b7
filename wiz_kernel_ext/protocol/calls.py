"""The worker's calls as Python methods, once for every face.

`LlamaWorker` (in-process) and `AsyncClient` (against the service) both inherit these, and `Client`
is a sync view of `AsyncClient`; so names, arguments and results cannot drift apart.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wiz_kernel_ext.errors import BadRequest, OperationInterrupted
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.embedding import (
    Embed,
    Ranking,
    Rerank,
    checked_texts,
    joined,
    moved,
    parts,
    ranking,
    warn_of,
)
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    CreateContext,
    DownloadModel,
    Initialize,
    InitializeSession,
    LoadModel,
    Prompt,
    Request,
    SendPrompt,
    UnloadModel,
)
from wiz_kernel_ext.protocol.results import (
    ContextInfo,
    ModelInfo,
    RuntimeInfo,
    UnloadInfo,
)
from wiz_kernel_ext.protocol.values import Name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

R = TypeVar("R")
T = TypeVar("T")
OperationT = TypeVar("OperationT")

PARTS_UNDER_WAY = 2
"""Of many texts: one that is computed, and one that waits so that no step goes half empty."""
_PROMPT_FIELDS = frozenset(Prompt.__struct_fields__) - {"prompt", "options"}


def build_prompt(type: type[T], prompt: str, options: dict[str, Any]) -> T:
    """A `Prompt` or `SendPrompt` from flat keywords: sampling options and request fields."""
    fields = {name: value for name, value in options.items() if name in _PROMPT_FIELDS}
    sampling = {name: value for name, value in options.items() if name not in _PROMPT_FIELDS}
    return build(type, {"prompt": prompt, "options": build(PromptOptions, sampling), **fields})


class WorkerCalls(ABC, Generic[OperationT]):
    """The original's eight calls, and vectors; every one ends in a result or a `WizError`."""

    @abstractmethod
    async def request(self, request: Request[R]) -> R:
        """Send `request` and wait for its one result."""

    @abstractmethod
    async def start(self, request: AnyRequest) -> OperationT:
        """Send a request that takes time and return its operation at once."""

    async def initialize(self, /, **options: Any) -> RuntimeInfo:
        """Start the runtime (`worker:initialize`); takes `Initialize`'s fields."""
        return await self.request(build(Initialize, options))

    async def load_model(self, /, model_path: Name | None = None, **options: Any) -> ModelInfo:
        """Load a GGUF model, or share it where it is loaded (`worker:loadModel`).

        `model_path` is a path or "demo"; other keywords are `LoadModel`'s fields: gpu_layers,
        use_mmap, use_mlock, check_tensors, keep_alive_s, chat_template, draft, reload.
        Raises ModelFileNotFound, ModelLoadFailed, Conflict.
        """
        return await self.request(build(LoadModel, {"model_path": model_path, **options}))

    async def create_context(self, /, **options: Any) -> ContextInfo:
        """Create the context (`worker:createContext`).

        Keywords are `CreateContext`'s fields: context_size, sequences, threads, batch_size,
        kv_type, flash_attention, seed, reload. Raises ModelNotLoaded, Conflict.
        """
        return await self.request(build(CreateContext, options))

    async def initialize_session(self, /, **options: Any) -> str:
        """Begin a conversation and return its id (`worker:initializeSession`).

        Keywords: system_prompt, session (a name). Raises ModelNotLoaded, ContextNotLoaded.
        """
        return await self.request(build(InitializeSession, options))

    async def prompt(self, /, prompt: str, **options: Any) -> Answer:
        """Answer a prompt (`worker:prompt`); the whole text at the end.

        Keywords are `PromptOptions`' (temperature, top_k, max_tokens, seed, stop, …) and `Prompt`'s
        (session, role, tools, messages, chat_template).
        Raises SessionNotLoaded, ContextOverflow, WorkerDied.
        """
        request = build_prompt(Prompt, prompt, options)
        return Answer(await self.request(request))

    async def send_prompt(self, /, prompt: str, **options: Any) -> OperationT:
        """Like `prompt`, but returns its operation at once (`worker:sendPrompt`)."""
        return await self.start(build_prompt(SendPrompt, prompt, options))

    async def embed(
        self, texts: Any, *, normalize: bool = False, model_path: Name | None = None
    ) -> Array:
        """The vectors of texts (`worker:embed`): float32, one row for each, in their order.

        `texts` is a list or a column of texts; `normalize` makes each vector's length one. What is
        to be known of them is a warning: texts that were cut, a model not trained for this.
        `request(Embed(…))` has it all in its result. Raises BadRequest naming the text ("texts[3]")
        that is none, NotSupported for a model that makes no vectors.
        """
        texts = checked_texts(texts)
        values = {"normalize": normalize, "model_path": model_path}
        found = joined(await self._in_parts(Embed, texts, values))
        import numpy as np  # not before it is needed

        if not found.vectors:
            raise OperationInterrupted(
                "The service ended while vectors were on their way.", hint="Ask for them again."
            )
        warn_of(found.notices)
        return np.frombuffer(found.vectors, "<f4").reshape(found.n, found.dims).copy()

    async def rerank(self, query: str, texts: Any, *, model_path: Name | None = None) -> Ranking:
        """Texts by how well they answer `query` (`worker:rerank`), the best first.

        Each has its `index` in the list that was given, its `text` and its `score`. Without a
        reranking model the scores are cosines of vectors, which the result says (`ranked_by`,
        `notices`). Raises as `embed`.
        """
        texts = checked_texts(texts)
        values = {"query": query, "model_path": model_path}
        return ranking(texts, await self._in_parts(Rerank, texts, values))

    async def _in_parts(self, kind: Any, texts: list[str], values: dict[str, Any]) -> list[Any]:
        """The results of `kind` for `texts`, a part of them at a time and the next one waiting."""
        room = asyncio.Semaphore(PARTS_UNDER_WAY)

        async def ask(part: range) -> Any:
            async with room:
                request = build(kind, {"texts": texts[part.start : part.stop], **values})
                try:
                    return await self.request(self._as_own(request))
                except BadRequest as error:
                    raise moved(error, part.start) from None

        asked = [asyncio.ensure_future(ask(part)) for part in parts(texts)]
        try:
            return list(await asyncio.gather(*asked))
        except BaseException:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            raise

    def _as_own(self, request: T) -> T:
        """`request` with what is left open as this side has it."""
        return request

    async def unload_model(
        self, model_path: Name | None = None, *, force: bool = False
    ) -> UnloadInfo:
        """Unload a model and give its memory back (`worker:unloadModel`)."""
        values = {"model_path": model_path, "force": force}
        return await self.request(build(UnloadModel, values))

    async def download_model(self, repo: str, file: str, revision: str | None = None) -> str:
        """Download one file of a repository; returns its local path (`worker:downloadModel`)."""
        values = {"repo": repo, "file": file, "revision": revision}
        return await self.request(build(DownloadModel, values))
