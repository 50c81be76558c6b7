"""One frozen message per request: what each handler takes.

The eight `worker:*` requests are the original service's, with its camelCase payloads; the
`service:*` ones are about what outlives a worker; `hub_requests` has those about models.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from wiz_kernel_ext.protocol.chat_templates import MAX_TEMPLATE_CHARS
from wiz_kernel_ext.protocol.depth import MAX_DEPTH, is_too_deep
from wiz_kernel_ext.protocol.load_plan import LoadPlan
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import MAX_INT32, PromptOptions
from wiz_kernel_ext.protocol.results import (
    AnswerInfo,
    ContextInfo,
    Loaded,
    ModelInfo,
    OperationInfo,
    OperationKind,
    Overflow,
    RuntimeInfo,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
    UnloadInfo,
)

GpuLayers = Annotated[int, Meta(ge=-1, le=MAX_INT32)] | Literal["auto"]
ContextSize = Annotated[int, Meta(ge=8, le=MAX_INT32)]
Sequences = Annotated[int, Meta(ge=1, le=256)]
Threads = Annotated[int, Meta(ge=1, le=512)]
BatchSize = Annotated[int, Meta(ge=1, le=MAX_INT32)]
KvType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
# A family's name, or the Jinja text itself: see `chat_templates`.
ChatTemplate = Annotated[str, Meta(min_length=1, max_length=MAX_TEMPLATE_CHARS)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# Something to see, and nothing that would break a line or a terminal.
SessionName = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z", max_length=200),
]


R = TypeVar("R")


class Request(
    msgspec.Struct,
    Generic[R],
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Base of every request, and all that is to be known of one: `Request[R]` ends in an `R`.

    `target` is its handler's name on the wire. `operation` is the kind of operation it begins and
    follows to its end ("any": one that there is); without it, it is answered at once. `is_change`:
    others see something different afterwards, in a status or a list. `is_lookup`: the service
    answers by looking at what it has, so it is stuck if it does not do so soon. `is_apart`: the
    result is too large to be kept with its operation, and goes to the asker alone.
    """

    target: ClassVar[str]
    operation: ClassVar[OperationKind | Literal["any"] | None] = None
    is_change: ClassVar[bool] = False
    is_lookup: ClassVar[bool] = False
    is_apart: ClassVar[bool] = False


AnyRequest = Request[Any]


def result_type(request: type[AnyRequest]) -> Any:
    """The type that a request of this type ends in."""
    for cls in request.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), Request):
                (result,) = get_args(base)
                if not isinstance(result, TypeVar):
                    return result
    raise TypeError(f"{request.__name__} does not say what it ends in.")


def all_requests() -> list[type[AnyRequest]]:
    """Every request that is defined, in the order of definition."""

    def below(cls: type[AnyRequest]) -> Iterator[type[AnyRequest]]:
        for sub in cls.__subclasses__():
            if "target" in vars(sub):
                yield sub
            yield from below(sub)

    return list(below(Request))


class Initialize(Request[RuntimeInfo], frozen=True, kw_only=True):
    """Start the runtime; what is given becomes the default of this client's `loadModel`."""

    target = "worker:initialize"
    model_path: str | None = None
    gpu_layers: GpuLayers | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None


class LoadModel(Request[ModelInfo], frozen=True, kw_only=True):
    """Load a GGUF model, or share it where it is loaded with the same parameters.

    `gpu_layers` is a count, -1 for all, or "auto"; `keep_alive_s` is how long an unused model
    stays, in seconds (-1: for good). `chat_template` is used instead of the file's own: a family's
    name (`chat_templates.TEMPLATE_NAMES`) or a Jinja text. `draft` is a small model with the same
    vocabulary, which guesses what this one says, so that several tokens are computed at once; one
    that does not fit is a `ModelLoadFailed`. `projector` is the file that has the model see images
    (mmproj). Other parameters than the loaded ones are a `Conflict`
    unless `reload` is set. What takes more memory than is free is refused (`NotEnoughMemory`)
    unless `anyway` is set. `context` is the one that will be created then: as many layers are put
    on a card as leave room for it.
    """

    target = "worker:loadModel"
    operation = "load"
    model_path: str | None = None
    gpu_layers: GpuLayers | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    check_tensors: bool | None = None
    keep_alive_s: Annotated[float, Meta(ge=-1)] | None = None
    chat_template: ChatTemplate | None = None
    draft: str | None = None
    projector: str | None = None
    reload: bool = False
    anyway: bool = False
    context: CreateContext | None = None


class CreateContext(Request[ContextInfo], frozen=True, kw_only=True):
    """Create the llama.cpp context of the loaded model; fixed once created.

    `context_size` is the longest conversation, in tokens (prompt and answer); `sequences` how many
    run at once; `batch_size` the most tokens of one step; `seed` and `reproducible` the default of
    its prompts.
    """

    target = "worker:createContext"
    is_change = True
    model_path: str | None = None
    context_size: ContextSize | None = None
    sequences: Sequences | None = None
    threads: Threads | None = None
    batch_size: BatchSize | None = None
    kv_type: KvType | None = None
    flash_attention: bool | None = None
    seed: Seed | None = None
    reproducible: bool | None = None
    reload: bool = False


class InitializeSession(Request[str], frozen=True, kw_only=True):
    """Begin (or find again) a conversation; the answer is its id.

    `session` names it: without a name a new one is made. `system_prompt` sets the system prompt
    of a new session, and changes that of one found. `adapters` (as in `AnyPrompt`) are those of its
    prompts that name none themselves; None leaves them as they are.
    """

    target = "worker:initializeSession"
    is_change = True
    system_prompt: str | None = None
    session: SessionName | None = None
    model_path: str | None = None
    adapters: list[str] | None = None


class AnyPrompt(Request[R], frozen=True, kw_only=True):
    """A prompt, as it is answered or sent.

    `session` is a session's id or name (default: the one this client began last). `messages` is an
    explicit history, used instead of the session's and not kept. `role` is "tool" for a tool's
    result. `tools` are JSON-schema function descriptions, given to the chat template: the answer
    may be calls of them, with arguments of their schemas, whatever else it is to be.
    `images` are the bytes of image files (PNG, JPEG, BMP, GIF), for a model with a projector: they
    stand where the prompt has `<image>`, in order, and those that are left over in front of it.
    `chat_template` is used for this prompt only, as in `LoadModel`. `prefill` is how the answer
    begins; the model goes on from there. `suffix` is what stands behind the gap to fill, `prompt`
    before it (fill-in-the-middle). `overflow` says what becomes of a conversation that does not fit
    (default "refuse": ContextOverflow). `adapters` are LoRA files by name, "name=0.5" scaled; an
    empty list is none, None the session's.
    `autoload` is the magics' kindness: load the session's model again where it is gone.
    """

    prompt: str
    options: PromptOptions = PromptOptions()
    session: SessionName | None = None
    role: Literal["user", "tool"] = "user"
    tools: list[dict[str, Any]] | None = None
    messages: list[ChatMessage] | None = None
    images: list[bytes] | None = None
    model_path: str | None = None
    chat_template: ChatTemplate | None = None
    prefill: str | None = None
    suffix: str | None = None
    overflow: Overflow | None = None
    adapters: list[str] | None = None
    autoload: bool = False

    def __post_init__(self) -> None:
        if self.tools is not None and is_too_deep(self.tools):
            raise ValueError(f"tools are nested more than {MAX_DEPTH} deep")


class Prompt(AnyPrompt[AnswerInfo], frozen=True, kw_only=True):
    """Answer a prompt; the tokens come on the way, the end carries the answer."""

    target = "worker:prompt"
    operation = "prompt"


class SendPrompt(AnyPrompt[str], frozen=True, kw_only=True):
    """Like `Prompt`, but ends at once with the id of the operation that answers it."""

    target = "worker:sendPrompt"


class UnloadModel(Request[UnloadInfo], frozen=True, kw_only=True):
    """Unload a model: its process ends and the memory is given back.

    Refused while it answers somebody else's prompt, unless `force` is set.
    """

    target = "worker:unloadModel"
    is_change = True
    model_path: str | None = None
    force: bool = False


class Load(Request[Loaded], frozen=True, kw_only=True):
    """Have a model ready to answer: found, fetched if need be, loaded or shared, with a context.

    All or nothing: what fails leaves the asker's model and session, and the machine, as they were.

    `model` is any name of one ("demo", a path, an alias, `user/repo:QUANT`; None: the default), and
    `fetch` allows that it is downloaded. The fields of `LoadModel` and `CreateContext` say how it
    is loaded; what is left open fits what there is, and what was asked for and is otherwise is a
    `Conflict`, unless `reload` is set. What takes more memory than is free is refused, before it is
    fetched (`NotEnoughMemory`), unless `anyway` is set. With `session` the conversation of that
    name is found or made (`notebook`, `kernel_id`, `new`, `system_prompt` and `adapters` as in
    `OpenSession`); with `new` alone one without a name is made; else none.
    """

    target = "service:load"
    operation = "setup"
    model: str | None = None
    fetch: bool = False
    gpu_layers: GpuLayers | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    check_tensors: bool | None = None
    keep_alive_s: Annotated[float, Meta(ge=-1)] | None = None
    chat_template: ChatTemplate | None = None
    draft: str | None = None
    projector: str | None = None
    context_size: ContextSize | None = None
    sequences: Sequences | None = None
    threads: Threads | None = None
    batch_size: BatchSize | None = None
    kv_type: KvType | None = None
    flash_attention: bool | None = None
    seed: Seed | None = None
    reproducible: bool | None = None
    reload: bool = False
    anyway: bool = False
    session: SessionName | None = None
    notebook: str | None = None
    kernel_id: str | None = None
    new: bool = False
    system_prompt: str | None = None
    adapters: list[str] | None = None


class PlanLoad(Request[LoadPlan], frozen=True, kw_only=True):
    """What `Load` would do with these fields, for a model that is here; nothing is loaded."""

    target = "service:planLoad"
    model: str | None = None
    gpu_layers: GpuLayers | None = None
    draft: str | None = None
    context_size: ContextSize | None = None
    sequences: Sequences | None = None
    threads: Threads | None = None
    batch_size: BatchSize | None = None
    kv_type: KvType | None = None
    flash_attention: bool | None = None
    anyway: bool = False


class DownloadModel(Request[str], frozen=True, kw_only=True):
    """Download one file of a hub repository into the standard Hugging Face cache."""

    target = "worker:downloadModel"
    operation = "download"
    repo: str
    file: str
    revision: str | None = None


class Attach(Request[Any], frozen=True, kw_only=True):
    """Follow an operation from event `from_seq` on, to its end; a late one replays the log."""

    target = "service:attach"
    operation = "any"
    operation_id: str
    from_seq: Annotated[int, Meta(ge=0)] = 0


class Cancel(Request[list[str]], frozen=True, kw_only=True):
    """Cancel an operation, or all running ones of a session or of this client."""

    target = "service:cancel"
    is_lookup = True
    operation_id: str | None = None
    session: SessionName | None = None


class DiscardDownload(Request[int], frozen=True, kw_only=True):
    """Give a download up, running or paused: end it, delete what came of it, forget it.

    Ends in the bytes that were freed.
    """

    target = "service:discardDownload"
    is_change = True
    operation_id: str


class GetStatus(Request[Status], frozen=True, kw_only=True):
    """What is running: the service, its workers, operations and sessions."""

    target = "service:status"
    is_lookup = True


class ListOperations(Request[list[OperationInfo]], frozen=True, kw_only=True):
    """The latest operations, newest first."""

    target = "service:listOperations"
    is_lookup = True
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    session: SessionName | None = None


class GetOperation(Request[OperationInfo], frozen=True, kw_only=True):
    """The state of one operation, now."""

    target = "service:getOperation"
    is_lookup = True
    operation_id: str


class OpenSession(Request[SessionInfo], frozen=True, kw_only=True):
    """Find or make the session called `session`, without asking that anything be loaded.

    `notebook` and `kernel_id` say who asks, so that a renamed notebook finds its own again.
    `new` begins an empty conversation under that name (the old one keeps its messages under
    another name). `system_prompt` sets or changes the system prompt, `adapters` the LoRA files (as
    in `AnyPrompt`) of prompts that name none themselves; an empty list takes them away.
    """

    target = "service:openSession"
    is_change = True
    is_lookup = True
    session: SessionName
    system_prompt: str | None = None
    notebook: str | None = None
    kernel_id: str | None = None
    new: bool = False
    adapters: list[str] | None = None


class GetSession(Request[SessionDetail], frozen=True, kw_only=True):
    """One session with its messages."""

    target = "service:getSession"
    is_lookup = True
    session: SessionName


class ListSessions(Request[list[SessionInfo]], frozen=True, kw_only=True):
    """The sessions there are, latest used first."""

    target = "service:listSessions"
    is_lookup = True
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeleteSession(Request[SessionInfo], frozen=True, kw_only=True):
    """Forget a session and its messages."""

    target = "service:deleteSession"
    is_change = True
    is_lookup = True
    session: SessionName


class RenameSession(Request[SessionInfo], frozen=True, kw_only=True):
    """Call a session by another name; the old one still finds it. Raises Conflict: it is taken."""

    target = "service:renameSession"
    is_change = True
    is_lookup = True
    session: SessionName
    name: SessionName


class DropLastTurn(Request[list[SessionMessage]], frozen=True, kw_only=True):
    """Take the last question and what followed it out of a conversation; the answer is what went.

    Waits until the session's running prompt has ended.
    """

    target = "service:dropLastTurn"
    is_change = True
    session: SessionName


class AwaitChange(Request[int], frozen=True, kw_only=True):
    """Wait until an operation began or ended, or a session or model came, changed or went.

    `seen` is the number that was answered last (0: none); the answer is the number now, after
    `timeout_s` seconds at the latest.
    """

    target = "service:awaitChange"
    seen: int = 0
    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 20.0


class StopService(Request[ServiceInfo], frozen=True, kw_only=True):
    """End the service and its workers, what runs being kept; every protocol version knows this one.

    `when`: "now" cancels what runs; "drained" takes nothing new and lets what runs go on for a
    bounded time; "free" is a Conflict where anything runs or is loaded.
    """

    target = "service:stop"
    when: Literal["now", "drained", "free"] = "now"
