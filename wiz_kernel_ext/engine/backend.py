"""The contract between the engine's decisions and the library that computes.

Three things, each owned by the one before it: a `Backend` (the library), a `Model` (weights and
vocabulary, and perhaps adapters to them) and a `Context` (KV memory and logits). Everything here is
called from one thread, the engine's, for life: llama.cpp's thread team belongs to the thread that
calls it. `llama.py` implements it with llama.cpp; the tests have a twin that computes with
arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.images import NO_ROWS, Projector, Row
from wiz_kernel_ext.engine.sampling import Stage
from wiz_kernel_ext.errors import NotSupported
from wiz_kernel_ext.protocol.devices import Device

if TYPE_CHECKING:
    from wiz_kernel_ext.engine.vectors import (
        EmbeddingContext,
        EmbeddingFacts,
        EmbeddingParameters,
    )

OnLoadProgress = Callable[[float], bool]


@dataclass(frozen=True, kw_only=True)
class LoadParameters:
    """How a model is loaded; `gpu_layers` is a count, -1 for all; `extra_buffers` as in `Way`."""

    gpu_layers: int = 0
    extra_buffers: bool = True
    use_mmap: bool = True
    use_mlock: bool = False
    check_tensors: bool = False


@dataclass(frozen=True, kw_only=True)
class FimTokens:
    """The tokens of fill-in-the-middle: what stands in front of each part, and what `ends` it.

    Without a `middle` one what stands behind the gap is read first.
    """

    prefix: int
    suffix: int
    middle: int | None
    ends: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model says of itself; `size_bytes` are its tensors, `n_ctx_train` is in tokens."""

    name: str
    description: str
    architecture: str
    n_params: int
    size_bytes: int
    n_ctx_train: int
    n_vocab: int
    n_layers: int
    chat_template: str | None
    bos: int | None
    eos: int | None
    add_bos: bool
    adds_space_prefix: bool = False
    fim: FimTokens | None = None


@dataclass(frozen=True, kw_only=True)
class ContextParameters:
    """How a context is made; `pool_size` is in KV cells, `batch_size` in tokens of one step.

    `sequence_ids` is how many ids the memory tells apart, `threads` how many compute. A step's
    tokens are computed `micro_batch_size` at a time (0: all at once). `flash_attention`: None where
    the library is to see whether the device can.
    """

    pool_size: int
    sequence_ids: int
    batch_size: int
    threads: int
    kv_type: str = "f16"
    flash_attention: bool | None = False
    micro_batch_size: int = 0


@dataclass
class Batch:
    """One step's tokens, as four parallel lists; row i is `tokens[i]` at `positions[i]`.

    `outputs` are the rows whose logits are wanted, in order. A token below 0 is a piece of an
    image (`images.py`): what is computed there is its embedding, `embeddings[i]`, and it is no
    sequence's last row that is wanted.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    sequence_ids: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    embeddings: dict[int, Row] = field(default_factory=dict)

    def add(
        self,
        sequence_id: int,
        start: int,
        tokens: Sequence[int],
        *,
        n_outputs: int,
        images: Mapping[int, Row] = NO_ROWS,
    ) -> range:
        """Append `tokens` of one sequence from position `start`.

        `images` are the embeddings of its pieces, by position. Returns the rows of the last
        `n_outputs` of them, whose logits are wanted.
        """
        if images:
            first = len(self.tokens) - start
            places = (start + i for i, token in enumerate(tokens) if token < 0)
            self.embeddings |= {first + place: images[place] for place in places}
        self.tokens.extend(tokens)
        self.positions.extend(range(start, start + len(tokens)))
        self.sequence_ids.extend([sequence_id] * len(tokens))
        rows = range(len(self.tokens) - n_outputs, len(self.tokens))
        self.outputs.extend(rows)
        return rows

    def __len__(self) -> int:
        return len(self.tokens)


class NoRoom(Exception):
    """The KV memory has no free cells for a batch; the memory is as before the call."""


class Aborted(Exception):
    """A batch was broken off by `Context.abort`; the memory is as before the call."""


class DecodeFailed(Exception):
    """A batch could not be computed; the memory may hold part of it and has to be cleared."""


@dataclass(frozen=True)
class Saved:
    """A sequence's cells as a copy in host memory: `n_bytes` that mean something to the backend.

    `data` is a buffer that may be written to, so that it can be handed over without a copy.
    """

    data: Any
    n_bytes: int


class Adapter(ABC):
    """LoRA weights of one file, for one model; `fingerprint` is of what is in the file."""

    fingerprint: str

    @abstractmethod
    def close(self) -> None:
        """Give the memory back; no context uses it any more."""


class Context(ABC):
    """KV memory of one pool of cells shared by all sequences, and the logits of the last batch.

    A sequence is an id from 0 to `sequence_ids` - 1, holding consecutive positions from 0. Cells
    copied from one sequence to another are shared, not duplicated, and are free again when the last
    sequence that holds them lets go.
    """

    pool_size: int
    can_cut: bool
    """False where a sequence cannot be shortened (recurrent and hybrid memories): there only a
    whole sequence can be continued, in place."""
    can_abort: bool
    """Whether `abort` breaks a batch off, rather than wait for its end."""
    flash_attention: bool = False
    """Whether it is used, after all."""

    @abstractmethod
    def decode(self, batch: Batch) -> None:
        """Compute `batch` (at most `batch_size` rows); its logits replace the last ones.

        Every sequence's rows continue it without a gap. Raises NoRoom or Aborted with nothing
        changed, or DecodeFailed, after which only `clear` is sensible.
        """

    @abstractmethod
    def use_adapters(self, adapters: Sequence[tuple[Adapter, float]]) -> None:
        """Compute with these adapters of the model, each scaled, and no others, from now on.

        What is in the memory stays as it was computed. Raises DecodeFailed.
        """

    @abstractmethod
    def abort(self) -> None:
        """Break off the batch that is being decoded, or else the next; from any thread."""

    @abstractmethod
    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` share `source`'s cells at positions `start` up to `end`."""

    @abstractmethod
    def cut(self, sequence_id: int, start: int) -> bool:
        """Forget positions `start` and later; False if this memory cannot, with nothing changed.

        From 0 on, forgetting always works.
        """

    @abstractmethod
    def can_resume(self, sequence_id: int, position: int) -> bool:
        """Whether decoding may go on at `position` after a cut there.

        Sliding-window memories let go of old cells: going back is possible only as far as a whole
        window is still there.
        """

    @abstractmethod
    def save(self, sequence_id: int) -> Saved:
        """A copy of all the sequence's cells, which stay as they are."""

    @abstractmethod
    def saved_bytes(self, sequence_id: int) -> int:
        """About how many bytes `save` would make."""

    @abstractmethod
    def restore(self, sequence_id: int, saved: Saved) -> bool:
        """Make an empty sequence what was saved, in free cells; False, and empty, if it fails."""

    @abstractmethod
    def clear(self) -> None:
        """Forget every sequence."""

    @abstractmethod
    def make_sampler(self, stages: Sequence[Stage]) -> Any:
        """A sampler running `stages` in order; the last of them picks the token."""

    @abstractmethod
    def free_sampler(self, sampler: Any) -> None:
        """Give a sampler back; it must not be used again."""

    @abstractmethod
    def accept(self, sampler: Any, tokens: Sequence[int]) -> None:
        """Tell a sampler of tokens it did not pick, oldest first, for its penalties."""

    @abstractmethod
    def sample(self, sampler: Any, row: int) -> int:
        """Pick a token from the logits of `row`, one of the last `outputs`, and accept it."""

    @abstractmethod
    def restrict(self, row: int, mask: npt.NDArray[np.uint32]) -> None:
        """Make tokens impossible in `row`: those whose bit in `mask` is not set, lowest first."""

    @abstractmethod
    def logprobs(self, row: int) -> npt.NDArray[np.float32]:
        """The natural logarithms of all tokens' probabilities in `row`, before any sampler."""

    @abstractmethod
    def likeliest(self, row: int) -> tuple[int, float]:
        """The token with the largest logit of `row`, and its probability."""

    @abstractmethod
    def set_threads(self, threads: int) -> None:
        """Compute with `threads` threads from the next batch on."""

    @abstractmethod
    def close(self) -> None:
        """Give the memory back; samplers are freed before."""


class Model(ABC):
    """Weights and vocabulary of one file."""

    facts: ModelFacts

    @abstractmethod
    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Token ids of `text`, with nothing added at either end.

        `parse_special` reads control tokens' texts as those tokens; without it they are text.
        """

    @abstractmethod
    def piece(self, token: int) -> bytes:
        """What `token` prints: bytes, perhaps part of a character; nothing for control tokens."""

    @abstractmethod
    def text_of(self, token: int) -> str:
        """The vocabulary's own text of `token`, control tokens too."""

    @abstractmethod
    def ends_generation(self, token: int) -> bool:
        """Whether an answer ends with `token`."""

    @abstractmethod
    def control_texts(self) -> list[str]:
        """The texts of all control tokens: what a user's text must not be read as."""

    @abstractmethod
    def create_context(self, parameters: ContextParameters) -> Context:
        """A context on this model; raises LibraryRefused with the library's own words."""

    def open_projector(self, path: str, identity: str, *, threads: int, gpu: bool) -> Projector:
        """What makes embeddings of images for this model, from the file at `path` (mmproj).

        Raises NotSupported where the library does without, or the two do not fit as they should;
        LibraryRefused. The file's header was checked before (`projector_header.py`).
        """
        raise NotSupported("This engine reads no images.")

    @abstractmethod
    def embedding_facts(self) -> EmbeddingFacts:
        """How this model makes vectors of texts."""

    @abstractmethod
    def text_frame(self) -> tuple[list[int], list[int]]:
        """The tokens that stand before and behind a text that stands by itself."""

    @abstractmethod
    def pair_frame(self) -> list[int]:
        """The tokens between a query and a text that are read together."""

    @abstractmethod
    def create_embedding_context(self, parameters: EmbeddingParameters) -> EmbeddingContext:
        """A context that makes vectors; raises LibraryRefused with the library's own words."""

    @abstractmethod
    def load_adapter(self, path: str) -> Adapter:
        """The LoRA adapter at `path`; raises ModelLoadFailed where it does not fit.

        Raises ModelFileNotFound, NotPermitted, and LibraryRefused with the library's own words.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the memory back; the contexts are closed before."""


class LoadCancelled(Exception):
    """The progress callback asked to stop."""


class LibraryRefused(Exception):
    """The library did not take a file or parameters; `log` has the last lines it said."""

    def __init__(self, message: str, log: list[str]) -> None:
        super().__init__(message)
        self.log = log


class Backend(ABC):
    """The library."""

    supports_gpu_offload: bool

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of what computes, by name."""

    @abstractmethod
    def devices(self) -> list[Device]:
        """The compute devices there are, with what is free on each now."""

    @abstractmethod
    def load(self, path: str, parameters: LoadParameters, on_progress: OnLoadProgress) -> Model:
        """Load the model at `path`; `on_progress` gets fractions and returns False to stop.

        Raises LoadCancelled, or LibraryRefused. The file's header was checked before
        (`gguf_header.py`): the library aborts the process on some bad ones.
        """
