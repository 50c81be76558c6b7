"""Every request that can be said has one handler, and the table knows no others."""

from __future__ import annotations

from typing import Any, get_args
from unittest.mock import Mock

import msgspec
import pytest

from wiz_kernel_ext.protocol.requests import AnyRequest, result_type
from wiz_kernel_ext.protocol.results import OperationKind
from wiz_kernel_ext.protocol.targets import TARGETS
from wiz_kernel_ext.service.handlers.embedding import EmbeddingHandlers
from wiz_kernel_ext.service.handlers.models import ModelHandlers
from wiz_kernel_ext.service.handlers.service import ServiceHandlers
from wiz_kernel_ext.service.handlers.worker import WorkerHandlers


@pytest.mark.parametrize("request_type", TARGETS.values(), ids=list(TARGETS))
def test_a_request_says_all_that_is_to_be_known_of_it(request_type: type[AnyRequest]) -> None:
    assert request_type.__doc__
    # What it ends in can be decoded, so that `Client.request` is a face of every request.
    msgspec.msgpack.Decoder(result_type(request_type))
    assert not (request_type.operation and request_type.is_lookup)
    kinds = {*get_args(OperationKind), "any", None}
    assert request_type.operation in kinds


def test_requests_of_one_kind_of_operation_end_alike() -> None:
    ends: dict[str, set[Any]] = {}
    for request in TARGETS.values():
        ends.setdefault(request.operation or "", set()).add(str(result_type(request)))
    del ends[""]
    assert all(len(results) == 1 for results in ends.values()), ends


def test_every_request_has_exactly_one_handler() -> None:
    part = Mock()
    tables = [
        WorkerHandlers(part, part, part, part, part, part, part).table(),
        ModelHandlers(part, part, part, part).table(),
        ServiceHandlers(*[part] * 10).table(),
        EmbeddingHandlers(part).table(),
    ]
    handled = [request for table in tables for request in table]
    assert len(handled) == len(set(handled))
    assert set(handled) == set(TARGETS.values())
