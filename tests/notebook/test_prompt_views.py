"""`%wiz_count` and `%wiz_show` in a real IPython shell, against a scripted client."""

from __future__ import annotations

from tests.notebook.conftest import Cells
from wiz_kernel_ext.errors import BadRequest


def test_a_text_is_counted_as_it_stands_and_the_number_is_the_last_output(cells: Cells) -> None:
    cells.must("%%wiz_count --model demo\n {x} $y\n  z\n")
    assert cells.client.looked_at == [(" {x} $y\n  z", {"model_path": "demo"})]
    assert cells.drawn == ["11 tokens"]
    cells.must("kept = _")
    assert cells.shell.user_ns["kept"] == 11
    cells.must("n = %wiz_count x")
    assert cells.shell.user_ns["n"] == 1
    assert cells.drawn[-1] == "1 token"
    assert isinstance(cells.run("%wiz_count"), BadRequest)


def test_a_prompt_is_shown_with_all_that_would_be_read(cells: Cells) -> None:
    cells.must("%config WizMagics.overflow = 'middle'")
    cells.must("%%wiz_show -o shown --session notes --prefill So --max-tokens 9\nhi")
    cells.must("%config WizMagics.overflow = None")
    prompt, options = cells.client.looked_at[0]
    assert prompt == "hi"
    assert options == {
        "session": "notes",
        "max_tokens": 9,
        "prefill": "So",
        "overflow": "middle",
    }
    assert cells.drawn == ["<|user|>hi", "2 tokens of 4,096"]
    assert cells.shell.user_ns["shown"] is cells.client.shown
