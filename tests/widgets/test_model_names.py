"""One name for one model, whoever mentions it."""

from __future__ import annotations

from typing import Any

from tests.support.fake_client import FakeClient
from wiz_kernel_ext.notebook.widgets.model_names import ModelNames
from wiz_kernel_ext.protocol.hub import LibraryModel
from wiz_kernel_ext.protocol.results import OperationInfo, ServiceInfo, Status, WorkerInfo

SERVICE = ServiceInfo(pid=7, version="1", connection_file="")


def test_a_worker_and_its_loads_have_the_name_that_a_person_types() -> None:
    client: Any = FakeClient(library=[LibraryModel(name="demo", path="/d/x.gguf", origin="demo")])
    status = Status(
        service=SERVICE,
        workers=[
            WorkerInfo(pid=1, model="wiz demo", model_path="/d/x.gguf", loads=1),
            WorkerInfo(pid=2, model="tiny", model_path="/elsewhere/slow.gguf", loads=1),
        ],
        operations=[
            OperationInfo(
                id="1", kind="load", state="done", title="x.gguf", model_path="/d/x.gguf"
            ),
            OperationInfo(id="2", kind="setup", state="running", title="/elsewhere/slow.gguf"),
            OperationInfo(id="3", kind="setup", state="running", title="demo"),
            OperationInfo(id="4", kind="prompt", state="running", title="x.gguf"),
        ],
    )
    named = ModelNames(client).over(status)
    assert [worker.model for worker in named.workers] == ["demo", "tiny"]
    assert [o.title for o in named.operations] == ["demo", "tiny", "demo", "x.gguf"]


def test_a_file_that_is_not_among_the_models_has_its_own_name() -> None:
    # One that was loaded by its path is among them by that only.
    by_its_path = LibraryModel(name="/m/some.gguf", path="/m/some.gguf", origin="path")
    for library in ([], [by_its_path]):
        client: Any = FakeClient(library=library)
        assert ModelNames(client).of("/m/some.gguf") == "some.gguf"
        assert ModelNames(client).of("/m/some.gguf", "tiny") == "tiny"
