"""Every request that can be said has one handler, and the table knows no others."""

from __future__ import annotations

from unittest.mock import Mock

from wiz_kernel_ext.protocol.targets import TARGETS
from wiz_kernel_ext.service.handlers.models import ModelHandlers
from wiz_kernel_ext.service.handlers.service import ServiceHandlers
from wiz_kernel_ext.service.handlers.worker import WorkerHandlers


def test_every_request_has_exactly_one_handler() -> None:
    part = Mock()
    tables = [
        WorkerHandlers(part, part, part, part, part, part).table(),
        ModelHandlers(part, part, part, part).table(),
        ServiceHandlers(part, part, part, part, part, part, part, part).table(),
    ]
    handled = [request for table in tables for request in table]
    assert len(handled) == len(set(handled))
    assert set(handled) == set(TARGETS.values())
