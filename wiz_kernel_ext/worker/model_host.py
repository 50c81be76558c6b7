"""The model of this process and its context: loaded, created, used and given back.

Runs on the engine's thread, all of it. Knows the rules of loading (the same twice is shared,
another is a conflict); knows no sessions. Called by `LlamaWorker`, which queues it there.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from msgspec.structs import replace

from wiz_kernel_ext.engine.backend import Backend, ContextParameters
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.contention import ThreadCount
from wiz_kernel_ext.engine.embedding import EmbeddingWork, OnEnd, OnProgress
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.fingerprint import model_fingerprint, state_fingerprint
from wiz_kernel_ext.engine.gguf_header import check_gguf
from wiz_kernel_ext.engine.projector_header import check_projector
from wiz_kernel_ext.engine.sequence import Listener, Sequence
from wiz_kernel_ext.engine.snapshots import Snapshots, SnapshotStore
from wiz_kernel_ext.engine.threads import default_threads
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.engine_check.build import engine_build
from wiz_kernel_ext.errors import (
    Conflict,
    ContextNotLoaded,
    ModelNotLoaded,
    WizError,
)
from wiz_kernel_ext.free_memory import free_bytes
from wiz_kernel_ext.protocol.adapters import read_adapters
from wiz_kernel_ext.protocol.embedding import Embed, Rerank, check_answers
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo, UnloadInfo
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.context_plan import plan_context
from wiz_kernel_ext.worker.differences import (
    context_difference,
    model_difference,
    named,
    template_name,
)
from wiz_kernel_ext.worker.draft import load_draft, make_drafter
from wiz_kernel_ext.worker.embedding_plan import context_info, plan_embedding
from wiz_kernel_ext.worker.load_plan import plan_load
from wiz_kernel_ext.worker.loaded import DEFAULT_OPTIONS, Encoded, Loaded, encode, model_info
from wiz_kernel_ext.worker.opening import Opening, create_context
from wiz_kernel_ext.worker.projector import load_projector
from wiz_kernel_ext.worker.text_vectors import Texts, TextVectors, failed

RAW_MAX_TOKENS = 256
"""The longest completion of raw text where nothing else is asked for: nothing in it ends one."""

NO_TEMPLATE = (
    "The model has no chat template: each prompt is continued as plain text, by itself, for up to "
    f"{RAW_MAX_TOKENS} tokens (`wiz load MODEL --chat-template chatml` or another has it chat)."
)
# In words of `LlamaWorker`; where a service is asked, it looks itself before it asks a worker.
MODEL_HINT = "Call load_model first."
CONTEXT_HINT = "Call create_context first."

log = logging.getLogger(__name__)


class ModelHost:
    """Holds at most one model; `make_backend` is called once, on the engine's thread.

    `way` is how this machine's engine is used: whatever is asked for stays within it. `store` is
    where conversations' states are kept on the disk, if they are.
    """

    def __init__(
        self,
        make_backend: Callable[[], Backend],
        clock: Callable[[], float] = time.monotonic,
        *,
        way: Way = AS_IT_IS,
        store: SnapshotStore | None = None,
    ) -> None:
        self._store = store
        self._make_backend = make_backend
        self._way = way
        self._backend: Backend | None = None
        self._clock = clock
        self._loaded: Loaded | None = None
        self._embedded_last = False
        self.n_steps = 0
        """How many steps computed something; read from any thread, as the next one."""
        self._opening = Opening(lambda: self.backend, clock)

    @property
    def backend(self) -> Backend:
        """The library, loaded when first needed."""
        if self._backend is None:
            self._backend = self._make_backend()
        return self._backend

    @property
    def n_told(self) -> int:
        """How often the library told how far a load is; read from any thread."""
        return self._opening.n_told

    @property
    def can_offload(self) -> bool:
        """Whether layers can be computed on a GPU."""
        return self.backend.supports_gpu_offload and self._way.gpu

    @property
    def model_path(self) -> str | None:
        """The path of what is loaded."""
        return self._loaded.info.model_path if self._loaded else None

    def load(self, path: Path, request: LoadModel, call: Call) -> ModelInfo:
        """Load the file at `path`, or share it if it is loaded with the same parameters."""
        if self._loaded is not None:
            difference = model_difference(
                self._loaded.info,
                self._loaded.parameters,
                path,
                request,
                chat_template=self._loaded.chat_template,
                can_offload=self.can_offload,
            )
            if not difference:
                _tell(call, self._loaded.info.notices)
                return replace(self._loaded.info, shared=True)
            if not request.reload:
                raise Conflict(
                    f"A model is loaded already, with other parameters: {named(difference)}.",
                    difference=difference,
                )
            self.unload(force=True)
        check_gguf(path)
        if request.draft is not None:
            check_gguf(Path(request.draft), writes=True)
        if request.projector is not None:
            check_projector(Path(request.projector))
        started_at = self._clock()
        plan = plan_load(path, request, self.backend, self._way)
        parameters, notices = plan.parameters, list(plan.notices)
        model = self._opening.load(path, parameters, call)
        try:
            chat = ChatEncoder(model, request.chat_template)
        except Exception:
            model.close()
            raise
        kind = model.embedding_facts().kind
        if kind == "text" and chat.is_raw and request.chat_template is None:
            notices.append(NO_TEMPLATE)
        info = replace(
            model_info(model, path, parameters, self._clock() - started_at),
            chat_template=template_name(
                request.chat_template, own=model.facts.chat_template is not None
            ),
            kind=kind,
            notices=notices,
        )
        self._loaded = Loaded(
            model,
            info,
            parameters,
            chat,
            request.chat_template,
            plan.placement,
            self._fingerprint(path),
        )
        _tell(call, notices)
        if request.draft is not None:
            # Where that fails the model itself is loaded, and stays.
            load_draft(self._loaded, Path(request.draft), plan.for_draft, call, self._opening)
        if request.projector is not None:
            threads = 1 if self._way.one_thread else default_threads(model.facts.n_params)
            gpu = self.can_offload and parameters.gpu_layers != 0
            load_projector(self._loaded, Path(request.projector), threads=threads, gpu=gpu)
        return self._loaded.info

    def _fingerprint(self, path: Path) -> str:
        if self._store is None:
            return ""
        try:
            return f"{model_fingerprint(path)} {engine_build().stamp}"
        except (OSError, WizError) as error:
            log.warning("No conversation of %s is kept on the disk: %s", path.name, error)
            return ""

    def create_context(self, request: CreateContext, call: Call) -> ContextInfo:
        """Create the context, or share the one there is if it has the same parameters."""
        loaded = self._need_model()
        if self._way.one_thread:
            request = replace(request, threads=1)
        if loaded.context_info is not None:
            difference = context_difference(loaded.context_info, request)
            if not difference:
                _tell(call, loaded.context_info.notices)
                return replace(loaded.context_info, shared=True)
            if not request.reload:
                raise Conflict(
                    f"There is a context already, with other parameters: {named(difference)}.",
                    difference=difference,
                )
            self._close_context(loaded)
        placement = loaded.placement
        n_on_cards = placement.n_on_cards if placement else 0
        if loaded.info.kind != "text":
            vectors = self._text_vectors(loaded, request, n_on_cards)
            vectors.check()
            loaded.vectors = vectors
            path = loaded.info.model_path
            loaded.context_info = context_info(path, request, vectors.parameters)
            return loaded.context_info
        plan = plan_context(
            request,
            loaded.model.facts,
            n_on_cards=n_on_cards,
            open_context_size=placement.context_size if placement else None,
        )
        _tell(call, plan.notices)
        context = create_context(loaded.model, plan.parameters)
        loaded.context = context
        if loaded.draft is not None:
            try:
                loaded.drafter = make_drafter(loaded, loaded.draft, request, plan, self._clock)
            except Exception:
                self._close_context(loaded)
                raise
        loaded.context_info = plan.info(loaded.info.model_path, context)
        loaded.engine = Engine(
            loaded.model,
            context,
            context_size=plan.context_size,
            slots=plan.sequences,
            sequence_ids=plan.parameters.sequence_ids,
            batch_size=plan.parameters.batch_size,
            seed=request.seed,
            clock=self._clock,
            parking_bytes=_parking_bytes(),
            snapshots=self._snapshots(loaded, plan.parameters),
            n_in_the_way=plan.n_in_the_way,
            threads=None if request.threads else ThreadCount(plan.parameters.threads),
            draft=loaded.drafter,
            make_exact=lambda size: create_context(loaded.model, plan.exact_parameters(size)),
            reproducible=plan.reproducible,
        )
        as_made = replace(request, context_size=plan.context_size)
        loaded.vectors = self._text_vectors(loaded, as_made, n_on_cards)
        return loaded.context_info

    def _text_vectors(self, loaded: Loaded, request: CreateContext, n_on_cards: int) -> TextVectors:
        model = loaded.model
        facts = model.embedding_facts()
        parameters = plan_embedding(request, model.facts, facts, n_on_cards=n_on_cards)
        fixed = request.threads is not None
        return TextVectors(model, parameters, self._clock, fixed_threads=fixed)

    def _snapshots(self, loaded: Loaded, parameters: ContextParameters) -> Snapshots | None:
        if self._store is None or not loaded.fingerprint:
            return None
        versions = self.backend.versions()
        fingerprint = state_fingerprint(loaded.fingerprint, parameters, versions)
        return Snapshots(self._store, fingerprint, loaded.model.facts.n_vocab)

    def check(self, *, context: bool) -> None:
        """Raise ModelNotLoaded or ContextNotLoaded for what is missing."""
        loaded = self._need_model()
        if context and loaded.context_info is None:
            raise ContextNotLoaded(hint=CONTEXT_HINT)

    def encode(
        self,
        messages: list[ChatMessage],
        tools: list[dict[str, Any]] | None,
        chat_template: str | None = None,
        options: PromptOptions = DEFAULT_OPTIONS,
        adapters: list[str] | None = None,
        **parts: str | None,
    ) -> Encoded:
        """A conversation as a prompt of the loaded model, as `loaded.encode` has it.

        `adapters` are paths. Raises ConstraintRefused, BadRequest, ModelNotLoaded,
        ContextNotLoaded.
        """
        with self.reading(context=True) as loaded:
            made = encode(loaded, messages, tools, chat_template, options, **parts)
            return dataclasses.replace(made, adapters=read_adapters(adapters or []))

    @contextmanager
    def reading(self, *, context: bool) -> Iterator[Loaded]:
        """What is loaded, kept in the block; from any thread but the engine's.

        Raises ModelNotLoaded; with `context`, ContextNotLoaded.
        """
        loaded = self._need_model()
        if context:
            check_answers(loaded.info)
        if context and loaded.engine is None:
            raise ContextNotLoaded(hint=CONTEXT_HINT)
        with loaded.readers.one() as is_kept:
            if not is_kept:
                raise ModelNotLoaded(hint=MODEL_HINT)
            yield loaded

    def submit(
        self,
        encoded: Encoded,
        options: PromptOptions,
        listener: Listener,
        owner: str | None = None,
    ) -> Sequence:
        """Queue a prompt of the conversation `owner` for its answer.

        Raises ModelNotLoaded where its model has gone, ModelLoadFailed for an adapter of another.
        """
        loaded = self._need_model()
        if loaded is not encoded.loaded:
            raise ModelNotLoaded(hint=MODEL_HINT)
        if loaded.engine is None:
            raise ContextNotLoaded(hint=CONTEXT_HINT)
        if encoded.is_open and options.max_tokens is None:
            options = replace(options, max_tokens=RAW_MAX_TOKENS)
        if encoded.notice:
            listener.on_event(Notice(text=encoded.notice))
        return loaded.engine.submit(
            encoded.tokens,
            options,
            listener,
            encoded.turns,
            owner,
            encoded.constraint,
            encoded.adapters,
            n_begun=encoded.n_begun,
            reasoning=encoded.reasoning,
            images=encoded.images,
        )

    def read_texts(self, request: Embed | Rerank) -> Texts:
        """A request's texts as tokens of the loaded model; from any thread but the engine's.

        Raises BadRequest, NotSupported, ModelNotLoaded, ContextNotLoaded.
        """
        loaded = self._need_model()
        vectors = loaded.vectors
        if vectors is None:
            raise ContextNotLoaded(hint=CONTEXT_HINT)
        with loaded.readers.one() as is_kept:
            if not is_kept:
                raise ModelNotLoaded(hint=MODEL_HINT)
            return vectors.read(request)

    def embed(self, texts: Texts, on_progress: OnProgress, on_end: OnEnd) -> EmbeddingWork:
        """Queue texts for their vectors; raises ModelNotLoaded where their model has gone."""
        if self._need_model().vectors is not texts.vectors:
            raise ModelNotLoaded(hint=MODEL_HINT)
        return texts.vectors.submit(texts, on_progress, on_end)

    def abort(self) -> None:
        """Break off the step under way, where that is possible; from any thread."""
        loaded = self._loaded
        if loaded is not None and (engine := loaded.engine) is not None:
            engine.abort()
        if loaded is not None and (vectors := loaded.vectors) is not None:
            vectors.abort()

    def cancel(self, sequence: Sequence) -> None:
        """End a prompt with what it has."""
        if self._loaded and self._loaded.engine:
            self._loaded.engine.cancel(sequence)

    def unload(self, model_path: str | None = None, *, force: bool) -> UnloadInfo:
        """Free the model and its context; prompts under way end as interrupted, if forced."""
        loaded = self._need_model()
        if model_path not in (None, loaded.info.model_path):
            raise ModelNotLoaded(hint=MODEL_HINT)
        if loaded.is_busy and not force:
            raise Conflict(
                "The model is answering a prompt, or making vectors.",
                hint="Cancel the prompt first, or unload with force=True.",
                difference={},
            )
        process = psutil.Process()
        before = process.memory_info().rss
        self._close_context(loaded)
        loaded.readers.close()
        if loaded.draft is not None:
            loaded.draft.close()
        if loaded.projector is not None:
            loaded.projector.close()
        loaded.model.close()
        self._loaded = None
        freed = max(0, before - process.memory_info().rss)
        return UnloadInfo(model_path=loaded.info.model_path, freed_bytes=freed)

    def step(self) -> bool:
        """Move all on, prompts and vectors in turn; False when there is nothing left to do."""
        loaded = self._loaded
        if loaded is None or not loaded.is_busy:
            return False
        engine, vectors = loaded.engine, loaded.vectors
        answers = engine is not None and engine.is_busy
        if vectors is not None and vectors.is_busy and not (answers and self._embedded_last):
            self._embedded_last = True
            try:
                self.n_steps += vectors.step(beside=answers)
            except Exception as error:
                log.exception("The engine failed")
                vectors.fail(failed(error))
        elif engine is not None:
            self._embedded_last = False
            try:
                self.n_steps += engine.step()
            except Exception as error:
                log.exception("The engine failed")
                engine.fail(failed(error))
        return loaded.is_busy

    def at_rest(self) -> bool:
        """Keep a conversation on the disk, having nothing else to do; whether there is more."""
        loaded = self._loaded
        if loaded is not None and loaded.vectors is not None:
            loaded.vectors.rest()
        engine = loaded.engine if loaded else None
        try:
            return engine is not None and not engine.is_busy and engine.write_one()
        except Exception:
            log.exception("A conversation's state is not kept on the disk")
            return False

    def close(self) -> None:
        """Give everything back."""
        if self._loaded is not None:
            self.unload(force=True)
        if self._store is not None:
            self._store.close()

    def _need_model(self) -> Loaded:
        if self._loaded is None:
            raise ModelNotLoaded(hint=MODEL_HINT)
        return self._loaded

    def _close_context(self, loaded: Loaded) -> None:
        if loaded.vectors is not None:
            loaded.vectors.close()
            loaded.vectors = None
        if loaded.engine is not None:
            loaded.engine.close()
        if loaded.drafter is not None:
            loaded.drafter.close()
        if loaded.context is not None:
            loaded.context.close()
        loaded.engine = loaded.context = loaded.context_info = loaded.drafter = None


def _tell(call: Call, notices: list[str]) -> None:
    for text in notices:
        call.emit(Notice(text=text))


def _parking_bytes() -> int:
    """Host memory for cached conversations: an eighth of what is free, at most 1 GiB."""
    return min(1 << 30, free_bytes() // 8)
