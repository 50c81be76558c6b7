"""Key pairs."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.transport.keys import KeyPair


def test_every_pair_is_new_and_its_secret_gives_it_back() -> None:
    first, second = KeyPair.generate(), KeyPair.generate()
    assert first != second
    assert KeyPair.from_secret(first.secret) == first
    assert len(first.public) == len(first.secret) == 40


def test_a_secret_is_not_shown() -> None:
    pair = KeyPair.generate()
    assert pair.secret not in repr(pair)


@pytest.mark.parametrize("text", ["", "short", "é" * 40, "x" * 41])
def test_what_is_no_key_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a CURVE"):
        KeyPair.from_secret(text)
