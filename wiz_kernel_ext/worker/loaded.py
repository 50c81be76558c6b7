"""A model in memory, with all that hangs on it; `model_host.py` makes and ends it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiz_kernel_ext.engine.backend import Context, LoadParameters, Model
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.chat.fill_in import fill_in
from wiz_kernel_ext.engine.chat.tool_calls import Tools, tools_of
from wiz_kernel_ext.engine.chat.turns import NO_TURNS, Turns
from wiz_kernel_ext.engine.constraints.constraint import Constraint
from wiz_kernel_ext.engine.constraints.grammars import Grammars
from wiz_kernel_ext.engine.constraints.healing import heal
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.engine.draft_model import DraftModel
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.images import NO_ROWS, Row, no_projector
from wiz_kernel_ext.engine.reasoning.thinking import Reasoning
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.models.placement import Placement
from wiz_kernel_ext.protocol.adapters import ScaledAdapter
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import ContextInfo, LeftOut, ModelInfo
from wiz_kernel_ext.worker.cuts import Cuts
from wiz_kernel_ext.worker.encoding import Readers
from wiz_kernel_ext.worker.projector import ImageReader
from wiz_kernel_ext.worker.text_vectors import TextVectors

DEFAULT_OPTIONS = PromptOptions()
MAX_ENCODERS = 8


@dataclass
class Loaded:
    """A model in memory, what it was loaded with, and its context, if any.

    `placement` is what is on which card, `fingerprint` its file's ("" where nothing is kept on the
    disk); `draft` the model that guesses its answers, `drafter` that one at work; `projector` what
    reads images for it. `vectors` is there as the context is.
    """

    model: Model
    info: ModelInfo
    parameters: LoadParameters
    chat: ChatEncoder
    chat_template: str | None = None
    placement: Placement | None = None
    fingerprint: str = ""
    encoders: dict[str, ChatEncoder] = field(default_factory=dict)
    draft: Model | None = None
    drafter: DraftModel | None = None
    projector: ImageReader | None = None
    context: Context | None = None
    context_info: ContextInfo | None = None
    engine: Engine | None = None
    vectors: TextVectors | None = None
    grammars: Grammars = field(init=False)
    readers: Readers = field(default_factory=Readers)
    cuts: Cuts = field(default_factory=Cuts)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.grammars = Grammars(lambda: Vocabulary(self.model))

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        answers = self.engine is not None and self.engine.is_busy
        return answers or (self.vectors is not None and self.vectors.is_busy)

    def encoder(self, chat_template: str | None) -> ChatEncoder:
        """The encoder of a template, made when first needed; the latest few are kept."""
        if chat_template in (None, self.chat_template):
            return self.chat
        assert chat_template is not None
        with self.lock:
            encoder = self.encoders.pop(chat_template, None)
            encoder = encoder or ChatEncoder(self.model, chat_template)
            self.encoders[chat_template] = encoder
            while len(self.encoders) > MAX_ENCODERS:
                del self.encoders[next(iter(self.encoders))]
        return encoder


@dataclass(frozen=True)
class Encoded:
    """A prompt as its model reads it, `images` being the embeddings of pieces by their places.

    `turns` are what ends its answer, which begins with `prefill`; `n_begun` as the engine has
    it. `is_open`: nothing in it ends an answer. `left_out` is what was not encoded. `constraint` is
    what the answer may be; it may call `tools` instead. `reasoning` is
    how the model's thinking is told from it, `notice` what its asker should know.
    """

    loaded: Loaded
    chat: ChatEncoder
    tokens: list[int]
    turns: Turns = NO_TURNS
    is_open: bool = False
    prefill: str = ""
    n_begun: int | None = None
    left_out: LeftOut | None = None
    constraint: Constraint | None = None
    reasoning: Reasoning | None = None
    notice: str = ""
    tools: Tools | None = None
    images: Mapping[int, Row] = field(default_factory=lambda: NO_ROWS)
    adapters: Sequence[ScaledAdapter] = ()

    @property
    def begun(self) -> str:
        """The end of the prefill that the answer's first tokens begin with."""
        data = self.prefill.encode("utf-8", "replace")
        return data[len(data) - (self.n_begun or 0) :].decode("utf-8", "replace")


def encode(
    loaded: Loaded,
    messages: list[ChatMessage],
    tools: list[dict[str, Any]] | None,
    chat_template: str | None = None,
    options: PromptOptions = DEFAULT_OPTIONS,
    *,
    prefill: str | None = None,
    suffix: str | None = None,
) -> Encoded:
    """A conversation as a prompt of `loaded`; all else as in `AnyPrompt`.

    With `suffix` the last message is what stands before a gap. The answer has the shape that
    `options` ask for with its prefill. Raises BadRequest, ConstraintRefused, NotSupported.
    """
    chat, begun = loaded.encoder(chat_template), prefill or ""
    tokens: list[int] = []
    turns = chat.turns
    if suffix is not None:
        if messages and messages[-1].images:
            raise BadRequest("A gap is filled without images.", field="images")
        before = messages[-1].content if messages else ""
        tokens, turns = fill_in(loaded.model, before, suffix, begun)
    known = None
    if tools and suffix is None and not chat.is_raw:
        known = tools_of(tools, chat.envelope, is_free=options.shape == "free")
    constraint = loaded.grammars.constraint(options, turns.tokens, known)
    if constraint is not None and begun:
        constraint.begin(loaded.model.tokenize(begun, parse_special=False), begun)
    n_begun = 0 if begun or suffix is not None else None
    prompt = None
    if suffix is None:
        prompt = chat.prompt(
            messages,
            tools,
            begun,
            read=loaded.projector.read if loaded.projector else no_projector,
            think=options.think,
            constrained=constraint is not None,
            allow_repeats=bool(options.allow_repeats),
        )
        tokens = prompt.tokens
        if begun and constraint is None:
            tokens, n_begun, constraint = heal(loaded.model, tokens, begun)
    return Encoded(
        loaded,
        chat,
        tokens,
        turns,
        is_open=chat.is_raw or suffix is not None,
        prefill=begun,
        n_begun=n_begun,
        constraint=constraint,
        reasoning=prompt.reasoning if prompt else None,
        notice=prompt.notice if prompt else "",
        tools=known,
        images=prompt.images if prompt else NO_ROWS,
    )


def model_info(
    model: Model, path: Path, parameters: LoadParameters, load_time_s: float
) -> ModelInfo:
    """A loaded model's facts."""
    facts = model.facts
    offloaded = facts.n_layers + 1 if parameters.gpu_layers < 0 else parameters.gpu_layers
    return ModelInfo(
        model_path=str(path),
        name=facts.name or path.stem,
        description=facts.description,
        architecture=facts.architecture,
        n_params=facts.n_params,
        size_bytes=facts.size_bytes,
        n_ctx_train=facts.n_ctx_train,
        n_vocab=facts.n_vocab,
        n_layers=facts.n_layers,
        gpu_layers=offloaded,
        has_chat_template=facts.chat_template is not None,
        load_time_s=load_time_s,
        worker_pid=os.getpid(),
    )
