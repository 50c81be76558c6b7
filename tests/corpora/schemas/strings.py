"""Strings: lengths, patterns, formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.corpora.schemas.case import Case, Schema, array, grouped, obj


def text(**limits: Any) -> Schema:
    return {"type": "string", **limits}


def pattern(name: str, regex: str, valid: Sequence[str], invalid: Sequence[Any]) -> Case:
    return Case(name, text(pattern=regex), valid, invalid)


def formatted(
    name: str, valid: Sequence[str], invalid: Sequence[Any], *, never: Sequence[str] = ()
) -> Case:
    return Case(name, text(format=name), valid, invalid, never=never)


LENGTHS = [
    Case("at most 5", text(maxLength=5), ["", "abcde", "éèêëē"], ["abcdef", 1]),
    Case("at least 3", text(minLength=3), ["abc", "a much longer one"], ["", "ab"]),
    Case("2 to 4", text(minLength=2, maxLength=4), ["ab", "abcd"], ["a", "abcde"]),
    Case("exactly 3", text(minLength=3, maxLength=3), ["abc", "日本語"], ["ab", "abcd"]),
    Case("empty", text(maxLength=0), [""], ["a", " "]),
    Case("at least 0", text(minLength=0), ["", "x"], [0]),
    Case("at most 200", text(maxLength=200), ["", "x" * 200], ["x" * 201]),
    Case("at most 2000", text(maxLength=2000), ["x" * 2000], ["x" * 2001]),
    Case("emoji are one each", text(maxLength=2), ["👍👎"], ["👍👎👍"]),
    Case("escapes are one each", text(maxLength=2), ['"\\', "\n\n"], ['"\\"', "\n\n\n"]),
    Case("length without a type", {"maxLength": 2}, ["ab", 123, None], ["abc"]),
    Case(
        "a whole fraction as the limit",
        text(maxLength=3.0),
        ["abc"],
        ["abcd"],
        "maxLength",
        may_be_enforced=True,
    ),
]

PATTERNS = [
    pattern("letters", "^[a-z]+$", ["a", "abc"], ["", "A", "a1"]),
    pattern("anchored digits", "^[0-9]{4}$", ["2026"], ["26", "20266"]),
    pattern("not anchored", "[0-9]", ["1", "a1b"], ["", "abc"]),
    pattern("anchored at the beginning", "^ab", ["ab", "abc"], ["cab", "a"]),
    pattern("anchored at the end", "yz$", ["yz", "xyz"], ["yza"]),
    pattern("post code", "^[0-9]{4}-[0-9]{3}$", ["1000-205"], ["1000205", "100-205"]),
    pattern("telephone", r"^\+?[0-9 ]{6,15}$", ["+351 912 345"], ["+", "12"]),
    pattern("hexadecimal", "^#[0-9a-fA-F]{6}$", ["#ff00AA"], ["ff00aa", "#ff00a"]),
    pattern("slug", "^[a-z0-9]+(-[a-z0-9]+)*$", ["a-b-c1"], ["-a", "a--b"]),
    pattern("version", r"^\d+\.\d+\.\d+$", ["1.20.3"], ["1.2", "v1.2.3"]),
    pattern("a choice", "^(red|green|blue)$", ["red", "blue"], ["redd", "rose"]),
    pattern("optional parts", "^a?b?c?$", ["", "ac", "abc"], ["ca", "d"]),
    pattern("word characters", r"^\w+$", ["a_1"], ["a b", ""]),
    pattern("spaces", r"^\S+\s\S+$", ["a b"], ["ab", " a"]),
    pattern("unicode letters", r"^\p{L}+$", ["é", "日本"], ["1", ""]),
    pattern("capitals", r"^\p{Lu}\p{Ll}+$", ["Ab", "Éa"], ["ab", "AB"]),
    pattern("a quote", '^"[a-z]*"$', ['"x"', '""'], ["x", '"']),
    pattern("a backslash", r"^\\[a-z]+$", ["\\alpha"], ["alpha"]),
    pattern("accents", "^[àâéèêç]+$", ["é", "çà"], ["e"]),
    pattern("emoji", "^[👍👎]$", ["👍"], ["x", "👍👍"]),
    pattern("negated", "^[^0-9]{2,3}$", ["ab", "a b"], ["a1", "a"]),
    pattern("empty or a digit", "^([0-9])?$", ["", "5"], ["55", "a"]),
    pattern("nested groups", "^((ab){2}c){1,2}$", ["ababc", "ababcababc"], ["abc"]),
    pattern("not greedy", "^a+?b$", ["ab", "aab"], ["b"]),
    pattern("a group that is not captured", "^(?:x|y)z$", ["xz", "yz"], ["z"]),
    pattern("coordinates", r"^-?\d{1,3}\.\d{2},-?\d{1,3}\.\d{2}$", ["38.72,-9.14"], ["38,9"]),
    pattern("a number plate", "^[A-Z]{2}-[0-9]{2}-[A-Z]{2}$", ["AB-12-CD"], ["AB12CD"]),
    pattern("chess move", "^[a-h][1-8][a-h][1-8][qrbn]?$", ["e2e4", "e7e8q"], ["e9e4"]),
    pattern("Roman numerals", "^M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})$", ["MCMXC"], ["IX"]),
    pattern("a dot is any character", "^.{3}$", ["abc", "日 本"], ["ab"]),
    Case("pattern and length", text(pattern="^[a-z]+$", maxLength=4), ["abcd"], ["abcde", "A"]),
    Case("pattern and both lengths", text(pattern="^x*$", minLength=2, maxLength=3), ["xx"], ["x"]),
    Case("pattern without a type", {"pattern": "^a+$"}, ["aa", 5], ["b"]),
]

FORMATS = [
    formatted(
        "date",
        ["2026-11-28", "2024-02-29"],
        ["28.11.2026", "2026-13-01", "2026-1-1"],
        never=['"2026-02-29"', '"1900-02-29"', '"0000-01-01"', '"2026-04-31"'],
    ),
    formatted(
        "time",
        ["12:30:00Z", "23:59:59+01:00"],
        ["25:00:00Z", "12:30"],
        never=['"10:00:60Z"', '"10:00:00+24:00"'],
    ),
    formatted(
        "date-time",
        ["2026-11-28T12:00:00Z"],
        ["2026-11-28", "2026-11-28 12:00"],
        never=['"2026-11-28T12:00:60Z"', '"2026-02-30T00:00:00Z"'],
    ),
    formatted("duration", ["P1D", "PT2H30M", "P1Y2M"], ["1D", "P", "PT"]),
    formatted("email", ["ana@example.com"], ["ana"]),
    formatted("hostname", ["example.com", "a-b.c"], ["-a.com", "a..b"]),
    formatted("ipv4", ["192.168.0.1", "0.0.0.0"], ["256.1.1.1", "1.2.3"]),
    formatted("ipv6", ["::1", "2001:db8::8a2e:370:7334"], ["12345::", "1.2.3.4"]),
    formatted("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", "not-a-uuid"]),
    formatted("uri", ["https://example.com/a?b=c#d", "mailto:a@b.c"], ["no scheme", "//x"]),
    Case("a list of dates", array(text(format="date"), maxItems=3), [["2026-01-01"]], [["x"]]),
    Case(
        "a date and a time apart",
        obj({"day": text(format="date"), "hour": text(format="time")}),
        [{"day": "2026-01-01", "hour": "10:00:00Z"}],
        [{"day": "2026-01-01", "hour": "x"}, {"day": "2026-01-01"}],
    ),
    Case(
        "a format that is short enough",
        text(format="ipv4", maxLength=9),
        ["1.2.3.4"],
        ["192.168.100.100"],
    ),
]

CASES = [
    *grouped("lengths", LENGTHS),
    *grouped("patterns", PATTERNS),
    *grouped("formats", FORMATS),
]
