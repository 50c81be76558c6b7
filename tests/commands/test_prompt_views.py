"""A look at a prompt in words."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.commands.prompt_views import length, shown_line
from wiz_kernel_ext.protocol.prompt_views import ShownPrompt
from wiz_kernel_ext.protocol.results import LeftOut

SHOWN = ShownPrompt(text="x", tokens=[1], n_tokens=3400, context_size=4096)


def test_a_prompt_says_how_much_of_its_context_it_is() -> None:
    assert shown_line(SHOWN) == "3,400 tokens of 4,096"
    assert length(1) == "1 token"


def test_one_that_does_not_fit_says_what_next() -> None:
    line = shown_line(msgspec.structs.replace(SHOWN, context_size=3400))
    assert "`--overflow drop`" in line


def test_the_end_of_a_prefill_that_is_not_read_is_said() -> None:
    line = shown_line(msgspec.structs.replace(SHOWN, begun=" Fr"))
    assert line.endswith("the answer's first tokens begin with ' Fr'")


def test_what_is_left_out_is_counted() -> None:
    left_out = LeftOut(policy="drop", messages=[1], n_tokens=1)
    line = shown_line(msgspec.structs.replace(SHOWN, left_out=left_out))
    assert line.endswith("left out: 1 message (1 token)")
