"""`%%wiz_prompt` and `%wiz_prompt` in a real IPython shell, against a scripted client."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.conftest import Cells
from tests.support.fake_client import FakeOperation, answer, said
from wiz_kernel_ext.errors import (
    BadRequest,
    OperationCancelled,
    OperationInterrupted,
    ServiceError,
    WorkerDied,
)
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import Delta, Notice
from wiz_kernel_ext.protocol.requests import Prompt


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


def test_a_cells_body_is_sent_exactly_as_it_stands(cells: Cells) -> None:
    cells.client.prompts = [said("Hi")]
    cells.must("%%wiz_prompt --temperature 0 --stop END\nWhat is {x} and $y?\n  --top-k 3\n")
    request = prompt_of(cells)
    assert request.prompt == "What is {x} and $y?\n  --top-k 3"
    assert request.options.given() == {"temperature": 0.0, "stop": ["END"]}
    assert request.autoload


def test_adapters_are_named_one_by_one_each_with_its_scale(cells: Cells) -> None:
    cells.client.prompts = [said("Hi"), said("Ho")]
    cells.must("%%wiz_prompt --adapter style.gguf --adapter 'my other.gguf=0.5'\nHello")
    assert prompt_of(cells).adapters == ["style.gguf", "my other.gguf=0.5"]
    cells.must("%%wiz_prompt\nHello")
    assert prompt_of(cells).adapters is None


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


def test_what_becomes_of_a_conversation_too_long_is_configured_or_said(cells: Cells) -> None:
    cells.client.prompts = [said("a"), said("b"), said("c")]
    cells.must("%wiz_prompt x")
    assert prompt_of(cells).overflow is None
    cells.must("%config WizMagics.overflow = 'drop'")
    cells.must("%wiz_prompt x --prefill 'So, '")
    assert (prompt_of(cells).overflow, prompt_of(cells).prefill) == ("drop", "So, ")
    cells.must("%wiz_prompt x --overflow middle")
    assert prompt_of(cells).overflow == "middle"
    cells.must("%config WizMagics.overflow = None")


def test_what_was_left_out_stays_under_the_answer(cells: Cells) -> None:
    text = "left out: 12 messages (3,400 tokens), the oldest"
    cells.client.prompts = [FakeOperation([[Notice(text=text)], [Delta(text="a")]], answer("a"))]
    cells.must("%wiz_prompt x")
    assert text in cells.drawn[1]


def test_a_template_for_one_prompt_is_a_name_or_what_a_file_has(
    cells: Cells, tmp_path: Path
) -> None:
    cells.client.prompts = [said("a"), said("b")]
    cells.must("%%wiz_prompt --chat-template raw\nOnce upon a time")
    assert prompt_of(cells).chat_template == "raw"
    (tmp_path / "t.jinja").write_text("{{ messages[-1].content }}")
    cells.must(f"%%wiz_prompt --chat-template {tmp_path / 't.jinja'} --suffix end\nx")
    assert prompt_of(cells).chat_template == "{{ messages[-1].content }}"
    assert prompt_of(cells).suffix == "end"


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


def test_an_answer_that_was_cancelled_from_elsewhere_fails_the_cell_and_is_kept(
    cells: Cells,
) -> None:
    cells.client.prompts = [FakeOperation([[Delta(text="One ")]], answer("One", "cancelled"))]
    error = cells.run("%wiz_prompt Count -o reply")
    assert isinstance(error, OperationCancelled)
    assert cells.shell.user_ns["reply"] == "One"
    assert cells.drawn[0] == "One\n\n*(interrupted)*"


def test_an_interrupt_before_the_first_word_promises_nothing(cells: Cells) -> None:
    cells.client.prompts = [
        FakeOperation([[]], interrupt_after=0, after_cancel=answer("", "cancelled"))
    ]
    error = cells.run("%wiz_prompt Count")
    assert isinstance(error, KeyboardInterrupt)
    assert error._render_traceback_()[1] == "→ It had not begun to answer."  # type: ignore[attr-defined]


def test_an_interrupt_is_one_also_where_the_service_does_not_answer(cells: Cells) -> None:
    class Deaf(FakeOperation):
        def cancel(self, timeout_s: float = 0.0) -> None:
            raise ServiceError("The service does not answer.")

    cells.client.prompts = [Deaf([[Delta(text="One ")], []], interrupt_after=1)]
    assert isinstance(cells.run("%wiz_prompt Count"), KeyboardInterrupt)
    assert cells.shell.user_ns["_"] == "One "
