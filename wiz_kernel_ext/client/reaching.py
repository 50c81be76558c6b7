"""The way to the service that this client can share, whatever runs when it comes.

Finds it, starts it, has an older one replaced or goes to one of its own: `meeting` has the rules.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import replace

from wiz_kernel_ext.client.discovery import find_or_start
from wiz_kernel_ext.client.meeting import (
    apart_name,
    is_kept_for_newer,
    meet,
    said_apart,
    said_no_engine,
    said_replacing,
    starter,
)
from wiz_kernel_ext.errors import (
    ServiceDied,
    ServiceError,
    ServiceNotRunning,
    ServiceStopping,
    VersionMismatch,
    WizError,
)
from wiz_kernel_ext.protocol.codec import PROTOCOL_VERSION
from wiz_kernel_ext.protocol.requests import StopService
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.discovery import find, find_soon, has_ended
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, Places, places
from wiz_kernel_ext.transport.locks import is_held
from wiz_kernel_ext.transport.python_environment import (
    keep_environment,
    known_environment,
    last_environment,
)
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink

STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.02
# One whose files were removed is back in a fraction of it; one that ends is gone.
COME_BACK_S = 1.0
MAX_MEETINGS = 4

log = logging.getLogger(__name__)
_said: set[str] = set()


def reach_running(settings: Settings, *, stopping: bool = False) -> tuple[ConnectionInfo, Places]:
    """The service that runs and can be asked; when `stopping`, also one of another protocol.

    Raises ServiceNotRunning, VersionMismatch, and ServiceError for what is another user's.
    """
    where = places(settings)
    info = find_soon(where, COME_BACK_S)
    if info is not None and info.protocol == PROTOCOL_VERSION:
        return info, where
    own = places(replace(settings, name=apart_name(settings.name, PROTOCOL_VERSION)))
    if apart := find(own):
        return apart, own
    if info is None:
        where.check_owners()
        raise ServiceNotRunning("The wiz service is not running.")
    if stopping:
        return info, where
    raise _mismatch(info)


async def reach(settings: Settings) -> tuple[ConnectionInfo, Places]:
    """The service to ask, started or made room for where that is needed.

    Raises ServiceStartFailed, VersionMismatch, and ServiceError where one does not answer.
    """
    where = places(settings)
    own = await asyncio.to_thread(known_environment, where.engines_file)
    for _ in range(MAX_MEETINGS):
        info = find(where)
        last = last_environment(where.environment_file)
        if info is None and last is not None and is_kept_for_newer(own, last):
            settings, where = _apart(settings, said_apart(own, last))
            continue
        if info is None:
            info = await asyncio.to_thread(find_or_start, settings, where)
            last = last_environment(where.environment_file)
        starting = starter(own, last)
        meeting = meet(starting, info)
        if meeting == "share":
            if not info.has_engine and not starting.has_engine:
                _say_once(said_no_engine(own))
            return info, where
        if meeting == "apart":
            settings, where = _apart(settings, said_apart(own, info))
            continue
        if starting == own and own.has_engine:
            # Who comes between the end of one and the start of the next starts the same.
            keep_environment(where.environment_file, own)
        if meeting == "replace":
            _say_once(said_replacing(own, info))
        if not await _replaced(info, settings, where, drained=meeting == "replace"):
            return info, where
    raise VersionMismatch(
        f"Other versions of wiz_kernel_ext keep starting their services; this one speaks protocol "
        f"{PROTOCOL_VERSION}."
    )


async def ended(where: Places, info: ConnectionInfo | None, timeout_s: float) -> None:
    """Wait until the service that `info` describes has really ended, or whichever is there.

    Another may have taken its place before this one looks. Raises ServiceError if it does not end.
    """
    deadline = time.monotonic() + timeout_s
    while is_held(where.alive_file) if info is None else not has_ended(where, info):
        if time.monotonic() > deadline:
            raise ServiceError(
                "The service was told to stop but is still there.",
                hint="`jupyter wiz logs` tells what it is doing.",
            )
        await asyncio.sleep(POLL_S)


def _apart(settings: Settings, why: str) -> tuple[Settings, Places]:
    _say_once(why)
    apart = replace(settings, name=apart_name(settings.name, PROTOCOL_VERSION))
    return apart, places(apart)


async def _replaced(
    info: ConnectionInfo, settings: Settings, where: Places, *, drained: bool
) -> bool:
    """Have a service make room; False where it is to stay since it is in use."""
    link = ZmqClientLink(info.endpoint, info.server_key, uuid.uuid4().hex)
    client = CommClient(link)
    await client.start()
    try:
        request = StopService(when="drained" if drained else "free")
        comm = await client.open(request.target, request)
        await asyncio.wait_for(comm.result(), ANSWER_TIMEOUT_S)
    except (ServiceDied, ServiceStopping):
        pass
    except (WizError, asyncio.TimeoutError):
        if drained:
            raise _mismatch(info) from None
        return False
    finally:
        await client.close()
    await ended(where, info, settings.drain_wait_s + STOP_TIMEOUT_S)
    return True


def _mismatch(info: ConnectionInfo) -> VersionMismatch:
    return VersionMismatch(
        f"The running service (pid {info.pid}, version {info.version}) speaks protocol "
        f"{info.protocol}; this one speaks {PROTOCOL_VERSION}.",
        pid=info.pid,
    )


def _say_once(text: str) -> None:
    """To whoever asks, on standard error unless the program logs elsewhere."""
    if text not in _said:
        _said.add(text)
        log.warning("%s", text)


def keep_for_next(where: Places) -> None:
    """Who stops the service is who starts the next one, with an engine."""
    own = known_environment(where.engines_file)
    if own.has_engine and where.data_dir.is_dir():
        last = last_environment(where.environment_file)
        if not is_kept_for_newer(own, last):
            keep_environment(where.environment_file, own)
