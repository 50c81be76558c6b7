"""Loading, looking, following and ending, in a real IPython shell with a scripted client."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tests.notebook.conftest import Cells
from tests.support.fake_client import FakeOperation, said
from wiz_kernel_ext.errors import (
    ModelNotLoaded,
    OperationNotFound,
)
from wiz_kernel_ext.protocol.events import Delta
from wiz_kernel_ext.protocol.requests import Load, UnloadModel
from wiz_kernel_ext.protocol.results import OperationInfo


def test_load_climbs_the_ladder_and_says_what_is_loaded_and_in_which_session(
    cells: Cells,
) -> None:
    cells.must("%wiz_load demo --ctx 2048 --seqs 2 --threads 2 --gpu-layers auto --keep-alive 30m")
    (load,) = cells.client.asked
    assert isinstance(load, Load) and load.session and load.session.startswith("terminal-")
    assert msgspec.structs.replace(load, session=None) == Load(
        model="demo", fetch=True, gpu_layers="auto", keep_alive_s=1800.0,
        context_size=2048, sequences=2, threads=2,
    )  # fmt: skip
    text = cells.drawn[0]
    assert text.startswith("demo (1.0 MB)")
    assert "session terminal-" in text


def test_load_resolves_a_path_where_the_kernel_is(cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "my model.gguf").touch()
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        cells.must("%wiz_load 'my model.gguf' --reload")
    finally:
        os.chdir(here)
    (load,) = cells.client.asked
    assert isinstance(load, Load)
    assert (load.model, load.reload) == (str(tmp_path / "my model.gguf"), True)


def test_load_without_a_model_takes_the_configured_one(cells: Cells) -> None:
    cells.must("%config WizMagics.model = 'demo'\n%config WizMagics.context_size = 4096")
    cells.must("%wiz_load")
    (load,) = cells.client.asked
    assert isinstance(load, Load)
    assert (load.model, load.context_size) == ("demo", 4096)


def test_an_interrupted_load_is_cancelled(cells: Cells) -> None:
    cells.client.load = FakeOperation([[Delta(text="")]], interrupt_after=0)
    assert isinstance(cells.run("%wiz_load demo"), KeyboardInterrupt)
    assert cells.client.load.is_cancelled
    assert cells.drawn == ["demo: not loaded"]


def test_what_the_service_refuses_fails_the_cell(cells: Cells) -> None:
    cells.client.refusal = ModelNotLoaded()
    assert isinstance(cells.run("%wiz_prompt x"), ModelNotLoaded)
    assert isinstance(cells.run("%wiz_load demo"), ModelNotLoaded)
    assert isinstance(cells.run("%wiz_unload demo"), ModelNotLoaded)


def test_status_draws_tables(cells: Cells) -> None:
    cells.client.known = [OperationInfo(id="op7", kind="prompt", state="done", title="Hi")]
    cells.must("%wiz_status")
    assert "Wiz service 0.1.0, pid 7" in cells.drawn[0]
    assert "op7" in cells.drawn[0]
    bundle = cells.shell.display_pub.outputs[0]["data"]
    assert "&lt;demo&gt;" in bundle["text/html"]


def test_ops_lists_operations(cells: Cells) -> None:
    cells.client.known = [
        OperationInfo(id=f"op{n}", kind="prompt", state="done", title="Hi") for n in range(3)
    ]
    cells.must("%wiz_ops -n 2")
    assert "op1" in cells.drawn[0]
    assert "op2" not in cells.drawn[0]


def test_attach_takes_what_runs_before_what_was_last(cells: Cells) -> None:
    cells.client.known = [
        OperationInfo(id="op9", kind="prompt", state="done"),
        OperationInfo(id="op8", kind="prompt", state="running", session="notes"),
    ]
    cells.client.prompts = [said("Still ", "here", id="op8")]
    cells.must("%wiz_attach -o reply")
    assert cells.shell.user_ns["reply"] == "Still here"
    assert "session notes" in cells.drawn[1]


def test_attach_and_cancel_name_an_operation_that_is_not_there(cells: Cells) -> None:
    assert isinstance(cells.run("%wiz_attach nope"), OperationNotFound)
    assert isinstance(cells.run("%wiz_attach"), OperationNotFound)


def test_attach_follows_a_load_as_well(cells: Cells) -> None:
    cells.client.known = [OperationInfo(id="op3", kind="load", state="running", title="demo.gguf")]
    cells.client.prompts = [FakeOperation([], None)]
    cells.must("%wiz_attach op3")
    assert cells.drawn == ["demo.gguf: done"]


def test_cancel_ends_one_or_all_of_this_notebook(cells: Cells) -> None:
    cells.must("%wiz_cancel op1")
    assert cells.drawn == ["Cancelled: op1"]
    cells.must("%wiz_cancel")
    assert cells.client.cancelled[1] is None
    assert str(cells.client.cancelled[2]).startswith("id-terminal-")
    assert cells.drawn[-1] == "Nothing was running."


def test_unload_tells_what_was_given_back(cells: Cells) -> None:
    cells.must("%wiz_unload demo --force")
    assert cells.client.asked == [UnloadModel(model_path="demo", force=True)]
    assert cells.drawn == ["demo.gguf unloaded, 5.0 MB given back."]


def test_unload_of_nothing_is_no_error_unless_something_was_named(cells: Cells) -> None:
    cells.client.refusal = ModelNotLoaded()
    cells.must("%wiz_unload")
    assert cells.drawn == ["No model is loaded."]


def test_stop_ends_the_service_once(cells: Cells) -> None:
    cells.must("%wiz_stop")
    assert not cells.client.is_running
    assert cells.client.is_closed
    cells.must("%wiz_stop")
    assert cells.drawn[-1].startswith("No service is running.")


@pytest.mark.parametrize("magic", ["status", "ops", "cancel op1", "unload", "stop"])
def test_looking_or_ending_starts_no_service(cells: Cells, magic: str) -> None:
    cells.client.is_running = False
    cells.must(f"%wiz_{magic}")
    assert cells.drawn[0].startswith("No service is running.")


def test_the_extension_can_be_unloaded_and_loaded_again(cells: Cells) -> None:
    cells.must("%load_ext wiz_kernel_ext")
    cells.must("%unload_ext wiz_kernel_ext")
    assert cells.run("%wiz_status") is not None
    assert "WizMagics" not in [type(c).__name__ for c in cells.shell.configurables]
    cells.must("%load_ext wiz_kernel_ext")


def test_a_wrong_default_in_the_profile_is_told_and_the_rest_works(
    cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    cells.must("%load_ext wiz_kernel_ext\n%unload_ext wiz_kernel_ext")
    cells.shell.config.WizMagics.top_k = "many"
    cells.shell.config.WizMagics.temperature = 0.25
    cells.must("%load_ext wiz_kernel_ext")
    said = capsys.readouterr().err
    assert "WizMagics.top_k is 'many'; it takes a whole number" in said
    magics = cells.shell.magics_manager.registry["WizMagics"]
    assert (magics.top_k, magics.temperature) == (None, 0.25)
    cells.shell.config.WizMagics.clear()
