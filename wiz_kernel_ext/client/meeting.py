"""What a client and a running service do when they meet: share, replace, or go their own ways.

Pure. The rules, of which each follows a strict order, so that two clients never replace in turn:

- One protocol: they share. A service of an environment that ranks lower (no engine, or the same and
  an older version) is replaced while nothing runs and no model is loaded.
- The service's protocol is older: what runs there ends, then one of the newer takes its place;
  unless the older has an engine and the newer has none, since the models would be gone.
- The service's protocol is newer, or it is not to be replaced: the client gets a service of its
  own, named by its protocol, with a database of its own.
"""

from __future__ import annotations

from typing import Literal

from wiz_kernel_ext.errors import BadRequest, WizError, error_from_info
from wiz_kernel_ext.transport.endpoints import ConnectionInfo
from wiz_kernel_ext.transport.python_environment import PythonEnvironment, version_key

_UNKNOWN = ("unknown field", "Invalid enum value")

Meeting = Literal["share", "replace if free", "replace", "apart"]


def starter(asker: PythonEnvironment, last: PythonEnvironment | None) -> PythonEnvironment:
    """Which environment starts a service for `asker`: the better one; of equals, the `last`."""
    if last is None or last.protocol != asker.protocol or asker.rank > last.rank:
        return asker
    return last


def is_kept_for_newer(asker: PythonEnvironment, last: PythonEnvironment | None) -> bool:
    """Whether the service's place belongs to a newer protocol, also while it does not run."""
    return last is not None and last.protocol > asker.protocol


def meet(starting: PythonEnvironment, running: ConnectionInfo) -> Meeting:
    """What a client does about the `running` service, if it would start one in `starting`."""
    if running.protocol > starting.protocol:
        return "apart"
    if running.protocol < starting.protocol:
        return "apart" if running.has_engine and not starting.has_engine else "replace"
    if starting.has_engine != running.has_engine:
        # The environment that is there already may have got its engine meanwhile.
        is_better = starting.has_engine and starting.executable != running.executable
    else:
        is_better = version_key(starting.version) > version_key(running.version)
    return "replace if free" if is_better else "share"


def apart_name(name: str, protocol: int) -> str:
    """The name of the service that clients of `protocol` have for themselves."""
    return f"{name}-p{protocol}"


def said_apart(asker: PythonEnvironment, running: ConnectionInfo | PythonEnvironment) -> str:
    """Why a client has a service of its own."""
    there = f"wiz_kernel_ext {running.version}, protocol {running.protocol}"
    if running.protocol > asker.protocol:
        why = f"is newer ({there}) than this environment ({asker.version}, {asker.protocol})"
        update = f"{asker.executable} -m pip install -U wiz-kernel-ext"
    else:
        why = f"is older ({there}), and this environment has no engine to take its place with"
        update = f"{running.executable} -m pip install -U wiz-kernel-ext"
    return (
        f"The wiz service {why}: a separate one is used here, with its own models in memory and "
        f"its own conversations. To share one: {update}"
    )


def said_replacing(asker: PythonEnvironment, running: ConnectionInfo) -> str:
    """That a client waits for an older service to end."""
    return (
        f"The running wiz service (pid {running.pid}, version {running.version}) is older: what it "
        f"does is finished or kept, then version {asker.version} takes its place."
    )


def said_no_engine(asker: PythonEnvironment) -> str:
    """That no model can be loaded: neither here nor in the service is there an engine."""
    pip = f"{asker.executable} -m pip install llama-cpp-python"
    return (
        f"No model can be loaded: {asker.executable} has no usable engine (llama-cpp-python). "
        f"Install it: {pip}. Or load a model from an environment that has it: its service takes "
        "this one's place."
    )


def explained(
    error: WizError, asker: PythonEnvironment, running: ConnectionInfo | None
) -> WizError:
    """`error`, with what to do where it comes from the service being of another version.

    What an asker sends is checked as it is made: a service that does not know it has other code.
    """
    is_unknown = isinstance(error, BadRequest) and (
        error.code == "unknown_target" or any(words in error.message for words in _UNKNOWN)
    )
    if running is None or not is_unknown:
        return error
    there, here = version_key(running.version), version_key(asker.version)
    service = f"The running service (version {running.version}, pid {running.pid})"
    if there > here:
        why = f"{service} is newer than this one ({asker.version}) and does not know it any more"
        what = f"update this one: {asker.executable} -m pip install -U wiz-kernel-ext"
    elif running.has_engine and not asker.has_engine:
        why = f"{service} is older than this one ({asker.version}) and does not know it"
        what = f"update it: {running.executable} -m pip install -U wiz-kernel-ext"
    else:
        why = f"{service} is older than this one ({asker.version}) and does not know it"
        if there == here:
            why = f"{service} was started before its code was changed and does not know it"
        what = "`wiz stop` ends it, and the next call starts the newer one"
    info = error.info()
    return type(error_from_info(info))(info.message, hint=f"{why}: {what}.", **info.details)
