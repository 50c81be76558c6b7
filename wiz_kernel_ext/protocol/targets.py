"""Every handler's name and the request it takes: the whole list of what can be asked."""

from __future__ import annotations

from wiz_kernel_ext.protocol.hub_requests import HUB_REQUESTS
from wiz_kernel_ext.protocol.requests import SERVICE_REQUESTS, WORKER_REQUESTS, Request

TARGETS: dict[str, type[Request]] = {
    request.target: request for request in WORKER_REQUESTS + SERVICE_REQUESTS + HUB_REQUESTS
}
