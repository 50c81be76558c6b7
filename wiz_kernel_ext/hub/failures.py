"""What went wrong with a download, in words its user can act upon.

Knows huggingface_hub's exceptions; runs in the child process that downloads. Never repeats an
exception's own text: it may hold signed addresses.
"""

from __future__ import annotations

import errno

from huggingface_hub import constants, errors

from wiz_kernel_ext.errors import DownloadFailed

TOKEN_HINT = "Log in with `hf auth login`, or set HF_TOKEN, and try again."
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def explain(error: Exception, repo: str, file: str, revision: str | None) -> DownloadFailed:
    """`error`, raised while `file` of `repo` was fetched, as ours."""
    page = f"{constants.ENDPOINT}/{repo}"
    at = f" at revision {revision!r}" if revision else ""
    message, hint = _explain(error, repo, file, at, page)
    return DownloadFailed(message, hint=hint, repo=repo, file=file, revision=revision)


def _explain(error: Exception, repo: str, file: str, at: str, page: str) -> tuple[str, str]:
    what = f"{file} of {repo}"
    match error:
        # The order matters: a gated repository is also "not found", a local miss also an entry's.
        case errors.GatedRepoError():
            hint = f"Visit {page} to ask for access. {TOKEN_HINT}"
            return f"{what} is gated: its owner must grant access.", hint
        case errors.RepositoryNotFoundError():
            hint = f"Check its name at {page}. Is it private? {TOKEN_HINT}"
            return f"There is no repository {repo} (asked for {file}).", hint
        case errors.RevisionNotFoundError():
            return f"{repo} has no such revision (asked for {file}{at}).", f"See {page}/refs."
        case errors.OfflineModeIsEnabled():
            return _offline(what)
        case errors.LocalEntryNotFoundError():
            if constants.HF_HUB_OFFLINE:
                return _offline(what)
            # The cache was only looked at because the hub gave no answer, or an odd one.
            why = error.__cause__
            return (
                _refused(why, what)
                if isinstance(why, errors.HfHubHTTPError)
                else _unreachable(what)
            )
        case errors.EntryNotFoundError():
            return f"{repo} has no file {file}{at}.", f"See {page}/tree/main for its files."
        case errors.HfHubHTTPError():
            return _refused(error, what)
        case errors.HFValidationError():
            return f"{repo!r} is no repository's name.", 'Names look like "owner/name".'
        case OSError(errno=number) if number in _NO_ROOM:
            hint = f"Make room, or point HF_HOME elsewhere (now {constants.HF_HOME})."
            return f"The disk is full: {what} does not fit.", hint
        case PermissionError() | FileNotFoundError() | NotADirectoryError():
            hint = f"Check {error.filename or constants.HF_HOME}, or point HF_HOME elsewhere."
            return f"{what} could not be written: {error.strerror}.", hint
    if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
        return _unreachable(what)
    return f"{what} could not be fetched ({type(error).__name__}).", "Try again in a while."


def _offline(what: str) -> tuple[str, str]:
    return f"{what} is not in the cache, and offline mode is set.", "Unset HF_HUB_OFFLINE."


def _unreachable(what: str) -> tuple[str, str]:
    return (
        f"{what} could not be fetched: {constants.ENDPOINT} cannot be reached, or broke off.",
        "Check the network (and HF_ENDPOINT, HTTPS_PROXY), then try again.",
    )


def _refused(error: errors.HfHubHTTPError, what: str) -> tuple[str, str]:
    status = error.response.status_code
    if status in (401, 403):
        return f"The hub refused {what} ({status}): the token is not accepted.", TOKEN_HINT
    if status == 429:
        return f"The hub has had too many requests and refused {what}.", "Try again in a while."
    return f"The hub answered {what} with status {status}.", "Try again in a while."
