"""How an adapter is written, and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.adapters import ScaledAdapter, read_adapter, read_adapters


@pytest.mark.parametrize(
    ("text", "name", "scale"),
    [
        ("style.gguf", "style.gguf", 1.0),
        ("style.gguf=0.5", "style.gguf", 0.5),
        ("style.gguf=-2", "style.gguf", -2.0),
        ("style=1e-3", "style", 0.001),
        ("style=.5", "style", 0.5),
        ("style = 0.5 ", "style", 0.5),
        ("a=b/style.gguf", "a=b/style.gguf", 1.0),
        ("a=1/style.gguf", "a=1/style.gguf", 1.0),
        ("a=b=2", "a=b", 2.0),
        ("a=nan", "a=nan", 1.0),
        ("a=inf", "a=inf", 1.0),
        ("a=1_0", "a=1_0", 1.0),
        ("a=", "a=", 1.0),
    ],
)
def test_a_name_ends_at_the_last_equals_sign_before_a_number(
    text: str, name: str, scale: float
) -> None:
    assert read_adapter(text) == (name, scale)


@pytest.mark.parametrize("text", ["", "  ", "=0.5", " =1", "a\0b", "a=1e5", "a=1e999", "a=-10001"])
def test_no_name_and_odd_scales_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read_adapter(text)


def test_more_than_a_few_are_refused() -> None:
    assert len(read_adapters(["a"] * 16)) == 16
    with pytest.raises(BadRequest, match="16 at most"):
        read_adapters(["a"] * 17)


@given(
    st.text(min_size=1).map(str.strip).filter(lambda name: name and "\0" not in name),
    st.floats(-10_000, 10_000),
)
def test_what_is_written_reads_as_it_was(name: str, scale: float) -> None:
    adapter = ScaledAdapter(name, scale)
    assert read_adapter(str(adapter)) == adapter
