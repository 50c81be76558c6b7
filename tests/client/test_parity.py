"""One set of names: worker, async client and sync client cannot drift apart."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from wiz_kernel_ext import AsyncClient, AsyncOperation, Client, LlamaWorker, Operation
from wiz_kernel_ext.protocol.targets import TARGETS

WORKER_CALLS = [
    "initialize",
    "load_model",
    "create_context",
    "initialize_session",
    "prompt",
    "send_prompt",
    "show",
    "unload_model",
    "download_model",
    "embed",
    "rerank",
    "count",
]


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(function)
    return [(p.name, p.kind, p.default) for p in signature.parameters.values() if p.name != "self"]


def test_every_worker_request_is_a_call() -> None:
    targets = [target.removeprefix("worker:") for target in TARGETS if target.startswith("worker:")]
    snake = ["".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in targets]
    assert snake == WORKER_CALLS


@pytest.mark.parametrize("name", WORKER_CALLS)
def test_the_three_faces_take_the_same_arguments(name: str) -> None:
    faces = [getattr(cls, name) for cls in (LlamaWorker, AsyncClient, Client)]
    assert parameters(faces[0]) == parameters(faces[1]) == parameters(faces[2])
    assert inspect.iscoroutinefunction(faces[0])
    assert inspect.iscoroutinefunction(faces[1])
    assert not inspect.iscoroutinefunction(faces[2])


def test_the_sync_client_has_every_call_of_the_async_one() -> None:
    assert public(AsyncClient) - {"follow", "forgo"} == public(Client)
    for name in public(Client):
        if callable(getattr(Client, name)):
            assert parameters(getattr(Client, name)) == parameters(getattr(AsyncClient, name))


def test_the_two_operations_have_the_same_names() -> None:
    assert public(Operation) - {"batches"} == public(AsyncOperation)


@pytest.mark.parametrize("name", ["Client", "AsyncClient", "Operation", "AsyncOperation"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    cls = {c.__name__: c for c in (Client, AsyncClient, Operation, AsyncOperation)}[name]
    assert cls.__doc__
    undocumented = [n for n in public(cls) if not inspect.getdoc(getattr(cls, n))]
    assert not undocumented
