"""One frozen message per request: what each handler takes.

The eight `worker:*` requests are the original service's, with its camelCase payloads; the
`service:*` ones are about what outlives a worker; `hub_requests` has those about models.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from wiz_kernel_ext.protocol.options import PromptOptions

GpuLayers = Annotated[int, Meta(ge=-1)] | Literal["auto"]
# Something to see, and nothing that would break a line or a terminal.
SessionName = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z", max_length=200),
]
Role = Literal["system", "user", "assistant", "tool"]


class Request(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Base of every request; `target` is the handler's name on the wire."""

    target: ClassVar[str]


class ChatMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One message of a conversation."""

    role: Role
    content: str


class Initialize(Request, frozen=True, kw_only=True):
    """Start the runtime; what is given becomes the default of this client's `loadModel`."""

    target: ClassVar[str] = "worker:initialize"
    model_path: str | None = None
    gpu_layers: GpuLayers | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None


class LoadModel(Request, frozen=True, kw_only=True):
    """Load a GGUF model, or share it where it is loaded with the same parameters.

    `gpu_layers` is a count, -1 for all, or "auto"; `keep_alive_s` is how long an unused model
    stays, in seconds (-1: for good). Other parameters than the loaded ones are a `Conflict`
    unless `reload` is set.
    """

    target: ClassVar[str] = "worker:loadModel"
    model_path: str | None = None
    gpu_layers: GpuLayers | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    check_tensors: bool | None = None
    keep_alive_s: Annotated[float, Meta(ge=-1)] | None = None
    reload: bool = False


class CreateContext(Request, frozen=True, kw_only=True):
    """Create the llama.cpp context of the loaded model; fixed once created.

    `context_size` is the longest conversation, in tokens (prompt and answer); `sequences` how many
    run at once; `batch_size` the most tokens of one step; `seed` the default of its prompts.
    """

    target: ClassVar[str] = "worker:createContext"
    model_path: str | None = None
    context_size: Annotated[int, Meta(ge=8)] | None = None
    sequences: Annotated[int, Meta(ge=1, le=256)] | None = None
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    batch_size: Annotated[int, Meta(ge=1)] | None = None
    kv_type: Literal["f32", "f16", "bf16", "q8_0", "q4_0"] | None = None
    flash_attention: bool | None = None
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    reload: bool = False


class InitializeSession(Request, frozen=True, kw_only=True):
    """Begin (or find again) a conversation; the answer is its id.

    `session` names it: without a name a new one is made. `system_prompt` sets the system prompt
    of a new session, and changes that of one found.
    """

    target: ClassVar[str] = "worker:initializeSession"
    system_prompt: str | None = None
    session: SessionName | None = None
    model_path: str | None = None


class Prompt(Request, frozen=True, kw_only=True):
    """Answer a prompt; the tokens come on the way, the end carries the answer.

    `session` is a session's id or name (default: the one this client began last). `messages` is an
    explicit history, used instead of the session's and not kept. `role` is "tool" for a tool's
    result. `tools` are JSON-schema function descriptions, given to the chat template.
    `autoload` is the magics' kindness: load the session's model again where it is gone.
    """

    target: ClassVar[str] = "worker:prompt"
    prompt: str
    options: PromptOptions = PromptOptions()
    session: SessionName | None = None
    role: Literal["user", "tool"] = "user"
    tools: list[dict[str, Any]] | None = None
    messages: list[ChatMessage] | None = None
    model_path: str | None = None
    autoload: bool = False


class SendPrompt(Prompt, frozen=True, kw_only=True):
    """Like `Prompt`, but ends at once with the id of the operation that answers it."""

    target: ClassVar[str] = "worker:sendPrompt"


class UnloadModel(Request, frozen=True, kw_only=True):
    """Unload a model: its process ends and the memory is given back.

    Refused while it answers somebody else's prompt, unless `force` is set.
    """

    target: ClassVar[str] = "worker:unloadModel"
    model_path: str | None = None
    force: bool = False


class DownloadModel(Request, frozen=True, kw_only=True):
    """Download one file of a hub repository into the standard Hugging Face cache."""

    target: ClassVar[str] = "worker:downloadModel"
    repo: str
    file: str
    revision: str | None = None


class Attach(Request, frozen=True, kw_only=True):
    """Follow an operation from event `from_seq` on, to its end; a late one replays the log."""

    target: ClassVar[str] = "service:attach"
    operation_id: str
    from_seq: Annotated[int, Meta(ge=0)] = 0


class Cancel(Request, frozen=True, kw_only=True):
    """Cancel an operation, or all running ones of a session or of this client."""

    target: ClassVar[str] = "service:cancel"
    operation_id: str | None = None
    session: SessionName | None = None


class DiscardDownload(Request, frozen=True, kw_only=True):
    """Give a download up, running or paused: end it, delete what came of it, forget it.

    Ends in the bytes that were freed.
    """

    target: ClassVar[str] = "service:discardDownload"
    operation_id: str


class GetStatus(Request, frozen=True, kw_only=True):
    """What is running: the service, its workers, operations and sessions."""

    target: ClassVar[str] = "service:status"


class ListOperations(Request, frozen=True, kw_only=True):
    """The latest operations, newest first."""

    target: ClassVar[str] = "service:listOperations"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    session: SessionName | None = None


class GetOperation(Request, frozen=True, kw_only=True):
    """The state of one operation, now."""

    target: ClassVar[str] = "service:getOperation"
    operation_id: str


class OpenSession(Request, frozen=True, kw_only=True):
    """Find or make the session called `session`, without asking that anything be loaded.

    `notebook` and `kernel_id` say who asks, so that a renamed notebook finds its own again.
    `new` begins an empty conversation under that name (the old one keeps its messages under
    another name). `system_prompt` sets or changes the system prompt.
    """

    target: ClassVar[str] = "service:openSession"
    session: SessionName
    system_prompt: str | None = None
    notebook: str | None = None
    kernel_id: str | None = None
    new: bool = False


class GetSession(Request, frozen=True, kw_only=True):
    """One session with its messages."""

    target: ClassVar[str] = "service:getSession"
    session: SessionName


class ListSessions(Request, frozen=True, kw_only=True):
    """The sessions there are, latest used first."""

    target: ClassVar[str] = "service:listSessions"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeleteSession(Request, frozen=True, kw_only=True):
    """Forget a session and its messages."""

    target: ClassVar[str] = "service:deleteSession"
    session: SessionName


class DropLastTurn(Request, frozen=True, kw_only=True):
    """Take the last question and what followed it out of a conversation; the answer is what went.

    Waits until the session's running prompt has ended.
    """

    target: ClassVar[str] = "service:dropLastTurn"
    session: SessionName


class AwaitChange(Request, frozen=True, kw_only=True):
    """Wait until an operation began or ended, or a session or model came, changed or went.

    `seen` is the number that was answered last (0: none); the answer is the number now, after
    `timeout_s` seconds at the latest.
    """

    target: ClassVar[str] = "service:awaitChange"
    seen: int = 0
    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 20.0


class StopService(Request, frozen=True, kw_only=True):
    """End the service and its workers, what runs being kept; every protocol version knows this one.

    `when`: "now" cancels what runs; "drained" takes nothing new and lets what runs go on for a
    bounded time; "free" is a Conflict where anything runs or is loaded.
    """

    target: ClassVar[str] = "service:stop"
    when: Literal["now", "drained", "free"] = "now"


WORKER_REQUESTS: tuple[type[Request], ...] = (
    Initialize,
    LoadModel,
    CreateContext,
    InitializeSession,
    Prompt,
    SendPrompt,
    UnloadModel,
    DownloadModel,
)
SERVICE_REQUESTS: tuple[type[Request], ...] = (
    Attach,
    Cancel,
    DiscardDownload,
    GetStatus,
    ListOperations,
    GetOperation,
    OpenSession,
    GetSession,
    ListSessions,
    DeleteSession,
    DropLastTurn,
    AwaitChange,
    StopService,
)
