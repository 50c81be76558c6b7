"""Choices: the answer is one of these texts, to the letter."""

from __future__ import annotations

from collections.abc import Sequence

from tests.corpora.text_case import TextCase


def of(name: str, *texts: str, invalid: Sequence[str] = ()) -> TextCase[Sequence[str]]:
    """A list of which every text is a valid answer."""
    return TextCase(name, list(texts), list(texts), list(invalid))


CHOICES: list[TextCase[Sequence[str]]] = [
    of("yes or no", "yes", "no", invalid=["maybe", "", "yesno", "Yes"]),
    of("one", "only", invalid=["on", "onlyy"]),
    of("one begins another", "a", "ab", "abc", invalid=["abcd", ""]),
    of("the longer one first", "abc", "ab", "a", invalid=["b"]),
    of("labels", "positive", "neutral", "negative", invalid=["pos"]),
    of("spaces in them", "New York", "Rio de Janeiro", invalid=["New"]),
    of("spaces around them", " a", "a ", invalid=["a"]),
    of("accents", "sim", "não", invalid=["nao"]),
    of("emoji", "👍", "👎", "👨‍👩‍👧", invalid=["👨"]),
    of("Chinese", "是", "不是", invalid=["不"]),
    of("regex characters", ".*", "(x)", "[a-z]+", "^$", "a|b", invalid=["a", "x"]),
    of("quotes and backslashes", '"a"', "'a'", "\\n", "C:\\", invalid=["a", "\n"]),
    of("line ends", "a\nb", "\t", invalid=["a b"]),
    of("numbers", "1", "10", "100", "1.5", invalid=["1000", "15"]),
    of("the same twice", "a", "b", "a", invalid=["c"]),
    of("case only", "Paris", "paris", "PARIS", invalid=["pARIS"]),
    of("sentences", "It is true.", "It is not true.", invalid=["It is"]),
    of("five hundred", *(f"choice {n}" for n in range(500)), invalid=["choice 500"]),
    of("a long one", "x" * 2000, "y", invalid=["x"]),
    of("ten thousand", *(f"{n:05}" for n in range(10_000)), invalid=["10000", "0000"]),
    of("words of grammars", "root ::= x", "%ignore", "/a/", "$ref", invalid=["root"]),
    TextCase("the empty text", ["", "a"], ["", "a"], ["b"], "choices|empty", True),
    TextCase("only the empty text", [""], [""], ["a"], "choices|empty", True),
]
