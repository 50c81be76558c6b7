"""Whether the hub answers, and takes the token: one question each, without a model."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from wiz_kernel_ext.hub.fetch.tasks import Reach
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.hub.token import token_file

_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered, and as whom it knows the asker ("" where no token was sent)."""

    endpoint: str
    user: str = ""


async def reach(*, with_token: bool, environment: Mapping[str, str] | None = None) -> Reached:
    """Ask the hub; raises HubUnreachable (details: offline), HubAccessDenied."""
    return await run_task(Reach(with_token=with_token), Reached, environment=environment)


def token_source(environment: Mapping[str, str] = os.environ) -> str:
    """Where the token of this user is from: a variable's name or a file; "" where there is none."""
    for name in _VARIABLES:
        if environment.get(name):
            return name
    file = token_file(environment)
    try:
        return str(file) if file.read_text().strip() else ""
    except (OSError, UnicodeDecodeError):
        return ""
