"""What an asker's environment says of hubs and of where models lie: it counts for its request.

The service lives longer than the environment it was started in, and an asker's may change from cell
to cell (`%env HF_TOKEN=…`). So these variables travel beside each request that can need them, and
count while that is answered. They are written nowhere: not into a log, a record or an error, and a
child is told them on its standard input, as others can read what a process was started with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
"""Variables that are a token; no process of ours is started with one."""
_PREFIXES = ("HF_", "HUGGING_FACE_", "HUGGINGFACE_")
_PLACES = {
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_ASSETS_CACHE",
    "HF_XET_CACHE",
    "HF_TOKEN_PATH",
    "HF_STORED_TOKENS_PATH",
    "XDG_CACHE_HOME",
    "OLLAMA_MODELS",
    "LLAMA_CACHE",
    "LLAMA_CPP_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
}
_OTHERS = _PLACES | {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TRANSFORMERS_OFFLINE"}

_DIRECTORY = "WIZ_ASKED_FROM"

_insisted: dict[str, str] = {}
_told: ContextVar[Mapping[str, str] | None] = ContextVar("surroundings", default=None)


def counts(name: str) -> bool:
    """Whether the variable called `name` is one that the asker's word counts for."""
    return name.startswith(_PREFIXES) or name.upper() in _OTHERS


def told_by_this_process(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What this process, an asker, has to say; its relative places made absolute."""
    told = {
        name: _absolute(value) if name in _PLACES and value else value
        for name, value in environ.items()
        if counts(name)
    }
    try:
        told[_DIRECTORY] = os.getcwd()  # noqa: PTH109 - a text is told
    except OSError:  # it was deleted: names that need none are found all the same
        told.pop(_DIRECTORY, None)
    return {name: value for name, value in told.items() if _is_text(value)}


@contextmanager
def asked_from(told: Mapping[str, str] | None) -> Iterator[None]:
    """For the block, and for tasks and threads begun in it, `environment` is as `told` says.

    None is an asker that says nothing: this process's own words count.
    """
    token = _told.set(told)
    try:
        yield
    finally:
        _told.reset(token)


def environment() -> Mapping[str, str]:
    """The environment that counts here: this process's, with the words of whoever asks."""
    told = _told.get()
    if told is None:
        return {**os.environ, **_insisted}
    own = {name: value for name, value in os.environ.items() if not counts(name)}
    said = {name: value for name, value in told.items() if counts(name)}
    return {**own, **said, **_insisted}


def insist(values: Mapping[str, str]) -> None:
    """Have these variables count in this process whatever an asker says: an administrator's."""
    _insisted.clear()
    _insisted.update(values)


def directory() -> Path | None:
    """Where the asker is, for relative paths; None where that is not told, or gone."""
    place = (_told.get() or {}).get(_DIRECTORY)
    return Path(place) if place else None


def who_asks() -> frozenset[tuple[str, str]]:
    """What tells askers apart that may not share one piece of work; not to be written anywhere."""
    return frozenset((name, value) for name, value in environment().items() if counts(name))


def apart(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """`environ` in two: what a child may be started with, and what it is told afterwards."""
    open_ones = {name: value for name, value in environ.items() if not counts(name)}
    return open_ones, {name: value for name, value in environ.items() if counts(name)}


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` as a process of ours may be started with it."""
    return {name: value for name, value in environ.items() if name not in SECRETS}


def without_tokens(text: str, environ: Mapping[str, str]) -> str:
    """`text` with nothing in it that could be a token."""
    for name in SECRETS:
        if token := environ.get(name, ""):
            text = text.replace(token, "hf_…")
    return re.sub(r"hf_[A-Za-z0-9]{8,}", "hf_…", text)


def shown(address: str) -> str:
    """An address as it may be shown: without the user's name and password in it."""
    return re.sub(r"//[^/?#]*@", "//", address)


def public(name: str) -> str:
    """A name as it may be kept and shown: pasted with a token or a password in it, without."""
    return without_tokens(shown(name), environment())


def _absolute(place: str) -> str:
    try:
        return os.path.abspath(os.path.expandvars(os.path.expanduser(place)))  # noqa: PTH100, PTH111
    except OSError:  # the working directory is gone
        return place


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
