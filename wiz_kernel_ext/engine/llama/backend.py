"""The backend contract on llama.cpp, by its low-level API: the one file that imports llama_cpp.

Decides nothing. Every call comes from the engine's thread. llama.cpp answers failures with null
pointers and return codes, which become the contract's exceptions here, with its own words.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp as c
import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.backend import (
    Aborted,
    Adapter,
    Backend,
    Batch,
    Context,
    ContextParameters,
    LibraryRefused,
    LoadCancelled,
    LoadParameters,
    Model,
    ModelFacts,
    NoRoom,
    OnLoadProgress,
    Saved,
)
from wiz_kernel_ext.engine.images import Projector
from wiz_kernel_ext.engine.llama.adapters import load_adapter, use_adapters
from wiz_kernel_ext.engine.llama.devices import devices
from wiz_kernel_ext.engine.llama.embedding import open_context
from wiz_kernel_ext.engine.llama.fim import fim_tokens
from wiz_kernel_ext.engine.llama.image_rows import ImageRows, Part, parts_of
from wiz_kernel_ext.engine.llama.picking import Picker, likeliest, logits_of, restrict
from wiz_kernel_ext.engine.llama.step import FLASH_ATTENTION, Step, log_tail, opened
from wiz_kernel_ext.engine.logprobs import log_softmax
from wiz_kernel_ext.engine.sampling import Stage
from wiz_kernel_ext.engine.speculation import DRAFT_ROWS
from wiz_kernel_ext.engine.vectors import EmbeddingContext, EmbeddingFacts, EmbeddingParameters
from wiz_kernel_ext.gguf_file.kinds import POOLING_TYPES, reads_only
from wiz_kernel_ext.protocol.devices import Device

_SPM = 1
_PIECE_BYTES = 256
_KV_TYPES = {
    "f32": c.GGML_TYPE_F32,
    "f16": c.GGML_TYPE_F16,
    "bf16": 30,  # GGML_TYPE_BF16, which llama_cpp 0.3.36 does not name
    "q8_0": c.GGML_TYPE_Q8_0,
    "q4_0": c.GGML_TYPE_Q4_0,
}
_DRY_BREAKERS = (b"\n", b":", b'"', b"*")
_CONTROL = c.LLAMA_TOKEN_ATTR_CONTROL | c.LLAMA_TOKEN_ATTR_UNKNOWN


@c.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _: Any) -> None:
    log_tail.add(level, text.decode("utf-8", "replace"))


# A module-level name keeps the callback alive: llama.cpp holds only its address.
c.llama_log_set(_on_log, ctypes.c_void_p(0))


class LlamaBackend(Backend):
    """llama.cpp, as llama-cpp-python ships it."""

    def __init__(self) -> None:
        c.llama_backend_init()
        self.supports_gpu_offload = bool(c.llama_supports_gpu_offload())

    def versions(self) -> dict[str, str]:
        return {"llama_cpp_python": c.__version__, "llama_cpp": c.llama_version().decode()}

    def devices(self) -> list[Device]:
        return devices()

    def load(self, path: str, parameters: LoadParameters, on_progress: OnLoadProgress) -> Model:
        raised: list[BaseException] = []
        stopped = False

        @c.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(fraction: float, _: Any) -> bool:
            nonlocal stopped
            try:
                stopped = not on_progress(fraction)
            except BaseException as error:  # it cannot pass through C
                raised.append(error)
                stopped = True
            return not stopped

        params = c.llama_model_default_params()
        params.n_gpu_layers = parameters.gpu_layers
        params.use_extra_bufts = parameters.extra_buffers
        params.load_mode = {
            (False, False): c.LLAMA_LOAD_MODE_NONE,
            (True, False): c.LLAMA_LOAD_MODE_MMAP,
            (False, True): c.LLAMA_LOAD_MODE_MLOCK,
            (True, True): c.LLAMA_LOAD_MODE_MMAP_MLOCK,
        }[parameters.use_mmap, parameters.use_mlock]
        params.check_tensors = parameters.check_tensors
        params.progress_callback = progress
        log_tail.clear()
        model = c.llama_model_load_from_file(path.encode(), params)
        if raised:
            raise raised[0]
        if stopped:
            if model:
                c.llama_model_free(model)
            raise LoadCancelled
        if not model:
            raise LibraryRefused(log_tail.reason() or "no reason given", log_tail.lines())
        return LlamaModel(model, path)


def load_vocabulary(path: str) -> LlamaModel:
    """A model that can only tokenize: its vocabulary, without its weights."""
    params = c.llama_model_default_params()
    params.vocab_only = True
    log_tail.clear()
    model = c.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise LibraryRefused(log_tail.reason() or "no reason given", log_tail.lines())
    return LlamaModel(model)


def rehearse(path: str, parameters: ContextParameters) -> list[str]:
    """What the library says while it makes a context on a model whose weights it leaves out.

    Its words name the memory it would take; the file may be a skeleton. Raises LibraryRefused.
    """
    params = c.llama_model_default_params()
    params.no_alloc = True
    params.load_mode = c.LLAMA_LOAD_MODE_NONE
    log_tail.clear()
    model = c.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise LibraryRefused(log_tail.reason() or "no reason given", log_tail.lines())
    LlamaModel(model).create_context(parameters)
    return log_tail.lines()


class LlamaModel(Model):
    """A loaded `llama_model`."""

    def __init__(self, model: Any, path: str = "") -> None:
        self._model = model
        self._path = path
        self._vocab = c.llama_model_get_vocab(model)
        self._pieces: dict[int, bytes] = {}
        is_spm = c.llama_vocab_type(self._vocab) == _SPM
        template = c.llama_model_chat_template(model, None)
        self.facts = ModelFacts(
            name=self._meta("general.name"),
            description=self._text(lambda b, n: c.llama_model_desc(model, b, n)),
            architecture=self._meta("general.architecture"),
            n_params=c.llama_model_n_params(model),
            size_bytes=c.llama_model_size(model),
            n_ctx_train=c.llama_model_n_ctx_train(model),
            n_vocab=c.llama_vocab_n_tokens(self._vocab),
            n_layers=c.llama_model_n_layer(model),
            chat_template=template.decode("utf-8", "replace") if template else None,
            bos=_token_or_none(c.llama_vocab_bos(self._vocab)),
            eos=_token_or_none(c.llama_vocab_eos(self._vocab)),
            add_bos=bool(c.llama_vocab_get_add_bos(self._vocab)),
            adds_space_prefix=is_spm
            and self._meta("tokenizer.ggml.add_space_prefix") in ("", "true"),
            fim=fim_tokens(self._vocab, self.text_of),
        )

    def _text(self, fill: Callable[[Any, int], int]) -> str:
        buffer = ctypes.create_string_buffer(512)
        n = fill(buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if n >= 0 else ""

    def _meta(self, key: str) -> str:
        name = key.encode()
        return self._text(lambda b, n: c.llama_model_meta_val_str(self._model, name, b, n))

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        while True:
            tokens = (c.llama_token * size)()
            n = c.llama_tokenize(self._vocab, data, len(data), tokens, size, False, parse_special)
            if n >= 0:
                return list(tokens[:n])
            size = -n

    def piece(self, token: int) -> bytes:
        piece = self._pieces.get(token)
        if piece is None:
            # A buffer of its own: several threads ask.
            buffer = ctypes.create_string_buffer(_PIECE_BYTES)
            n = c.llama_token_to_piece(self._vocab, token, buffer, _PIECE_BYTES, 0, False)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = c.llama_token_to_piece(self._vocab, token, buffer, -n, 0, False)
            piece = self._pieces[token] = buffer.raw[:n]
        return piece

    def text_of(self, token: int) -> str:
        text = c.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace") if text else ""

    def ends_generation(self, token: int) -> bool:
        return bool(c.llama_vocab_is_eog(self._vocab, token))

    def control_texts(self) -> list[str]:
        vocab, attributes = self._vocab, c.llama_vocab_get_attr
        tokens = range(self.facts.n_vocab)
        return [
            text for t in tokens if attributes(vocab, t) & _CONTROL if (text := self.text_of(t))
        ]

    def embedding_facts(self) -> EmbeddingFacts:
        architecture = self.facts.architecture
        is_causal = self._meta(f"{architecture}.attention.causal") != "false"
        number = self._meta(f"{architecture}.pooling_type")
        pooling = POOLING_TYPES.get(int(number)) if number.isdigit() else None
        template = c.llama_model_chat_template(self._model, b"rerank")
        return EmbeddingFacts(
            n_dims=c.llama_model_n_embd_out(self._model),
            pooling=pooling,
            is_causal=is_causal,
            writes=not reads_only(architecture, is_causal=is_causal, pools=bool(number)),
            rerank_template=template.decode("utf-8", "replace") if template else None,
        )

    def text_frame(self) -> tuple[list[int], list[int]]:
        tokens = (c.llama_token * 8)()
        n = max(0, c.llama_tokenize(self._vocab, b"", 0, tokens, 8, True, False))
        frame, begins = list(tokens[:n]), bool(c.llama_vocab_get_add_bos(self._vocab))
        n_before = 1 if n > 1 or begins else 0
        return frame[:n_before], frame[n_before:]

    def pair_frame(self) -> list[int]:
        vocab = self._vocab
        end = c.llama_vocab_eos(vocab) if c.llama_vocab_get_add_eos(vocab) else -1
        separator = c.llama_vocab_sep(vocab) if c.llama_vocab_get_add_sep(vocab) else -1
        return [token for token in (end, separator) if token >= 0]

    def create_embedding_context(self, parameters: EmbeddingParameters) -> EmbeddingContext:
        return open_context(self._model, self.embedding_facts(), parameters)

    def create_context(self, parameters: ContextParameters) -> Context:
        params = c.llama_context_default_params()
        params.n_ctx = parameters.pool_size
        params.n_batch = parameters.batch_size
        params.n_ubatch = parameters.micro_batch_size or parameters.batch_size
        params.n_seq_max = parameters.sequence_ids
        # One row per sequence and guesses are all that is asked for: without this bound the compute
        # buffer holds a whole batch's (312 MB at 512 rows of a 152k vocabulary).
        params.n_outputs_max = parameters.sequence_ids + DRAFT_ROWS
        params.n_threads = params.n_threads_batch = parameters.threads
        params.type_k = params.type_v = _KV_TYPES[parameters.kv_type]
        params.flash_attn_type = FLASH_ATTENTION[parameters.flash_attention]
        context = opened(self._model, params)
        if not c.llama_get_memory(context) or c.llama_model_has_encoder(self._model):
            c.llama_free(context)
            raise LibraryRefused("this kind of model does not write text", log_tail.lines())
        made = LlamaContext(context, self._model, self._vocab, parameters)
        chosen = parameters.flash_attention
        made.flash_attention = _has_flash(log_tail.lines()) if chosen is None else chosen
        return made

    def open_projector(self, path: str, identity: str, *, threads: int, gpu: bool) -> Projector:
        # A library of its own, which not every build has, and few ever need.
        from wiz_kernel_ext.engine.llama.projector import open_projector

        return open_projector(
            self._model, path, identity, threads=threads, gpu=gpu, on_log=_on_log, tail=log_tail
        )

    def load_adapter(self, path: str) -> Adapter:
        return load_adapter(self._model, self._path, path, log_tail)

    def close(self) -> None:
        if self._model:
            c.llama_model_free(self._model)
            self._model = None


class LlamaContext(Context):
    """A `llama_context`, its memory and one reusable batch."""

    def __init__(self, context: Any, model: Any, vocab: Any, parameters: ContextParameters) -> None:
        self._context = context
        self._memory = c.llama_get_memory(context)
        self._vocab = vocab
        self._n_vocab = c.llama_vocab_n_tokens(vocab)
        self._n_window = c.llama_model_n_swa(model)
        self.pool_size = c.llama_n_ctx(context)
        self.can_cut = not (c.llama_model_is_recurrent(model) or c.llama_model_is_hybrid(model))
        # What was computed of a broken batch is cut off again.
        self.can_abort = self.can_cut
        n = parameters.batch_size
        self._step = Step(context, n, parameters.sequence_ids, can_abort=self.can_abort)
        self._image_rows = ImageRows(n, c.llama_model_n_embd_inp(model))
        self._row_of: dict[int, int] | None = None
        """Of a batch that was computed in parts, where the rows are in the last one."""

    def decode(self, batch: Batch) -> None:
        if not batch.embeddings:
            self._row_of = None
            self._step.compute(batch)
            return
        done: list[Part] = []
        try:
            for part in parts_of(batch):
                self._row_of = part.row_of
                rows = self._image_rows.fill(part) if part.is_image else None
                self._step.compute(part.batch, rows)
                done.append(part)
        except (NoRoom, Aborted):
            for part in reversed(done):
                for sequence_id, start in part.starts.items():
                    self.cut(sequence_id, start)
            raise

    def use_adapters(self, adapters: Sequence[tuple[Adapter, float]]) -> None:
        use_adapters(self._context, adapters)

    def abort(self) -> None:
        self._step.abort()

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        c.llama_memory_seq_cp(self._memory, source, target, start, end)

    def cut(self, sequence_id: int, start: int) -> bool:
        return bool(c.llama_memory_seq_rm(self._memory, sequence_id, start, -1))

    def can_resume(self, sequence_id: int, position: int) -> bool:
        if not self._n_window:
            return True
        first = c.llama_memory_seq_pos_min(self._memory, sequence_id)
        return bool(first <= max(0, position - self._n_window))

    def saved_bytes(self, sequence_id: int) -> int:
        return int(c.llama_state_seq_get_size(self._context, sequence_id))

    def save(self, sequence_id: int) -> Saved:
        size = self.saved_bytes(sequence_id)
        data = bytearray(size)
        buffer = (ctypes.c_uint8 * size).from_buffer(data)
        n_bytes = c.llama_state_seq_get_data(self._context, buffer, size, sequence_id)
        return Saved(data, n_bytes)

    def restore(self, sequence_id: int, saved: Saved) -> bool:
        buffer = (ctypes.c_uint8 * saved.n_bytes).from_buffer(saved.data)
        n = c.llama_state_seq_set_data(self._context, buffer, saved.n_bytes, sequence_id)
        if n != saved.n_bytes:
            self.cut(sequence_id, 0)
        return bool(n == saved.n_bytes)

    def clear(self) -> None:
        c.llama_memory_clear(self._memory, False)

    def make_sampler(self, stages: Sequence[Stage]) -> Any:
        params = c.llama_sampler_chain_default_params()
        params.no_perf = True
        chain = c.llama_sampler_chain_init(params)
        for stage in stages:
            c.llama_sampler_chain_add(chain, self._make_stage(stage))
        return Picker(chain, stages, self._n_vocab)

    def _make_stage(self, stage: Stage) -> Any:
        numbers = stage.arguments
        if stage.name == "logit_bias":
            biases = numbers[0]
            array = (c.llama_logit_bias * len(biases))(*biases)
            return c.llama_sampler_init_logit_bias(self._n_vocab, len(biases), array)
        if stage.name == "penalties":
            return c.llama_sampler_init_penalties(self._n_vocab, *numbers)
        if stage.name == "dry":
            breakers = (ctypes.c_char_p * len(_DRY_BREAKERS))(*_DRY_BREAKERS)
            return c.llama_sampler_init_dry(self._vocab, *numbers, breakers, len(breakers))
        if stage.name == "mirostat":
            return c.llama_sampler_init_mirostat(self._n_vocab, *numbers)
        if stage.name == "xtc":
            probability, threshold, seed = numbers
            return c.llama_sampler_init_xtc(probability, threshold, 1, seed)
        if stage.name in ("top_p", "min_p", "typical"):
            numbers = (*numbers, 1)  # min_keep
        return getattr(c, f"llama_sampler_init_{stage.name}")(*numbers)

    def free_sampler(self, sampler: Any) -> None:
        c.llama_sampler_free(sampler.chain)

    def accept(self, sampler: Any, tokens: Sequence[int]) -> None:
        for token in tokens:
            c.llama_sampler_accept(sampler.chain, token)

    def sample(self, sampler: Any, row: int) -> int:
        return int(sampler.pick(self._context, self._at(row)))

    def restrict(self, row: int, mask: npt.NDArray[np.uint32]) -> None:
        restrict(self._logits(row), mask)

    def logprobs(self, row: int) -> npt.NDArray[np.float32]:
        return log_softmax(self._logits(row))

    def likeliest(self, row: int) -> tuple[int, float]:
        return likeliest(self._logits(row))

    def _at(self, row: int) -> int:
        return row if self._row_of is None else self._row_of[row]

    def _logits(self, row: int) -> npt.NDArray[np.float32]:
        return logits_of(self._context, self._at(row), self._n_vocab)

    def set_threads(self, threads: int) -> None:
        c.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        if self._context:
            c.llama_free(self._context)
            self._context = None


def _has_flash(said: list[str]) -> bool:
    """What the library found where it was to see for itself."""
    return any("Flash Attention" in line and "enabled" in line for line in said)


def _token_or_none(token: int) -> int | None:
    return token if token >= 0 else None
