"""Enumerations and constants."""

from __future__ import annotations

from typing import Any

from tests.corpora.schemas.case import Case, Schema, array, grouped, obj


def enum(*values: Any, **more: Any) -> Schema:
    return {"enum": list(values), **more}


def const(value: Any) -> Schema:
    return {"const": value}


DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

ENUMS = [
    Case("two words", enum("yes", "no"), ["yes", "no"], ["maybe", "ye", "yes "]),
    Case("days", enum(*DAYS, type="string"), DAYS, ["someday", ""]),
    Case("one begins another", enum("a", "ab", "abc"), ["a", "ab", "abc"], ["abcd", ""]),
    Case("numbers", enum(1, 2, 3), [1, 3], [4, "1"]),
    Case("negative and fractions", enum(-1, 0.5, 2.25), [-1, 0.5], [1, 0.25]),
    Case("booleans", enum(True, False), [True], [1, "true"]),
    Case("mixed types", enum("a", 1, None, True, 2.5), ["a", None, True], ["1", False, 2]),
    Case("the empty text", enum("", "x"), ["", "x"], [" ", None]),
    Case("accents", enum("café", "naïve", "Zürich"), ["café", "Zürich"], ["cafe"]),
    Case("emoji", enum("👍", "👎", "🇵🇹"), ["👍", "🇵🇹"], ["👌"]),
    Case("Chinese", enum("是", "否"), ["是"], ["不"]),
    Case("Arabic", enum("نعم", "لا"), ["نعم"], ["ن"]),
    Case("quotes", enum('say "hi"', "it's"), ['say "hi"', "it's"], ["say hi"]),
    Case("backslashes", enum("C:\\temp", "\\\\"), ["C:\\temp", "\\\\"], ["C:/temp", "\\"]),
    Case("line ends and tabs", enum("a\nb", "a\tb", "\r"), ["a\nb", "a\tb"], ["a b", "a\\nb"]),
    Case(
        "control characters", enum("\x01", "\x1f"), ["\x01"], ["\x02"], "enum", may_be_enforced=True
    ),
    Case("a slash", enum("a/b", "</script>"), ["a/b", "</script>"], ["ab"]),
    Case("what looks like a number", enum("1", "1.0", "01"), ["1", "01"], [1, "2"]),
    Case("a whole number as a fraction", enum(1.0, 2.0), [1.0], [3, "1.0"]),
    Case("with a type that leaves some", enum("a", 1, "b", type="string"), ["a", "b"], [1]),
    Case("objects", enum({"a": 1}, {"b": 2}), [{"a": 1}, {"b": 2}], [{}, {"a": 2}]),
    Case("arrays", enum([], [1], [1, 2]), [[], [1, 2]], [[2], [1, 2, 3]]),
    Case("spaces at the ends", enum(" a", "a "), [" a", "a "], ["a"]),
    Case("regex characters", enum("a.b", "(x)", "[y]*", "^$"), ["a.b", "^$"], ["aab", "x"]),
    Case("percent and hash", enum("100%", "#1", "%s"), ["100%", "#1"], ["100"]),
    Case("a thousand words", enum(*(f"word{n}" for n in range(1000))), ["word7"], ["word1000"]),
    Case("large numbers", enum(10**15, 2**53), [10**15], [10**15 + 1]),
    Case("one value", enum("only"), ["only"], ["other"]),
    Case("a value twice", enum("a", "b", "a"), ["a", "b"], ["c"]),
    Case("bounded", enum(1, 5, 9, minimum=3), [5, 9], [1]),
    Case("with a length", enum("a", "bb", "ccc", minLength=2), ["bb", "ccc"], ["a"]),
    Case("in an array", array(enum("r", "g", "b"), minItems=1, maxItems=3), [["r"]], [["x"], []]),
]

CONSTS = [
    Case("text", const("fixed"), ["fixed"], ["fix", "fixed ", None]),
    Case("number", const(42), [42], [43, "42"]),
    Case("fraction", const(0.5), [0.5], [0.25, 1]),
    Case("null", const(None), [None], [0, ""]),
    Case("true", const(True), [True], [False, 1]),
    Case("object", const({"a": [1, {"b": None}]}), [{"a": [1, {"b": None}]}], [{"a": [1]}]),
    Case("array", const([1, "x", None]), [[1, "x", None]], [[1, "x"], []]),
    Case("empty object", const({}), [{}], [{"a": 1}, []]),
    Case("empty array", const([]), [[]], [[None], {}]),
    Case("unicode", const("Ω≈ç√ 🎉"), ["Ω≈ç√ 🎉"], ["Ω"]),
    Case("escapes", const('"\\\n\t/\b\f'), ['"\\\n\t/\b\f'], ['"\\']),
    Case("negative zero's neighbour", const(-1e-7), [-1e-7], [0]),
    Case(
        "a mark beside a number",
        obj({"kind": const("circle"), "r": {"type": "number"}}),
        [{"kind": "circle", "r": 1.5}],
        [{"kind": "square", "r": 1}, {"kind": "circle"}],
    ),
]

CASES = [*grouped("enums", ENUMS), *grouped("constants", CONSTS)]
