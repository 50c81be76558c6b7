"""A model in memory, with all that hangs on it; `model_host.py` makes and ends it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wiz_kernel_ext.engine.backend import Context, LoadParameters, Model
from wiz_kernel_ext.engine.chat import ChatEncoder
from wiz_kernel_ext.engine.constraint import Constraint
from wiz_kernel_ext.engine.draft_model import DraftModel
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.grammars import Grammars
from wiz_kernel_ext.engine.images import NO_ROWS, Row
from wiz_kernel_ext.engine.vocabulary import Vocabulary
from wiz_kernel_ext.models.placement import Placement
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo
from wiz_kernel_ext.worker.encoding import Readers
from wiz_kernel_ext.worker.projector import ImageReader

MAX_ENCODERS = 8


@dataclass
class Loaded:
    """A model in memory, what it was loaded with, and its context, if any.

    `placement` is what is on which card, `fingerprint` its file's ("" where nothing is kept on the
    disk); `draft` the model that guesses its answers, `drafter` that one at work; `projector` what
    reads images for it.
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
    grammars: Grammars = field(init=False)
    readers: Readers = field(default_factory=Readers)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.grammars = Grammars(lambda: Vocabulary(self.model))

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
    """A prompt as its model reads it, what its answer may be, and what raises if it is not.

    `images` are the embeddings of the pieces of images in it, by their places.
    """

    loaded: Loaded
    chat: ChatEncoder
    tokens: list[int]
    constraint: Constraint | None = None
    check: Callable[[str], None] | None = None
    images: Mapping[int, Row] = field(default_factory=lambda: NO_ROWS)


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
