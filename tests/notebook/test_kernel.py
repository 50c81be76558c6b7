"""The magics in a real ipykernel, against a real service and a real (random) model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.printable import printable

# Slow enough that an answer can be interrupted, small enough to be written in no time.
SHAPE = Shape(n_layers=12, width=256, n_heads=4, n_ffn=768, n_vocab=4096, quantization="Q8_0")
LOAD = "%load_ext wiz_kernel_ext\n%wiz_load tiny.gguf --ctx 2000 --seqs 2 --threads 1"
# Random weights end an answer at random: with these forbidden, only --max-tokens ends it.
NO_END = "%config WizMagics.logit_bias = {'<|im_end|>': -1000, '<|endoftext|>': -1000}"


@pytest.fixture(scope="module")
def here() -> Iterator[Home]:
    """One service for this module, with a model in its models directory."""
    here = Home.make()
    here.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(here.places.models_dir / "tiny.gguf", SHAPE)
    yield here
    here.close()


@pytest.fixture(scope="module")
def kernel(here: Home) -> Iterator[FrontEnd]:
    """A kernel of the notebook story.ipynb, with the model loaded."""
    yield from _kernel(here)


@pytest.fixture
def own_kernel(here: Home) -> Iterator[FrontEnd]:
    """The same for one test, which may restart it."""
    yield from _kernel(here)


def _kernel(here: Home) -> Iterator[FrontEnd]:
    kernel = FrontEnd(here, "/work/story.ipynb")
    kernel.must(LOAD)
    kernel.must(NO_END)
    yield kernel
    kernel.close()


def drew_text(message: dict[str, Any]) -> bool:
    """Whether a message draws some of an answer."""
    data = message["content"].get("data", {})
    return bool(data.get("text/markdown"))


def test_load_ext_is_quick_and_imports_none_of_the_heavy_libraries(here: Home) -> None:
    kernel = FrontEnd(here)
    try:
        kernel.must("import time, sys; began = time.perf_counter(); before = set(sys.modules)")
        kernel.must("%load_ext wiz_kernel_ext\nspent_s = time.perf_counter() - began")
        heavy = "{'llama_cpp', 'huggingface_hub', 'numpy', 'pandas', 'wiz_kernel_ext.client'}"
        ran = kernel.must(f"sorted({heavy} & (set(sys.modules) - before)), spent_s")
        assert ran.text.startswith("([], ")
    finally:
        kernel.close()


def test_load_says_what_is_loaded_and_names_the_notebooks_session(kernel: FrontEnd) -> None:
    ran = kernel.must("%wiz_load tiny.gguf")
    assert "shared" in ran.text
    assert "context 2000" in ran.text
    assert "session story" in ran.text


def test_a_cell_streams_markdown_into_one_output_and_keeps_the_answer(kernel: FrontEnd) -> None:
    ran = kernel.must("%%wiz_prompt -o reply --max-tokens 40 --seed 1\nTell me a story.")
    body, foot = ran.outputs.values()
    assert set(body) == {"text/plain", "text/markdown"}
    assert "session story" in foot["text/plain"]
    assert "tokens" in foot["text/plain"]
    kept = kernel.must(
        "str(reply) == _, type(reply).__name__, reply.usage.n_tokens, reply.finish_reason,"
        "reply.operation_id[:3], reply.timings.total_s > 0"
    )
    assert kept.text == "(True, 'Answer', 40, 'length', 'op-', True)"
    again = kernel.must("print(reply)")
    # What a random model says may hold control characters, which are shown as escapes.
    assert printable(again.text).strip("\n") == body["text/plain"].strip("\n")


def test_the_seed_repeats_the_answer_and_the_line_magic_is_an_expression(kernel: FrontEnd) -> None:
    code = "x = %wiz_prompt Again --new --seed 5 --max-tokens 8\n"
    kernel.must(f"{code}first = x\n{code}")
    assert kernel.must("first == x, len(x) > 0").text == "(True, True)"


@pytest.mark.parametrize(
    ("code", "name", "what"),
    [
        ("%%wiz_prompt --temprature 1\nx", "BadRequest", "--temprature"),
        ("%wiz_load nowhere.gguf", "ModelFileNotFound", "nowhere.gguf"),
        ("%wiz_load tiny.gguf --ctx 1000", "Conflict", "context"),
        ("%wiz_attach op-nope", "OperationNotFound", "op-nope"),
        ("%wiz_cancel op-nope", "OperationNotFound", "op-nope"),
        ("%wiz_prompt x " + "word " * 3000, "ContextOverflow", "tokens"),
    ],
)
def test_an_error_fails_the_cell_with_two_lines(
    kernel: FrontEnd, code: str, name: str, what: str
) -> None:
    ran = kernel.page(code)
    assert ran.status == "error"
    assert ran.reply["ename"] == name
    assert len(ran.error) == 2, ran.error
    assert ran.error[0].startswith(f"{name}: ")
    assert what in ran.error[0]
    assert ran.error[1].startswith("→ ")


def test_an_error_stops_the_cells_that_wait(kernel: FrontEnd) -> None:
    # The next cell has to be there by the time this one fails: the sleep is the front end's speed.
    failing = kernel.ask("import time\ntime.sleep(0.5)\n%wiz_prompt --nonsense")
    waiting = kernel.ask("print('never')")
    assert kernel.wait(failing).status == "error"
    assert kernel.wait(waiting).status == "aborted"


def test_an_interrupt_ends_the_cell_soon_and_keeps_the_partial_answer(kernel: FrontEnd) -> None:
    msg_id = kernel.ask("%%wiz_prompt -o part --max-tokens 1900 --session long\nGo on for ever.")
    kernel.until(msg_id, drew_text)
    began = time.monotonic()
    kernel.interrupt()
    ran = kernel.wait(msg_id, began)
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert len(ran.error) == 2
    assert ran.time_s < 5.0
    assert "*(interrupted)*" in ran.text
    kept = kernel.must("part.finish_reason, len(part) > 0, part == _")
    assert kept.text == "('cancelled', True, True)"
    assert "cancelled" in kernel.must("%wiz_ops -n 1").text


def test_in_the_background_other_cells_run_and_the_output_is_drawn_where_it_began(
    kernel: FrontEnd,
) -> None:
    began = kernel.ask("%%wiz_prompt --background -o job --max-tokens 400 --session back\nGo.")
    assert kernel.wait(began).status == "ok"
    assert kernel.must("6 * 7, job.state").text in ("(42, 'queued')", "(42, 'running')")
    kernel.until(began, lambda message: message["msg_type"] == "update_display_data")
    assert kernel.must("len(job.result()) > 0, job.state").text == "(True, 'done')"


def test_headless_cells_end_when_their_background_work_has(kernel: FrontEnd) -> None:
    code = "%%wiz_prompt --background -o job --max-tokens 30 --session headless\nGo."
    ran = kernel.page(code, watched=False)
    assert "30 tokens" in ran.text


def test_a_restart_finds_the_session_the_model_and_the_answer_again(
    own_kernel: FrontEnd,
) -> None:
    kernel = own_kernel
    kernel.must("%wiz_prompt Remember me --max-tokens 5")
    pid = kernel.must("import wiz_kernel_ext as w; w.Client().status().workers[0].pid").text
    kernel.restart()
    kernel.must("%load_ext wiz_kernel_ext")
    kernel.must(NO_END)
    attached = kernel.must("%wiz_attach -o again")
    assert "session story" in attached.text
    assert kernel.must("again.usage.n_tokens").text == "5"
    ran = kernel.must("%wiz_prompt And now? --max-tokens 5")
    assert "session story" in ran.text
    assert kernel.must("import wiz_kernel_ext as w; w.Client().status().workers[0].pid").text == pid


def test_a_prompt_loads_the_model_again_where_it_was_unloaded(kernel: FrontEnd) -> None:
    assert "unloaded" in kernel.must("%wiz_unload").text
    assert "No model is loaded." in kernel.must("%wiz_status").text
    ran = kernel.must("%wiz_prompt Still there? --max-tokens 5")
    assert "5 tokens" in ran.text


def test_status_shows_tables_and_completion_knows_what_exists(kernel: FrontEnd) -> None:
    ran = kernel.must("%wiz_status")
    (bundle,) = ran.outputs.values()
    assert "<table>" in bundle["text/html"]
    assert "tiny" in bundle["text/plain"]
    assert "story" in bundle["text/plain"]
    assert "story" in kernel.complete("%%wiz_prompt --session st")
    assert kernel.complete("%%wiz_prompt --temper") == ["--temperature"]
    every = kernel.complete("%wiz_load --")
    assert "--convert" in every
    assert all(option.startswith("--") and option != "--abs" for option in every)
    assert "demo" in kernel.complete("%wiz_load de")
    assert any("tiny.gguf" in match for match in kernel.complete("%wiz_unload "))


def test_help_shows_the_options(kernel: FrontEnd) -> None:
    ran = kernel.must("%wiz_load?")
    page = ran.reply["payload"][0]["data"]["text/plain"]
    assert "--gpu-layers" in page


def test_another_notebook_of_the_same_name_has_a_session_of_its_own(
    kernel: FrontEnd, here: Home
) -> None:
    other = FrontEnd(here, "/work/elsewhere/story.ipynb")
    try:
        ran = other.must("%load_ext wiz_kernel_ext\n%wiz_prompt Hello --max-tokens 3")
        assert "session story #2 (new)" in ran.text
    finally:
        other.close()


def test_a_prompt_with_no_model_ever_loaded_says_how_to_load_one(home: Home) -> None:
    kernel = FrontEnd(home)
    try:
        ran = kernel.page("%load_ext wiz_kernel_ext\n%wiz_prompt Hello")
        assert ran.error[0] == "ModelNotLoaded: Model not loaded."
        assert "%wiz_load demo" in ran.error[1]
        stopped = kernel.must("%wiz_stop\n%wiz_status")
        assert "No service is running." in stopped.text
    finally:
        kernel.close()
