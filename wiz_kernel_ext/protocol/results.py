"""One frozen message per result: what each request ends with."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from wiz_kernel_ext.protocol.messages import ChatMessage

OperationState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
OperationKind = Literal[
    "prompt", "embed", "rerank", "load", "setup", "download", "verify", "convert", "quantize"
]
ModelKind = Literal["text", "embedding", "reranker"]
"""What a model is for: to write texts, to make vectors of them, or to rate them."""
Overflow = Literal["refuse", "drop", "middle", "summarize"]
"""What to do with a conversation that does not fit: refuse it, leave the oldest turns out, keep its
beginning and its end, or have the model sum the oldest turns up."""
FinishReason = Literal["stop", "length", "runaway", "cancelled", "interrupted"]
LOAD_KINDS: frozenset[str] = frozenset({"load", "setup"})
"""A load in steps, as the original has it, and the whole of it: one thing to its user."""
AnswerShape = Literal["free", "text", "json", "tools"]
"""What an answer is: anything, text of a form, JSON of a schema, or calls of tools."""
TERMINAL_STATES: frozenset[str] = frozenset({"done", "failed", "cancelled", "interrupted"})


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of every result; a field added later is skipped by an older reader."""


class ModelInfo(Result, frozen=True, kw_only=True):
    """A model's facts. `size_bytes` are its tensors; `n_ctx_train` is in tokens.

    `chat_template` says what is used: "own" (the file's), a family's name, "given" for a text that
    was given, or "raw" for none. `draft` is the path of the model that guesses its answers,
    `projector` of what has it see images. `kind`: only a "text" model can answer. `notices` are
    what its users should know of it.
    """

    model_path: str
    name: str = ""
    description: str = ""
    architecture: str = ""
    n_params: int = 0
    size_bytes: int = 0
    n_ctx_train: int = 0
    n_vocab: int = 0
    n_layers: int = 0
    gpu_layers: int = 0
    has_chat_template: bool = False
    chat_template: str = ""
    draft: str = ""
    projector: str = ""
    kind: ModelKind = "text"
    shared: bool = False
    load_time_s: float = 0.0
    worker_pid: int | None = None
    notices: list[str] = []


class ContextInfo(Result, frozen=True, kw_only=True):
    """A context's facts, in tokens and threads; `pool_size` is the KV cells all sequences share.

    `notices` are what its users should know of it.
    """

    model_path: str
    context_size: int
    sequences: int
    threads: int
    batch_size: int
    pool_size: int
    kv_type: str = "f16"
    flash_attention: bool = False
    seed: int | None = None
    reproducible: bool = False
    shared: bool = False
    notices: list[str] = []


class RuntimeInfo(Result, frozen=True, kw_only=True):
    """What `worker:initialize` answers: versions, compute devices and what is loaded."""

    versions: dict[str, str]
    devices: list[str] = []
    loaded: list[str] = []
    gpu_offload: bool = False


class Usage(Result, frozen=True, kw_only=True):
    """Token counts of one answer; `n_cached_tokens` of the prompt were not computed again.

    `n_drafted_tokens` of the answer were guessed beforehand, `n_accepted_tokens` rightly;
    `n_thinking_tokens` of it were thinking, `n_forced_tokens` left nothing to choose.
    """

    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0
    n_tokens: int = 0
    n_drafted_tokens: int = 0
    n_accepted_tokens: int = 0
    n_thinking_tokens: int = 0
    n_forced_tokens: int = 0


class Timings(Result, frozen=True, kw_only=True):
    """Where the time of one answer went, in seconds."""

    queued_s: float = 0.0
    first_token_s: float = 0.0
    prompt_s: float = 0.0
    generation_s: float = 0.0
    total_s: float = 0.0


class TokenChance(Result, frozen=True, kw_only=True):
    """A token and the natural logarithm of its probability, as the model alone saw it."""

    text: str
    token: int
    logprob: float


class TokenLogprob(TokenChance, frozen=True, kw_only=True):
    """A token of an answer; `top` are the likeliest ones in its place, the likeliest first."""

    top: list[TokenChance] = []


class LeftOut(Result, frozen=True, kw_only=True):
    """What of a conversation the model did not read, because it did not fit (`overflow`).

    `messages` are the places of those left out in the conversation sent, from 0, the system prompt
    counted; `n_tokens` what they came to; `summary` what stands for them, where something does.
    """

    policy: Overflow
    messages: list[int]
    n_tokens: int = 0
    summary: str = ""


class ToolCall(Result, frozen=True, kw_only=True):
    """A tool that the model calls; `text` is the JSON of its arguments, as the model wrote it.

    As text, since JSON has numbers that no other form takes.
    """

    name: str
    text: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments, of the schema of the tool's parameters."""
        found: dict[str, Any] = json.loads(self.text)
        return found


class Alternative(Result, frozen=True, kw_only=True):
    """One of several answers; `logprob` is the mean of its tokens'."""

    text: str
    finish_reason: FinishReason = "stop"
    thinking: str = ""
    tool_calls: list[ToolCall] = []
    seed: int | None = None
    logprob: float | None = None
    incomplete: bool = False
    n_tokens: int = 0


class AnswerInfo(Result, frozen=True, kw_only=True):
    """The end of a prompt: the whole text, why it ended, and what it took.

    `thinking` is what the model thought before it answered. `tool_calls` are what it calls instead
    of answering (`shape` "tools"); the text has them as the model wrote them. `incomplete`: it was
    to have a given shape, and was cut before it had it. `alternatives` are all answers, where
    several were asked for. `left_out` says what did not fit.
    """

    text: str
    finish_reason: FinishReason = "stop"
    thinking: str = ""
    shape: AnswerShape = "free"
    tool_calls: list[ToolCall] = []
    incomplete: bool = False
    logprobs: list[TokenLogprob] | None = None
    alternatives: list[Alternative] = []
    left_out: LeftOut | None = None
    usage: Usage = Usage()
    timings: Timings = Timings()
    operation_id: str = ""
    session: str = ""
    model_path: str = ""


class UnloadInfo(Result, frozen=True, kw_only=True):
    """What unloading gave back; `freed_bytes` was the worker's resident memory."""

    model_path: str
    freed_bytes: int = 0


class SessionInfo(Result, frozen=True, kw_only=True):
    """A conversation. Times are seconds since the epoch; a list shortens `system_prompt`.

    `adapters` are the LoRA files of its prompts, by path, "path=0.5" scaled.
    """

    id: str
    name: str
    system_prompt: str | None = None
    notebook: str | None = None
    model_path: str | None = None
    n_messages: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0
    adapters: list[str] = []


class SessionMessage(ChatMessage, frozen=True, kw_only=True):
    """A kept message; `finish_reason` marks an answer that is only partial."""

    operation_id: str | None = None
    finish_reason: str | None = None


class SessionDetail(Result, frozen=True, kw_only=True):
    """A conversation with all it has."""

    info: SessionInfo
    messages: list[SessionMessage] = []


class LoadTimings(Result, frozen=True, kw_only=True):
    """Where the time of one `service:load` went, in seconds; a fetch is 0 for what was here."""

    found_s: float = 0.0
    fetched_s: float = 0.0
    loaded_s: float = 0.0
    context_s: float = 0.0
    total_s: float = 0.0


class Loaded(Result, frozen=True, kw_only=True):
    """A model that is ready: its facts, its context, the conversation asked for, what to know."""

    model: ModelInfo
    context: ContextInfo
    session: SessionInfo | None = None
    notices: list[str] = []
    timings: LoadTimings = LoadTimings()


class OperationInfo(Result, frozen=True, kw_only=True):
    """The state of an operation. `n_events` is the number the next event will have.

    `stage`, `done` and `total` are its latest `Progress`; `n_tokens` those answered so far, 0 once
    it is only kept. A list shortens `title` and leaves out `text`.
    """

    id: str
    kind: OperationKind
    state: OperationState
    title: str = ""
    session: str | None = None
    model_path: str | None = None
    n_events: int = 0
    created_at: float = 0.0
    ended_at: float | None = None
    text: str = ""
    n_tokens: int = 0
    stage: str = ""
    done: float = 0.0
    total: float | None = None


class WorkerInfo(Result, frozen=True, kw_only=True):
    """A worker process. `memory_bytes` is resident; `loads` counts since the service began.

    `weights_bytes` and `kv_bytes` are the model's tensors and the conversations' memory, as asked
    for: neither need be resident. `draft` is the path of the model that guesses for it, and is
    counted in both. `silent_s`: seconds without progress though it has work; 0 until that is worth
    a word.
    """

    pid: int
    model: str
    model_path: str
    loads: int
    draft: str = ""
    context: int | None = None
    sequences: int | None = None
    threads: int | None = None
    memory_bytes: int = 0
    weights_bytes: int = 0
    kv_bytes: int = 0
    n_running: int = 0
    n_queued: int = 0
    idle_s: float = 0.0
    silent_s: float = 0.0
    keep_alive_s: float | None = None


class EngineInfo(Result, frozen=True, kw_only=True):
    """The engine as it was found on this processor.

    `is_plain`: it is used as it is; else `way` says how. `notice` says why, or which card is left
    unused, and what to do. `devices` are what it computes on, with what was free at the last look.
    """

    version: str
    build: str
    processor: str
    is_plain: bool
    way: str
    tried: list[str] = []
    notice: str = ""
    devices: list[str] = []


class ServiceInfo(Result, frozen=True, kw_only=True):
    """The service process. `memory_available_bytes` is what others could still take here.

    `executable` is the interpreter it runs in, maybe of another environment than the asker's;
    `notice` what its user was not told yet.
    """

    pid: int
    version: str
    connection_file: str
    name: str = ""
    protocol: int = 0
    started_at: float = 0.0
    memory_bytes: int = 0
    memory_available_bytes: int = 0
    memory_limit: Literal["memory", "cgroup"] = "memory"
    log_file: str = ""
    database: str = ""
    executable: str = ""
    engine: EngineInfo | None = None
    notice: str = ""


class Status(Result, frozen=True, kw_only=True):
    """Everything `%wiz_status` shows."""

    service: ServiceInfo
    workers: list[WorkerInfo] = []
    operations: list[OperationInfo] = []
    sessions: list[SessionInfo] = []
