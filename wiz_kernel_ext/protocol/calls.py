"""The worker's calls as Python methods, once for every face.

`LlamaWorker` (in-process) and `AsyncClient` (against the service) both inherit these, and `Client`
is a sync view of `AsyncClient`; so names, arguments and results cannot drift apart.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from wiz_kernel_ext.errors import BadRequest, OperationInterrupted
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.embedding import (
    Embed,
    Embeddings,
    Ranking,
    Rerank,
    checked_texts,
    joined,
    moved,
    parts,
    ranking,
    warn_of,
)
from wiz_kernel_ext.protocol.images import images_of
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt, count_fields
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
from wiz_kernel_ext.protocol.shapes import schema_of, type_of
from wiz_kernel_ext.protocol.values import Name

if TYPE_CHECKING:
    from wiz_kernel_ext.protocol.embedding import Array

R = TypeVar("R")
T = TypeVar("T")


class Answering(Protocol):
    """An operation whose result is an `Answer`, the value of which is of `answer_type`."""

    answer_type: Any


OperationT = TypeVar("OperationT", bound=Answering)

PARTS_UNDER_WAY = 2
"""Of many texts: one that is computed, and one that waits so that no step goes half empty."""
_PROMPT_FIELDS = frozenset(Prompt.__struct_fields__) - {"prompt", "options"}


def build_prompt(type: type[T], prompt: str, options: dict[str, Any]) -> T:
    """A `Prompt` or `SendPrompt` from flat keywords: sampling options and request fields."""
    fields = {name: value for name, value in options.items() if name in _PROMPT_FIELDS}
    sampling = {name: value for name, value in options.items() if name not in _PROMPT_FIELDS}
    if sampling.get("schema") is not None:
        sampling["schema"] = schema_of(sampling["schema"])
    images = images_of(fields.pop("images", None))
    made = build(type, {"prompt": prompt, "options": build(PromptOptions, sampling), **fields})
    return made if images is None else msgspec.structs.replace(made, images=images)  # type: ignore[type-var]


class WorkerCalls(ABC, Generic[OperationT]):
    """The eight calls, prompts looked at, and vectors; each ends in a result or a `WizError`."""

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
        use_mmap, use_mlock, check_tensors, keep_alive_s, chat_template, draft,
        projector, reload.
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
        (session, role, tools, messages, chat_template, prefill, suffix, overflow, …). `schema` is a
        JSON schema, or a type (a Pydantic class, dataclass, TypedDict, `Literal`, `Enum`,
        `list[T]`): `Answer.value` is one. `images` are paths, bytes, PIL images or
        matplotlib figures, for a model with a projector.
        Raises SessionNotLoaded, ContextOverflow, WorkerDied.
        """
        request = build_prompt(Prompt, prompt, options)
        return Answer(await self.request(request), type_of(options.get("schema")))

    async def send_prompt(self, /, prompt: str, **options: Any) -> OperationT:
        """Like `prompt`, but returns its operation at once (`worker:sendPrompt`)."""
        operation = await self.start(build_prompt(SendPrompt, prompt, options))
        operation.answer_type = type_of(options.get("schema"))
        return operation

    async def embed(self, /, texts: Any, **options: Any) -> Array:
        """The vectors of texts (`worker:embed`): float32, one row for each, in their order.

        `texts` is a list or a column of texts. Keywords are `Embed`'s fields: normalize (each
        vector's length is one), model_path. What is to be known of the vectors is a warning: texts
        that were cut, a model not trained for this; `embeddings` has it in its result. Raises
        BadRequest naming the text ("texts[3]") that is none, NotSupported for a model that makes no
        vectors.
        """
        found = await self.embeddings(texts, **options)
        warn_of(found.notices)
        return found.array()

    async def embeddings(self, /, texts: Any, **options: Any) -> Embeddings:
        """As `embed`, with all there is to know of the vectors; `array()` is what `embed` gives."""
        found = joined(await self._in_parts(Embed, checked_texts(texts), options))
        if not found.vectors:
            raise OperationInterrupted(
                "The service ended while vectors were on their way.", hint="Ask for them again."
            )
        return found

    async def rerank(self, /, query: str, texts: Any, **options: Any) -> Ranking:
        """Texts by how well they answer `query` (`worker:rerank`), the best first.

        Each has its `index` in the list that was given, its `text` and its `score`. Without a
        reranking model the scores are cosines of vectors, which the result says (`ranked_by`,
        `notices`). Keywords are `Rerank`'s fields: model_path. Raises as `embed`.
        """
        texts = checked_texts(texts)
        values = {"query": query, **options}
        return ranking(texts, await self._in_parts(Rerank, texts, values))

    async def _in_parts(self, kind: Any, texts: list[str], values: dict[str, Any]) -> list[Any]:
        """The results of `kind` for `texts`, a part of them at a time and the next one waiting."""
        room = asyncio.Semaphore(PARTS_UNDER_WAY)

        async def ask(part: range) -> Any:
            async with room:
                request = build(kind, {"texts": texts[part.start : part.stop], **values})
                try:
                    return await self._ask_of_texts(request)
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

    async def _ask_of_texts(self, request: Request[R]) -> R:
        """A part's result; what is left open is as this side has it."""
        return await self.request(request)

    async def show(self, /, prompt: str, **options: Any) -> ShownPrompt:
        """What `prompt` would have the model read, its tokens too (`worker:show`).

        Keywords are those of `prompt`. Answers also while a prompt is being answered.
        """
        return await self.request(build_prompt(ShowPrompt, prompt, options))

    async def count(self, what: str | Sequence[Any], /, **options: Any) -> int:
        """How many tokens a text is, or a list of messages as a prompt (`worker:count`).

        Keywords: tools, chat_template, model_path. Raises ModelNotLoaded.
        """
        return await self.request(build(Count, {**count_fields(what), **options}))

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
