"""What went wrong with the hub or the cache, in words its user can act upon.

Knows huggingface_hub's exceptions; runs in the child. Never repeats an exception's own text: it
may hold signed addresses or a token.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from huggingface_hub import constants, errors, get_token

from wiz_kernel_ext.errors import (
    DiskFull,
    DownloadFailed,
    HubAccessDenied,
    HubNotFound,
    HubUnreachable,
    WizError,
)
from wiz_kernel_ext.hub.fetch.bounds import misbehaved
from wiz_kernel_ext.hub.fetch.http import is_transport_error, root_cause
from wiz_kernel_ext.surroundings import shown

ENDPOINT = shown(constants.ENDPOINT)
LOGIN_HINT = "Log in with `hf auth login`, or set HF_TOKEN, and run it again."
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SKEW_S = 300.0
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Subject:
    """What was asked for: a repository, a file of it, a search."""

    repo: str = ""
    file: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        at = f" (revision {self.revision})" if self.revision else ""
        of = f"{self.file} of {self.repo}" if self.file and self.repo else self.file or self.repo
        return f"{of or 'this search'}{at}"

    @property
    def page(self) -> str:
        """Where to look at the repository."""
        return f"{ENDPOINT}/{self.repo}"


def explain(error: BaseException, subject: Subject) -> WizError:
    """`error`, raised for `subject`, as ours."""
    if isinstance(error, WizError):
        return error
    details = {"repo": subject.repo, "file": subject.file, "revision": subject.revision}
    found = _missing(error, subject, details) or _unreachable(error, subject, details)
    if found is not None:
        return found
    if isinstance(error, OSError) and not isinstance(error, errors.HfHubHTTPError):
        return _not_written(error, subject, details)
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError | RecursionError):
        return misbehaved(f"{subject} in a way that no hub does ({type(error).__name__})")
    return DownloadFailed(
        f"Fetching {subject} failed ({type(error).__name__}).",
        hint="Run it again in a while; report it if it stays.",
        **details,
    )


def status_of(error: BaseException) -> int | None:
    """The status of the answer that `error` is about; None if there was none."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def is_retried(error: BaseException) -> bool:
    """Whether the same request may well succeed a moment later."""
    if is_transport_error(error):
        return not _certificate_words(error)
    return status_of(error) in RETRIED_STATUSES


def _missing(error: BaseException, subject: Subject, details: dict[str, Any]) -> WizError | None:
    # The task matters: a gated repository is also "not found".
    match error:
        case errors.GatedRepoError():
            return HubAccessDenied(
                f"{subject} is gated: its owners grant access on its page.",
                hint=f"Ask for access at {subject.page}. {LOGIN_HINT}",
                page=subject.page,
                **details,
            )
        case errors.RepositoryNotFoundError():
            who = "your token can see" if get_token() else "is public"
            return HubNotFound(
                f"There is no repository {subject.repo} that {who}{_asked_for(subject)}.",
                hint=f"Look at its name for a slip: {subject.page}. Is it private? {LOGIN_HINT}",
                page=subject.page,
                **details,
            )
        case errors.RevisionNotFoundError():
            return HubNotFound(
                f"{subject.repo} has no revision {subject.revision!r}{_asked_for(subject)}.",
                hint=f"Its branches and tags: {subject.page}/refs.",
                **details,
            )
        case errors.LocalEntryNotFoundError():
            return None
        case errors.EntryNotFoundError():
            return HubNotFound(
                f"{subject.repo} has no file {subject.file}.",
                hint=f"Its files: {subject.page}/tree/{subject.revision or 'main'}.",
                **details,
            )
    status = status_of(error)
    if status in (401, 403):
        if skew := _clock_skew(error):
            return _wrong_clock(subject, skew, details)
        return HubAccessDenied(
            f"The hub refused {subject} ({status}): it does not take this token.",
            hint=f"Make another at {ENDPOINT}/settings/tokens. {LOGIN_HINT}",
            page=subject.page,
            **details,
        )
    return None


def _asked_for(subject: Subject) -> str:
    return f" (asked for {subject.file})" if subject.file else ""


def _unreachable(
    error: BaseException, subject: Subject, details: dict[str, Any]
) -> WizError | None:
    endpoint = ENDPOINT
    if isinstance(error, errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        what = f"{subject} is not on this machine" if subject.file else "The hub is not asked"
        return HubUnreachable(
            f"{what}: offline mode is set.",
            hint="Unset HF_HUB_OFFLINE to fetch it, or take one of those that `wiz models` lists.",
            offline=True,
            **details,
        )
    status = status_of(error)
    if status == 429:
        return HubUnreachable(
            f"The hub has had too many requests from here and refused {subject} (429).",
            hint="Wait some minutes and run it again; a logged-in user may ask more often.",
            endpoint=endpoint,
            **details,
        )
    if status is not None and isinstance(error, errors.HfHubHTTPError):
        return HubUnreachable(
            f"{endpoint} answered {status} for {subject}.",
            hint="The hub is in trouble: run it again in a while.",
            endpoint=endpoint,
            **details,
        )
    if not is_transport_error(error) and not isinstance(error, errors.LocalEntryNotFoundError):
        return None
    if words := _certificate_words(error):
        return HubUnreachable(
            f"{endpoint} could not be trusted for {subject}: its certificate {words}.",
            hint="Check this machine's clock, and SSL_CERT_FILE behind a company's proxy.",
            endpoint=endpoint,
            **details,
        )
    why = "its name is not found" if root_cause(error, "gaierror") else "there is no connection"
    goes_on = "; it goes on where it was" if subject.file else ""
    return HubUnreachable(
        f"{endpoint} cannot be reached for {subject}: {why}.",
        hint=f"Check the network, HF_ENDPOINT and HTTPS_PROXY, then run it again{goes_on}.",
        endpoint=endpoint,
        **details,
    )


def _not_written(error: OSError, subject: Subject, details: dict[str, Any]) -> WizError:
    place = error.filename or constants.HF_HUB_CACHE
    if error.errno in _NO_ROOM:
        return DiskFull(
            f"The disk of {constants.HF_HUB_CACHE} is full: {subject} does not fit.", **details
        )
    return DownloadFailed(
        f"{subject} could not be written to {place}: {error.strerror or type(error).__name__}.",
        hint="See that the cache is writable, or point HF_HOME to a place that is.",
        **details,
    )


def _certificate_words(error: BaseException) -> str:
    if cause := root_cause(error, "SSLCertVerificationError"):
        text = str(cause)
        if "not yet valid" in text:
            return "is not valid yet"
        return "has expired" if "expired" in text else "does not check out"
    return ""


def _clock_skew(error: BaseException) -> float:
    """How far this machine's clock is ahead of the answer's, in seconds; 0 within tolerance."""
    date = getattr(getattr(error, "response", None), "headers", {}).get("Date", "")
    try:
        skew_s = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return skew_s if abs(skew_s) > _SKEW_S else 0.0


def _wrong_clock(subject: Subject, skew_s: float, details: dict[str, Any]) -> WizError:
    way = "ahead of" if skew_s > 0 else "behind"
    return HubAccessDenied(
        f"The hub refused {subject}: this machine's clock is {abs(skew_s) / 60:.0f} minutes {way}"
        " the hub's, so its signed addresses look expired.",
        hint="Set the clock (timedatectl set-ntp true) and run it again.",
        page=subject.page,
        **details,
    )
