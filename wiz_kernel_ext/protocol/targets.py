"""Every handler's name and the request it takes: all that can be asked, from the definitions."""

from __future__ import annotations

from wiz_kernel_ext.protocol import (  # noqa: F401 -- their definition is what counts
    embedding,
    hub_requests,
    prompt_views,
)
from wiz_kernel_ext.protocol.requests import AnyRequest, all_requests

TARGETS: dict[str, type[AnyRequest]] = {request.target: request for request in all_requests()}
