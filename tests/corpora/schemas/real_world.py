"""What people ask for: invoices, recipes, tool calls, tickets and the like."""

from __future__ import annotations

from tests.corpora.schemas.case import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    SHORT,
    STRING,
    Case,
    Schema,
    array,
    grouped,
    obj,
)

DATE: Schema = {"type": "string", "format": "date"}
MONEY: Schema = {"type": "number", "minimum": 0}
CURRENCY: Schema = {"enum": ["EUR", "USD", "GBP", "JPY"]}
LINE = obj({"item": SHORT, "quantity": {"type": "integer", "minimum": 1}, "price": MONEY})
ADDRESS = obj(
    {"street": SHORT, "city": SHORT, "postCode": {"type": "string", "pattern": "^[0-9]{5}$"}}
)
HERE = {"street": "Rua 1", "city": "Lisboa", "postCode": "12345"}
PLACE: Schema = {
    "type": "array",
    "prefixItems": [
        {"type": "number", "minimum": -180, "maximum": 180},
        {"type": "number", "minimum": -90, "maximum": 90},
    ],
    "items": False,
    "minItems": 2,
}
SENTIMENT: Schema = {"enum": ["positive", "neutral", "negative"]}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}

REAL = [
    Case("invoice", obj({"number": SHORT, "date": DATE, "currency": CURRENCY,
                         "lines": array(LINE, minItems=1, maxItems=4), "total": MONEY}),
         [{"number": "A1", "date": "2026-11-28", "currency": "EUR",
           "lines": [{"item": "pen", "quantity": 2, "price": 1.5}], "total": 3}],
         [{"number": "A1", "date": "today", "currency": "EUR", "lines": [], "total": 3}]),
    Case("recipe", obj({"title": SHORT,
                        "minutes": {"type": "integer", "minimum": 1, "maximum": 600},
                        "ingredients": array(obj({"name": SHORT, "amount": NUMBER,
                                                  "unit": {"enum": ["g", "ml", "piece"]}}),
                                             minItems=1, maxItems=5),
                        "steps": array(SHORT, minItems=1, maxItems=5)}),
         [{"title": "Toast", "minutes": 5, "ingredients": [
             {"name": "bread", "amount": 1, "unit": "piece"}], "steps": ["toast"]}],
         [{"title": "Toast"}]),
    Case("person", obj({"name": SHORT, "age": {"type": "integer", "minimum": 0, "maximum": 150},
                        "email": {"type": "string", "format": "email"}}),
         [{"name": "Ana", "age": 30, "email": "ana@example.com"}],
         [{"name": "Ana", "age": 200, "email": "ana@example.com"}]),
    Case("person with an address", obj({"name": SHORT, "address": ADDRESS}),
         [{"name": "Ana", "address": HERE}], [{"name": "Ana", "address": {}}]),
    Case("tool call", obj({"name": {"const": "get_weather"}, "arguments": obj({
        "city": SHORT, "unit": {"enum": ["celsius", "fahrenheit"]}}, ["city"])}),
        [{"name": "get_weather", "arguments": {"city": "Porto"}}],
        [{"name": "get_time", "arguments": {}}]),
    Case("one of three tools", {"anyOf": [
        obj({"tool": {"const": "search"}, "query": SHORT}),
        obj({"tool": {"const": "open"}, "page": INTEGER}),
        obj({"tool": {"const": "stop"}})]},
        [{"tool": "stop"}, {"tool": "open", "page": 2}], [{"tool": "open"}, {"tool": "x"}]),
    Case("GeoJSON point", obj({"type": {"const": "Point"}, "coordinates": PLACE}),
         [{"type": "Point", "coordinates": [-9.1, 38.7]}],
         [{"type": "Point", "coordinates": [-9.1]}, {"type": "Line", "coordinates": [1, 2]}]),
    Case("GeoJSON line", obj({"type": {"const": "LineString"},
                              "coordinates": array(PLACE, minItems=2, maxItems=4)}),
         [{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}],
         [{"type": "LineString", "coordinates": [[0, 0]]}]),
    Case("ticket", obj({"title": SHORT, "priority": {"enum": ["low", "medium", "high"]},
                        "labels": array(SHORT, maxItems=3),
                        "assignee": {"type": ["string", "null"]}}),
         [{"title": "x", "priority": "low", "labels": [], "assignee": None}],
         [{"title": "x", "priority": "urgent", "labels": [], "assignee": None}]),
    Case("sentiment", obj({"sentiment": SENTIMENT, "confidence": SHARE}),
         [{"sentiment": "neutral", "confidence": 0.5}], [{"sentiment": "sad", "confidence": 0.5}]),
    Case("labels with shares", obj(dict.fromkeys(("sports", "politics", "science", "arts"), SHARE)),
         [{"sports": 0, "politics": 1, "science": 0.25, "arts": 0.5}], [{"sports": 2}]),
    Case("quiz question", obj({"question": SHORT, "choices": array(SHORT, minItems=4, maxItems=4),
                               "answer": {"type": "integer", "minimum": 0, "maximum": 3}}),
         [{"question": "?", "choices": ["a", "b", "c", "d"], "answer": 2}],
         [{"question": "?", "choices": ["a"], "answer": 0}]),
    Case("named entities", obj({"entities": array(obj({
        "text": SHORT, "type": {"enum": ["PER", "LOC", "ORG"]}, "start": INTEGER}), maxItems=3)}),
        [{"entities": []}, {"entities": [{"text": "Ana", "type": "PER", "start": 0}]}],
        [{"entities": [{"text": "Ana"}]}]),
    Case("meeting", obj({"title": SHORT, "start": {"type": "string", "format": "date-time"},
                         "minutes": {"type": "integer", "multipleOf": 15, "minimum": 15,
                                     "maximum": 240}}),
         [{"title": "x", "start": "2026-11-28T10:00:00Z", "minutes": 30}],
         [{"title": "x", "start": "2026-11-28T10:00:00Z", "minutes": 20}]),
    Case("review", obj({"stars": {"type": "integer", "minimum": 1, "maximum": 5}, "text": SHORT}),
         [{"stars": 5, "text": "good"}], [{"stars": 6, "text": ""}, {"stars": 4.5, "text": ""}]),
    Case("translation", obj({"pt": SHORT, "en": SHORT}), [{"pt": "olá", "en": "hello"}],
         [{"pt": ""}]),
    Case("chemical", obj({"symbol": {"type": "string", "pattern": "^[A-Z][a-z]?$"},
                          "number": {"type": "integer", "minimum": 1, "maximum": 118}}),
         [{"symbol": "He", "number": 2}], [{"symbol": "he", "number": 2}]),
    Case("chess game", obj({"moves": array({"type": "string", "pattern": "^[a-h][1-8][a-h][1-8]$"},
                                           minItems=1, maxItems=6)}),
         [{"moves": ["e2e4"]}], [{"moves": ["e4"]}]),
    Case("SQL plan", obj({"table": SHORT, "columns": array(SHORT, minItems=1, maxItems=3),
                          "limit": {"type": ["integer", "null"]}}),
         [{"table": "t", "columns": ["a"], "limit": None}], [{"table": "t", "columns": []}]),
    Case("server settings", obj({"host": {"type": "string", "format": "hostname"},
                                 "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                                 "tls": BOOLEAN}, ["host", "port"]),
         [{"host": "a.b", "port": 443}], [{"host": "a.b", "port": 0}]),
    Case("a device's address", obj({"ip": {"type": "string", "format": "ipv4"}, "up": BOOLEAN}),
         [{"ip": "10.0.0.1", "up": True}], [{"ip": "10.0.0", "up": True}]),
    Case("flight", obj({"from": {"type": "string", "pattern": "^[A-Z]{3}$"},
                        "to": {"type": "string", "pattern": "^[A-Z]{3}$"}, "date": DATE}),
         [{"from": "LIS", "to": "OPO", "date": "2026-12-01"}], [{"from": "Lisbon"}]),
    Case("book", obj({"title": SHORT, "isbn": {"type": "string", "pattern": "^97[89][0-9]{10}$"},
                      "authors": array(SHORT, minItems=1, maxItems=3), "year": INTEGER}),
         [{"title": "x", "isbn": "9781234567890", "authors": ["a"], "year": 1999}],
         [{"title": "x", "isbn": "123", "authors": ["a"], "year": 1999}]),
    Case("thought, then answer", obj({"thought": {"type": "string", "maxLength": 40},
                                      "answer": {"enum": ["A", "B", "C", "D"]}}),
         [{"thought": "hm", "answer": "A"}], [{"answer": "A"}]),
    Case("JSON patch", array({"anyOf": [
        obj({"op": {"enum": ["add", "replace", "test"]}, "path": SHORT, "value": SHORT}),
        obj({"op": {"const": "remove"}, "path": SHORT})]}, maxItems=3),
        [[{"op": "remove", "path": "/a"}]], [[{"op": "add", "path": "/a"}]]),
    Case("colour", {"anyOf": [{"type": "string", "pattern": "^#[0-9a-f]{6}$"}, {
        "type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255},
        "minItems": 3, "maxItems": 3}]}, ["#00ff00", [0, 255, 0]], ["green", [0, 256, 0]]),
    Case("CV", obj({"name": SHORT, "skills": array(SHORT, maxItems=4), "jobs": array(obj({
        "company": SHORT, "from": {"type": "integer", "minimum": 1950, "maximum": 2030},
        "to": {"type": ["integer", "null"], "minimum": 1950}}), maxItems=2)}),
        [{"name": "A", "skills": [], "jobs": [{"company": "B", "from": 2000, "to": None}]}],
        [{"name": "A", "skills": [], "jobs": [{"company": "B", "from": 1900, "to": None}]}]),
    Case("function's signature", obj({"name": {"type": "string", "pattern": "^[a-z_][a-z0-9_]*$"},
                                      "arguments": array(SHORT, maxItems=3), "returns": STRING},
                                     ["name", "arguments"]),
         [{"name": "f_1", "arguments": []}], [{"name": "1f", "arguments": []}]),
    Case("timetable", obj({}, [], array({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"},
                                        maxItems=3)),
         [{"monday": ["08:00"]}, {}], [{"monday": ["8:00"]}]),
    Case("bounding box", array({"type": "integer", "minimum": 0, "maximum": 1023},
                               minItems=4, maxItems=4),
         [[0, 0, 10, 1023]], [[0, 0], [0, 0, 0, 1024]]),
    Case("a yes or a no with reasons", obj({"reasons": array(SHORT, minItems=1, maxItems=3),
                                            "verdict": BOOLEAN}),
         [{"reasons": ["a"], "verdict": True}], [{"reasons": [], "verdict": True}]),
]  # fmt: skip

CASES = grouped("real world", REAL)
