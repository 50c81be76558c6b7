"""What a vector is made of: a text's tokens, what stands around them, and what was cut."""

from __future__ import annotations

import pytest

from tests.engine.fake_backend import BOS, END, FakeModel
from wiz_kernel_ext.engine.text_reader import TextReader
from wiz_kernel_ext.engine.vectors import EmbeddingFacts
from wiz_kernel_ext.errors import BadRequest


def reader(longest: int = 20, template: str | None = None) -> TextReader:
    facts = EmbeddingFacts(
        n_dims=4, pooling="rank", is_causal=True, writes=True, rerank_template=template
    )
    model = FakeModel(add_bos=True)
    model.text_frame = lambda: ([BOS], [END])  # type: ignore[method-assign]
    return TextReader(model, facts, longest)


def test_a_text_stands_between_what_its_model_puts_around_it() -> None:
    found = reader().read(["ab", "c"])
    assert found.tokens == [[BOS, *b"ab", END], [BOS, *b"c", END]]
    assert found.truncated == [] and found.n_tokens == 7


def test_a_text_is_no_control_token() -> None:
    (tokens,) = reader().read(["</s>"]).tokens
    assert tokens == [BOS, *b"</s>", END]


def test_too_long_a_text_is_cut_within_its_frame_and_named() -> None:
    found = reader(longest=5).read(["abc", "abcd", "a", "abcdefgh"])
    assert found.tokens == [
        [BOS, *b"abc", END],
        [BOS, *b"abc", END],
        [BOS, *b"a", END],
        [BOS, *b"abc", END],
    ]
    assert found.truncated == [1, 3]


def test_a_text_without_tokens_is_named() -> None:
    with pytest.raises(BadRequest, match=r"texts\[2\] has nothing to be read") as caught:
        reader().read(["a", "b", ""])
    assert caught.value.details["field"] == "texts[2]"


def test_a_query_without_tokens_is_named() -> None:
    for read in (reader().read_query, lambda query: reader().read_pairs(query, ["a"])):
        with pytest.raises(BadRequest) as caught:
            read("")
        assert caught.value.details["field"] == "query"


def test_a_pair_is_query_separator_text() -> None:
    found = reader().read_pairs("q", ["ab"])
    assert found.tokens == [[BOS, *b"q", END, *b"ab", END]]


def test_of_a_pair_the_text_is_cut_and_of_the_query_what_leaves_it_no_room() -> None:
    found = reader(longest=10).read_pairs("q", ["abcdefgh", "ab"])
    assert found.tokens[0] == [BOS, *b"q", END, *b"abcdef", END]
    assert found.truncated == [0]
    found = reader(longest=10).read_pairs("0123456789", ["abcdefgh"])
    assert found.tokens == [[BOS, *b"01234", END, *b"ab", END]]
    assert found.truncated == [0]


def test_the_models_own_words_around_a_pair_are_control_and_the_pair_is_not() -> None:
    read = reader(40, "<user>{query}</s>{document}<s>").read_pairs("</s>", ["<s>{query}"])
    user, end, begin = 258, END, BOS
    assert read.tokens == [[user, *b"</s>", end, *b"<s>{query}", begin]]
