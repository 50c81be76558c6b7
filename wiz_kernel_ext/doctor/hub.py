"""Whether the hub can be reached, and takes this user's token; the token itself is never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from wiz_kernel_ext.doctor.finding import Around, Finding, failed
from wiz_kernel_ext.errors import HubUnreachable, WizError
from wiz_kernel_ext.hub.reach import Reached, reach, token_source

TIMEOUT_S = 12.0


def hub(around: Around) -> Iterator[Finding]:
    """Whether a hub answers whoever asks."""
    try:
        reached = _reached(around, with_token=False)
    except WizError as error:
        yield _unreached("hub", error)
        return
    yield Finding(about="hub", text=f"{reached.endpoint} answers")


def token(around: Around) -> Iterator[Finding]:
    """Whether the hub takes the token, where there is one."""
    source = token_source(around.environment)
    if not source:
        yield Finding(about="token", text="none: public models need none")
        return
    try:
        reached = _reached(around, with_token=True)
    except HubUnreachable as error:
        yield _unreached("token", error)
    except WizError as error:
        yield failed("token", error)
    else:
        who = f" as {reached.user}" if reached.user else ""
        yield Finding(about="token", text=f"of {source}: taken{who}")


def _reached(around: Around, *, with_token: bool) -> Reached:
    async def ask() -> Reached:
        asking = reach(with_token=with_token, environment=around.environment)
        try:
            return await asyncio.wait_for(asking, TIMEOUT_S)
        except asyncio.TimeoutError:
            raise HubUnreachable(
                f"No word from the hub within {TIMEOUT_S:.0f} s.",
                hint="Check the network, HF_ENDPOINT and HTTPS_PROXY.",
            ) from None

    return asyncio.run(ask())


def _unreached(about: str, error: WizError) -> Finding:
    """Without a hub all that is here works."""
    if error.details.get("offline"):
        return Finding(about=about, text="not asked: offline mode is set (HF_HUB_OFFLINE)")
    return failed(about, error, "note")
