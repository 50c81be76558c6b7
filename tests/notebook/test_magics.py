"""Every magic in a real IPython shell, against a scripted client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.conftest import Cells
from tests.notebook.fakes import FakeOperation, answer, said
from wiz_kernel_ext.errors import (
    BadRequest,
    ModelNotLoaded,
    OperationCancelled,
    OperationInterrupted,
    OperationNotFound,
    WorkerDied,
)
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import Delta
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel, Prompt, UnloadModel
from wiz_kernel_ext.protocol.results import OperationInfo


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until `condition` holds, which another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def prompt_of(cells: Cells) -> Prompt:
    """The last prompt the client was asked."""
    request = cells.client.asked[-1]
    assert isinstance(request, Prompt)
    return request


def test_load_climbs_the_ladder_and_says_what_is_loaded_and_in_which_session(
    cells: Cells,
) -> None:
    cells.must("%wiz_load demo --ctx 2048 --seqs 2 --threads 2 --gpu-layers auto --keep-alive 30m")
    load, context = cells.client.asked
    assert load == LoadModel(model_path="demo", gpu_layers="auto", keep_alive_s=1800.0)
    assert context == CreateContext(
        model_path="/m/demo.gguf", context_size=2048, sequences=2, threads=2
    )
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
    assert cells.client.asked[0] == LoadModel(
        model_path=str(tmp_path / "my model.gguf"), reload=True
    )


def test_load_without_a_model_takes_the_configured_one(cells: Cells) -> None:
    assert isinstance(cells.run("%wiz_load"), BadRequest)
    cells.must("%config WizMagics.model = 'demo'\n%config WizMagics.context_size = 4096")
    cells.must("%wiz_load")
    assert isinstance(cells.client.asked[1], CreateContext)
    assert cells.client.asked[1].context_size == 4096


def test_an_interrupted_load_is_cancelled(cells: Cells) -> None:
    cells.client.load = FakeOperation([[Delta(text="")]], interrupt_after=0)
    assert isinstance(cells.run("%wiz_load demo"), KeyboardInterrupt)
    assert cells.client.load.is_cancelled
    assert cells.drawn == ["demo: not loaded"]


def test_a_cells_body_is_sent_exactly_as_it_stands(cells: Cells) -> None:
    cells.client.prompts = [said("Hi")]
    cells.must("%%wiz_prompt --temperature 0 --stop END\nWhat is {x} and $y?\n  --top-k 3\n")
    request = prompt_of(cells)
    assert request.prompt == "What is {x} and $y?\n  --top-k 3"
    assert request.options.given() == {"temperature": 0.0, "stop": ["END"]}
    assert request.autoload


def test_the_answer_is_a_variable_and_the_last_output_and_is_drawn_once(cells: Cells) -> None:
    cells.client.prompts = [said("Hel", "lo")]
    cells.must("%wiz_prompt Say hello -o reply")
    cells.must("kept = (_, reply)")
    kept, reply = cells.shell.user_ns["kept"]
    assert kept is reply
    assert isinstance(reply, Answer)
    assert (reply, reply.finish_reason, reply.usage.n_tokens) == ("Hello", "stop", 1)
    assert cells.drawn[0] == "Hello"
    assert len(cells.drawn) == 2


def test_a_magic_is_an_expression_too(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    cells.client.prompts = [said("Hello"), said("Bye")]
    cells.must("reply = %wiz_prompt Say hello")
    assert cells.shell.user_ns["reply"] == "Hello"
    cells.must("%wiz_prompt Say bye")
    assert "Out[" not in capsys.readouterr().out
    cells.must("reply")
    assert "Hello" in capsys.readouterr().out


def test_options_of_the_line_win_over_configured_ones(cells: Cells) -> None:
    cells.client.prompts = [said("a"), said("b")]
    cells.must("%config WizMagics.temperature = 0.2\n%config WizMagics.max_tokens = 9")
    cells.must("%wiz_prompt x --temperature 0.9")
    assert prompt_of(cells).options.given() == {"temperature": 0.9, "max_tokens": 9}
    cells.must("%config WizMagics.temperature = None")
    cells.must("%wiz_prompt y")
    assert prompt_of(cells).options.given() == {"max_tokens": 9}


def test_a_configured_default_out_of_bounds_is_refused(
    cells: Cells, caplog: pytest.LogCaptureFixture
) -> None:
    cells.must("%config WizMagics.temperature = 'hot'")
    assert "expected a number from 0.0 to 100.0" in caplog.text
    assert cells.magics.temperature is None


def test_a_session_is_named_on_the_line_or_configured_or_the_notebooks_own(cells: Cells) -> None:
    cells.client.prompts = [said(text) for text in "abcd"]
    cells.must("%wiz_prompt x")
    cells.must("%wiz_prompt x --session notes --new --system 'Be brief.'")
    cells.must("%config WizMagics.session = 'always'")
    cells.must("%wiz_prompt x")
    own, named, configured = cells.client.opened
    assert own["session"].startswith("terminal-")
    assert named == {"session": "notes", "system_prompt": "Be brief.", "new": True}
    assert configured["session"] == "always"
    assert prompt_of(cells).session == "id-always"


def test_a_notebook_tells_the_service_which_file_it_is(cells: Cells) -> None:
    cells.client.prompts = [said("a")]
    cells.magics.notebook._connection_file = lambda: "/r/kernel-12.json"
    cells.shell.user_ns["__vsc_ipynb_file__"] = "/w/quickstart.ipynb"
    cells.must("%wiz_prompt x")
    opened = cells.client.opened[0]
    assert opened["session"] == "quickstart"
    assert (opened["notebook"], opened["kernel_id"]) == ("/w/quickstart.ipynb", "12")


def test_an_interrupt_cancels_and_keeps_what_there_is(cells: Cells) -> None:
    operation = FakeOperation(
        [[Delta(text="One ")], [Delta(text="two")]],
        interrupt_after=1,
        after_cancel=answer("One", "cancelled"),
    )
    cells.client.prompts = [operation]
    error = cells.run("%wiz_prompt Count -o reply")
    assert isinstance(error, KeyboardInterrupt)
    assert operation.is_cancelled
    reply = cells.shell.user_ns["reply"]
    assert (reply, reply.finish_reason) == ("One", "cancelled")
    assert cells.shell.user_ns["_"] is reply
    assert cells.drawn[0] == "One\n\n*(interrupted)*"


@pytest.mark.parametrize("silence", [TimeoutError(), OperationCancelled("No text.")])
def test_an_interrupt_does_not_wait_for_a_service_that_is_slow_to_say_so(
    cells: Cells, silence: Exception
) -> None:
    cells.client.prompts = [
        FakeOperation([[Delta(text="One ")], []], interrupt_after=1, after_cancel=silence)
    ]
    assert isinstance(cells.run("%wiz_prompt Count"), KeyboardInterrupt)
    assert cells.shell.user_ns["_"] == "One "


def test_an_interrupt_before_anything_was_begun_is_two_lines_too(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cells.client, "start", start)
    for code in ("%wiz_load demo", "%wiz_prompt Hello"):
        error = cells.run(code)
        assert isinstance(error, KeyboardInterrupt)
        shown: Any = error
        assert shown._render_traceback_()[0] == "KeyboardInterrupt: Interrupted."


def test_a_failure_keeps_the_text_on_the_screen_and_fails_the_cell(cells: Cells) -> None:
    cells.client.prompts = [FakeOperation([[Delta(text="half")]], WorkerDied("It died."))]
    assert isinstance(cells.run("%wiz_prompt x"), WorkerDied)
    assert cells.drawn[0] == "half"
    assert "WorkerDied" in cells.drawn[1]


def test_an_answer_cut_off_with_the_service_is_kept_as_far_as_it_got(cells: Cells) -> None:
    error = OperationInterrupted("The service ended.", text="half an answer")
    cells.client.prompts = [FakeOperation([[Delta(text="half")]], error)]
    assert isinstance(cells.run("%wiz_prompt x -o reply"), OperationInterrupted)
    reply = cells.shell.user_ns["reply"]
    assert (reply, reply.finish_reason) == ("half an answer", "interrupted")


def test_in_the_background_the_operation_is_the_result(cells: Cells) -> None:
    operation = said("Hel", "lo")
    cells.client.prompts = [operation]
    cells.must("%wiz_prompt Hello --background -o job")
    job: Any = cells.shell.user_ns["job"]
    assert job is operation
    assert job.result() == "Hello"


def test_in_the_background_an_error_is_told_where_the_answer_would_be(cells: Cells) -> None:
    cells.client.prompts = [FakeOperation([], WorkerDied("It died.", hint="Run it again."))]
    cells.must("%wiz_prompt Hello --background")
    wait_for(lambda: "It died. → Run it again. · session" in cells.drawn[1])


def test_a_cell_may_ask_any_number_of_times(
    cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    cells.client.prompts = [said("Hello") for _ in range(1500)]
    cells.must("for _i in range(1500):\n    %wiz_prompt Hello\n40 + 2")
    assert "42" in capsys.readouterr().out


def test_the_screen_can_be_told_to_be_plain(
    cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    cells.client.prompts = [said("Hel", "lo")]
    cells.must("%config WizMagics.output = 'plain'\n%wiz_prompt x")
    assert "Hello\n[1 token · session" in capsys.readouterr().out
    assert cells.drawn == []


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("%wiz_prompt", "prompt"),
        ("%%wiz_prompt\n  \n", "prompt"),
        ("%%wiz_prompt some text\nbody", "some"),
        ("%%wiz_prompt --nonsense\nbody", "--nonsense"),
        ("%wiz_prompt x -o not-a-name", "-o"),
        ("%wiz_prompt x --session ' '", "session"),
        ("%wiz_prompt x --session ''", "session"),
        ("%wiz_prompt x --logit-bias a", "--logit-bias"),
        ("%wiz_load demo --ctx 2", "--ctx"),
        ("%wiz_load demo other", "other"),
        ("%wiz_status now", "now"),
        ("%wiz_ops -n all", "-n"),
        ("%wiz_unload --gently", "--gently"),
    ],
)
def test_bad_input_fails_the_cell_in_two_lines_that_name_the_field(
    cells: Cells, code: str, field: str
) -> None:
    error = cells.run(code)
    assert isinstance(error, BadRequest)
    assert error.details["field"] == field
    assert len(error._render_traceback_()) == 2
    assert cells.client.asked == []


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


def test_a_wrong_default_in_the_profile_is_told_in_two_lines(cells: Cells) -> None:
    cells.must("%load_ext wiz_kernel_ext\n%unload_ext wiz_kernel_ext")
    cells.shell.config.WizMagics.top_k = "many"
    error = cells.run("%load_ext wiz_kernel_ext")
    assert isinstance(error, BadRequest)
    assert "top_k" in error.message
    cells.shell.config.WizMagics.clear()
