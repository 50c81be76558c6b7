"""Every error this project raises, each with a code, a message and a hint of what to do next.

Knows nothing of sockets, notebooks or models. Raised everywhere; carried over the wire as
`ErrorInfo` and raised again, as the same class, on the asking side.

    WizError
    ├── BadRequest (ValueError)            a payload, option or name that cannot be taken
    │   ├── UnknownTarget                  no handler of that name
    │   ├── ContextOverflow                the prompt is longer than the context
    │   ├── ConstraintRefused              what an answer was to be cannot be enforced
    │   ├── NotSupported                   the loaded model cannot do what is asked of it
    │   ├── AmbiguousModel                 a name that fits several models equally well
    │   ├── ConversionRefused              a model that cannot be converted faithfully
    │   └── ConfigurationError             a file of Jupyter's configuration that cannot be taken
    ├── AnswerIncomplete (ValueError)      cut before it had the shape that was asked for
    ├── AnswerInvalid (ValueError)         not what it was to be, after all
    ├── LimitExceeded (PermissionError)    more than this machine's administrator allows
    ├── NotLoaded (RuntimeError)           the original's three strict answers
    │   ├── ModelNotLoaded · ContextNotLoaded · SessionNotLoaded
    ├── NotFound (LookupError)
    │   ├── OperationNotFound · SessionNotFound
    │   ├── ModelFileNotFound (FileNotFoundError)
    │   └── HubNotFound                    no such repository, revision or file on the hub
    ├── Conflict (RuntimeError)            loaded already, with other parameters
    ├── ModelLoadFailed (RuntimeError)     llama.cpp did not take the file
    │   ├── GgufInvalid                    its header is broken, cut off or unknown here
    │   └── NotEnoughMemory                it takes more than is free: asked about, not loaded
    ├── EngineUnusable (RuntimeError)      the build of llama.cpp does not work on this processor
    ├── PackageGone (RuntimeError)         this package was removed while a process of it ran
    ├── WorkerDied (RuntimeError)          the process that held the model is gone
    │   ├── WorkerHung                     it made no progress any more, and was ended
    │   └── CrashRepeated                  twice at the same place: not tried a third time
    ├── ServiceError (ConnectionError)
    │   ├── ServiceNotRunning · ServiceDied · ServiceStartFailed · ServiceStopping
    │   ├── ServiceFull                    no descriptors left, there or here
    │   └── VersionMismatch
    ├── OperationEnded (RuntimeError)      an operation that ended without a result
    │   ├── OperationCancelled · OperationInterrupted
    ├── HubAccessDenied (PermissionError)  gated, private, or a token the hub does not take
    ├── HubUnreachable (ConnectionError)   no answer from the hub, or offline mode
    ├── DownloadFailed (OSError)
    │   ├── ChecksumMismatch               what came is not what the hub promised, twice
    │   └── DiskFull                       no room for what is still to come
    ├── ConversionFailed (OSError)         a conversion or quantizing that broke off
    ├── StoreError (OSError)               the database cannot be read or written
    ├── NotPermitted (PermissionError)     a file or folder that may not be read, written or deleted
    └── InternalError (RuntimeError)       a bug of ours: the log has the traceback
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, ClassVar

import msgspec

from wiz_kernel_ext.printable import encodable, printable
from wiz_kernel_ext.remedies import worded


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A `WizError` on the wire."""

    code: str
    message: str
    hint: str = ""
    details: dict[str, Any] = {}


class WizError(Exception):
    """Base of every error of this project: `message` says what, `hint` says what next.

    A hint is written with commands as `remedies` has them. `hint` words them for this process's
    user; `info()` carries the hint as it was written, for another process to word.
    """

    code: ClassVar[str] = "error"
    default_hint: ClassVar[str] = ""
    noted: ClassVar[bool] = True
    _by_code: ClassVar[dict[str, type[WizError]]] = {}

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        message = printable(message)
        super().__init__(message)
        self.message = message
        self._hint = self.default_hint if hint is None else printable(hint)
        self.details = details
        if self._hint and self.noted:
            # Python 3.11 and newer show it below the message of an error that nobody caught.
            self.__notes__ = [f"→ {self.hint}"]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        WizError._by_code[cls.code] = cls

    def __str__(self) -> str:
        return self.message

    @property
    def hint(self) -> str:
        """What to do next, as it is said here: in a notebook, a terminal or a program."""
        return worded(self._hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return (error_from_info, (self.info(),))

    def info(self) -> ErrorInfo:
        """This error as it travels; its hint as it was written."""
        return ErrorInfo(
            code=self.code, message=self.message, hint=self._hint, details=self.details
        )

    def _render_traceback_(self) -> list[str]:
        """Two lines in a notebook (IPython's hook): what, and what next."""
        lines = [f"{type(self).__name__}: {self.message}"]
        if self.hint:
            lines.append(f"→ {self.hint}")
        return [encodable(line, sys.stderr) for line in lines]


def error_from_info(info: ErrorInfo) -> WizError:
    """The error that `info` describes; a code unknown here becomes a plain `WizError`."""
    cls = WizError._by_code.get(info.code, WizError)
    return cls(info.message, hint=info.hint, **info.details)


class BadRequest(WizError, ValueError):
    """A payload, an option or a name that cannot be taken; `details["field"]` names it."""

    code = "bad_request"


class UnknownTarget(BadRequest):
    """A request for a handler that does not exist."""

    code = "unknown_target"


class ContextOverflow(BadRequest):
    """A prompt longer than the context; details: n_prompt_tokens, context_size."""

    code = "context_overflow"
    default_hint = (
        "Shorten the prompt, begin a new conversation, leave old turns of this one out "
        "(`--overflow drop`, middle or summarize), or load the model anew with a larger context: "
        "`--ctx N`, `--reload`."
    )


class ConstraintRefused(BadRequest):
    """What an answer was to be (schema, regex, choices, grammar) cannot be enforced."""

    code = "constraint_refused"


class AnswerIncomplete(WizError, ValueError):
    """An answer of a given shape was cut before it had it; `details["text"]` is what there is."""

    code = "answer_incomplete"


class AnswerInvalid(WizError, ValueError):
    """An answer is not what it was to be; `details["text"]` is what was said."""

    code = "answer_invalid"


class NotSupported(BadRequest):
    """The loaded model cannot do what is asked of it."""

    code = "not_supported"


class AmbiguousModel(BadRequest):
    """A name that fits several models equally well; details["choices"]: their names and sizes."""

    code = "ambiguous_model"


class ConfigurationError(BadRequest):
    """A configuration file, or what it sets, that cannot be taken; details: file, field."""

    code = "configuration_error"


class LimitExceeded(WizError, PermissionError):
    """More than this machine's configuration allows; details: limit, file."""

    code = "limit_exceeded"


class NotLoaded(WizError, RuntimeError):
    """A step of the ladder model → context → session was left out."""

    code = "not_loaded"
    # The original's three answers, to the letter: some (pytest's match) read notes as part of them.
    noted = False


class ModelNotLoaded(NotLoaded):
    """A context was asked for before a model."""

    code = "model_not_loaded"
    default_hint = "Load one first: `wiz load demo`."

    def __init__(self, message: str = "Model not loaded.", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)


class ContextNotLoaded(NotLoaded):
    """A session was asked for before a context."""

    code = "context_not_loaded"
    default_hint = "Loading makes it, with the model: `wiz load demo`."

    def __init__(self, message: str = "Context not loaded.", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)


class SessionNotLoaded(NotLoaded):
    """A prompt was sent before a session."""

    code = "session_not_loaded"
    default_hint = "Name one (session=…), or begin one with a model: `wiz load demo`."

    def __init__(self, message: str = "Session not loaded.", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)


class NotFound(WizError, LookupError):
    """Something named does not exist."""

    code = "not_found"


class OperationNotFound(NotFound):
    """No operation has that id."""

    code = "operation_not_found"
    default_hint = "`wiz ops` lists the operations there are."


class SessionNotFound(NotFound):
    """No session has that name."""

    code = "session_not_found"
    default_hint = "`wiz status` lists the sessions there are."


class ModelFileNotFound(NotFound, FileNotFoundError):
    """A model path that leads to no file."""

    code = "model_file_not_found"
    default_hint = "Give the path of a .gguf file, or 'demo' for the bundled model."


class HubNotFound(NotFound):
    """The hub has no such repository, revision or file; details: repo, revision, file."""

    code = "hub_not_found"
    default_hint = "Look at the name for a slip; `wiz search TEXT` finds repositories."


class Conflict(WizError, RuntimeError):
    """Already loaded with other parameters; details["difference"]: {name: [loaded, asked]}."""

    code = "conflict"
    default_hint = "Use what is loaded, or force it with `--reload`."


class ModelLoadFailed(WizError, RuntimeError):
    """llama.cpp did not take the file; details["log"] has its last lines."""

    code = "model_load_failed"
    default_hint = "Check that the file is a complete GGUF model; download it again if in doubt."


class GgufInvalid(ModelLoadFailed):
    """A file that is no GGUF, is cut off, or has a header that cannot be."""

    code = "gguf_invalid"


class NotEnoughMemory(ModelLoadFailed):
    """A model takes more memory than is free; details: needed_bytes, available_bytes."""

    code = "not_enough_memory"


class EngineUnusable(WizError, RuntimeError):
    """llama.cpp is not installed, or computes right in no way it can be used on this processor.

    Details, where it was tried: signal, stage, suspected, tried (way and outcome), log.
    """

    code = "engine_unusable"
    default_hint = "`wiz doctor --rebuild` builds it for this machine: 5 to 10 minutes on 2 cores."


class PackageGone(WizError, RuntimeError):
    """The package was removed or moved while a process of it ran; details: executable."""

    code = "package_gone"
    default_hint = "Install it again and restart the kernel; `wiz stop` ends a service without it."


class WorkerDied(WizError, RuntimeError):
    """The process that held the model is gone; details: cause, log (its last lines)."""

    code = "worker_died"
    default_hint = (
        "Your variables and the conversation are safe: run it again, and the model comes back."
    )


class WorkerHung(WorkerDied):
    """The process that held the model made no progress any more, and was ended; details: stage."""

    code = "worker_hung"


class CrashRepeated(WorkerDied):
    """A model's process died twice at the same place; details: cause, stage, model_path."""

    code = "crash_repeated"


class ServiceError(WizError, ConnectionError):
    """The service could not be reached or started."""

    code = "service_error"


class ServiceNotRunning(ServiceError):
    """There is no service to ask."""

    code = "service_not_running"
    default_hint = "It starts by itself with the first `wiz load demo`."


class ServiceDied(ServiceError):
    """The service ended while it was being asked."""

    code = "service_died"
    default_hint = "Run it again: a new service starts by itself. `jupyter wiz logs` tells more."


class ServiceStartFailed(ServiceError):
    """A service was started but never answered; details["log"] has its last lines."""

    code = "service_start_failed"
    default_hint = "`jupyter wiz logs` shows what it said."


class ServiceStopping(ServiceError):
    """The service is on its way out; asking again starts a new one."""

    code = "service_stopping"
    default_hint = "Run it again: a new service starts by itself."


class ServiceFull(ServiceError):
    """A process has no descriptors (open files) left for one more connection."""

    code = "service_full"
    default_hint = (
        "Shut down notebooks that are not used; `ulimit -n` says how many files one may open."
    )


class VersionMismatch(ServiceError):
    """The running service speaks another protocol version and could not be replaced."""

    code = "version_mismatch"
    default_hint = "Stop the old one (`wiz stop`); the next call starts the new one."


class OperationEnded(WizError, RuntimeError):
    """An operation ended without a result; details: operation_id, text (what there was)."""

    code = "operation_ended"


class OperationCancelled(OperationEnded):
    """Cancelled before it began to answer, or a load or download that was cancelled."""

    code = "operation_cancelled"
    default_hint = "Run it again to start over."


class OperationInterrupted(OperationEnded):
    """Cut off by the end of the service; details["text"] is the partial text."""

    code = "operation_interrupted"
    default_hint = "What there is of it is kept (`wiz ops` lists it). Run it again."


class HubAccessDenied(WizError, PermissionError):
    """The hub wants a token, another one, or a licence accepted; details: repo, page."""

    code = "hub_access_denied"


class HubUnreachable(WizError, ConnectionError):
    """The hub did not answer, or may not be asked (offline mode); details: endpoint."""

    code = "hub_unreachable"
    default_hint = "What is downloaded already works without it: `wiz models` lists it."


class DownloadFailed(WizError, OSError):
    """A file could not be fetched from a hub; what came so far is kept and continued."""

    code = "download_failed"
    default_hint = "Run it again: it goes on where it stopped."


class ChecksumMismatch(DownloadFailed):
    """A file came twice with another sha256 than the hub promised; nothing of it is kept."""

    code = "checksum_mismatch"
    default_hint = "Something between here and the hub changes data: try another network or mirror."


class DiskFull(DownloadFailed):
    """There is no room for what is still to come; details: needed_bytes, free_bytes."""

    code = "disk_full"
    default_hint = (
        "Make room (`wiz models` lists models, `wiz rm MODEL` deletes one), or move the cache with "
        "HF_HOME."
    )


class ConversionRefused(BadRequest):
    """A model that cannot be converted or quantized faithfully; details: source, file."""

    code = "conversion_refused"


class ConversionFailed(WizError, OSError):
    """A conversion or quantizing broke off; details: source, target, log (its last lines)."""

    code = "conversion_failed"


class StoreError(WizError, OSError):
    """The database could not be read or written; details["path"] is its file."""

    code = "store_error"
    default_hint = "See that its disk has room and is writable; nothing else is lost."


class NotPermitted(WizError, PermissionError):
    """A file or folder may not be read, written or deleted; details["path"] is which."""

    code = "not_permitted"
    default_hint = "See who may (`ls -ld PATH`), and whether its disk is mounted read-only."


def not_permitted(
    error: OSError, path: os.PathLike[str] | None = None, what: str = "used"
) -> NotPermitted | None:
    """`error` as ours where it is that something is not allowed; None for every other.

    `path` is what it was about, where the error does not say, and `what` was to be done with it.
    """
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return None
    place = error.filename if isinstance(error.filename, str) else os.fspath(path or "")
    named = place.encode("utf-8", "backslashreplace").decode()
    return NotPermitted(
        f"{named or 'A file'} may not be {what}: {error.strerror or 'permission denied'}.",
        hint=NotPermitted.default_hint.replace("PATH", named or "PATH"),
        path=named,
    )


class InternalError(WizError, RuntimeError):
    """A bug of this project; the log of the process named in the message has the traceback."""

    code = "internal_error"
    default_hint = "`jupyter wiz logs` has the traceback: please report it."


def unexpected(error: BaseException, what: str) -> WizError:
    """An exception that nothing foresaw as ours: a bug, unless a part of this package is gone."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("wiz_kernel_ext"):
        return PackageGone(f"{error.name} is not there any more: the package was removed or moved.")
    return InternalError(what)
