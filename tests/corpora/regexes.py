"""Regular expressions: the whole answer matches, whether the expression is anchored or not."""

from __future__ import annotations

from tests.corpora.text_case import TextCase


def refused(name: str, regex: str, word: str) -> TextCase[str]:
    return TextCase(name, regex, refused=word)


REGEXES: list[TextCase[str]] = [
    TextCase("digits", r"[0-9]+", ["1", "42"], ["", "a", "1a"]),
    TextCase("a letter", "[a-z]", ["q"], ["", "qq", "Q"]),
    TextCase("anchored", "^ab$", ["ab"], ["abc", "xab"]),
    TextCase("a choice", "yes|no|maybe", ["no"], ["n", "yesno"]),
    TextCase("a date", r"\d{4}-\d{2}-\d{2}", ["2026-11-28"], ["2026-1-1"]),
    TextCase("a version", r"v\d+\.\d+\.\d+", ["v1.20.3"], ["1.2.3", "v1.2"]),
    TextCase("hexadecimal", "0x[0-9a-fA-F]{2,8}", ["0xfF"], ["0x", "0xg"]),
    TextCase("a dot", ".{3}", ["abc", "日é "], ["ab", "a\nb"]),
    TextCase("escaped", r"\(\[\{\}\]\)\.\*\?\+\\", ["([{}]).*?+\\"], ["()"]),
    TextCase("optional", "colou?r", ["color", "colour"], ["colouur"]),
    TextCase("counted", "(ab){2,3}", ["abab", "ababab"], ["ab", "abababab"]),
    TextCase("not greedy", "a+?b", ["aab"], ["b"]),
    TextCase("not captured", "(?:x|y)z", ["xz"], ["z"]),
    TextCase("negated", "[^0-9 ]{2}", ["ab", "é!"], ["a1", "a "]),
    TextCase("quotes", '"[^"]*"', ['"a"', '""'], ['"a', '"a"b"']),
    TextCase("backslashes", r"C:\\[a-z]+", ["C:\\temp"], ["C:/temp"]),
    TextCase("several lines", r"[a-z]+\n[a-z]+", ["a\nb"], ["a b"]),
    TextCase("a tab", r"a\tb", ["a\tb"], ["a b"]),
    TextCase("letters of Unicode", r"\p{L}+", ["é", "日本"], ["1", ""]),
    TextCase("Greek", r"\p{Greek}+", ["αβγ"], ["abc"]),
    TextCase("Cyrillic", "[а-яё]+", ["привет"], ["privet"]),
    TextCase("emoji", "[👍👎]{1,2}", ["👍👎"], ["x", "👍👎👍"]),
    TextCase("accents", "caf(é|e)", ["café", "cafe"], ["caf"]),
    TextCase("case ignored", "(?i:yes)", ["YES", "yes"], ["no"]),
    TextCase("space", r"\S+ \S+", ["a b"], ["ab", "a  b"]),
    TextCase("a code block", "```python\n[a-z =0-9\n]+```", ["```python\nx = 1\n```"], ["x = 1"]),
    TextCase("a sentence", r"[A-Z][a-z]+( [a-z]+){1,5}\.", ["It is so."], ["it is so."]),
    TextCase("empty or not", "(abc)?", ["", "abc"], ["ab"]),
    # What takes a backtracking engine for ever takes an automaton no time.
    TextCase("nested stars", "(a*)*b", ["aab", "b"], ["a" * 18]),
    TextCase("nested pluses", "(a+)+b", ["aab"], ["a" * 18]),
    TextCase("alternatives that overlap", "(a|aa)+b", ["aaab"], ["a" * 18]),
    TextCase("many optional", "a?" * 12 + "a" * 12, ["a" * 12, "a" * 24], ["a" * 11]),
    TextCase("many dots", "(.*a){10}", ["a" * 10], ["a" * 9]),
    TextCase(
        "counts in counts", "(((a{1,40}){1,40}){1,40}){1,40}", ["a"], ["b"], "expression|too", True
    ),
    TextCase("a state for each subset", "[ab]*a[ab]{4000}", [], ["b"], "expression|too", True),
    refused("look-ahead", "(?=a)b", "look"),
    refused("negative look-ahead", "(?!a)b", "look"),
    refused("look-behind", "(?<=a)b", "look"),
    refused("negative look-behind", "(?<!a)b", "look"),
    refused("a back reference", r"(a|b)\1", "reference"),
    refused("not closed", "(ab", "expression"),
    refused("a set not closed", "[a-z", "expression"),
    refused("nothing to repeat", "*a", "expression"),
    refused("a range the wrong way", "[z-a]", "expression"),
    refused("nothing fits", "[a&&b]", "expression"),
    TextCase("a word's end", r"\bab\b", refused="expression|look", may_be_enforced=True),
    TextCase("empty", "", [""], ["a"], "expression", True),
]
