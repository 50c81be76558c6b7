"""JSON with the fields that were asked for, from facts in the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

from . import words
from .writer import Turn, Voice, Writer, lines

Value = str | int

_JOBS = """teacher doctor farmer cook driver nurse singer writer painter pilot engineer lawyer
professora médico cozinheiro motorista enfermeira cantora escritor piloto""".split()

# field -> (how a value is made, English phrase, Portuguese phrase)
_FIELDS: dict[str, tuple[Callable[[Writer], Value], str, str]] = {
    "age": (lambda w: w.rng.randint(1, 99), "is {x} years old", "tem {x} anos"),
    "city": (words.city, "lives in {x}", "mora em {x}"),
    "job": (lambda w: w.choice(_JOBS), "works as a {x}", "trabalha como {x}"),
    "color": (lambda w: w.choice(list(words.COLORS)), "likes {x}", "gosta de {x}"),
}
_COLUMNS = """title price id code item quantity country year score user email level status key value
size type total label count pet animal food drink team game language""".split()

_REQUESTS = {
    "en": lines("""
Give me JSON with {fields}
Give me a JSON with {fields}
JSON with {fields}
Return JSON with {fields}
Please give me JSON with {fields}
Return a JSON object with {fields}
Answer in JSON with {fields}
Create JSON with {fields}
Write JSON with {fields}
Write a JSON object with {fields}
Extract {fields} as JSON
Make a JSON with {fields}
Output JSON with {fields}
JSON object with {fields}
Answer as JSON with {fields}
Reply in JSON with {fields}
Convert to JSON with {fields}
Return only JSON with {fields}
Extract {fields} in JSON
Reply with JSON containing {fields}
Answer in JSON with the fields {fields}
Give me a JSON object with the fields {fields}
Return JSON with the keys {fields}
Make JSON with keys {fields}
Return JSON with the fields {fields}"""),
    "pt": lines("""
Gere um JSON com {fields}
Me dê um JSON com {fields}
JSON com {fields}
Responda em JSON com {fields}
Escreva um JSON com {fields}
Crie um JSON com {fields}
Quero um JSON com {fields}
Retorne JSON com {fields}
Extraia {fields} em JSON
Faça um JSON com {fields}
Dê um JSON com {fields}
Responda em JSON com os campos {fields}
Converta para JSON com {fields}
Gere JSON com os campos {fields}
Retorne um JSON com os campos {fields}"""),
}


def dump(record: object) -> str:
    """Return JSON as the chat template writes it."""
    return json.dumps(record, ensure_ascii=False)


def record(writer: Writer) -> list[Turn]:
    """Ask for JSON with one to four fields about a person or a list of pairs."""
    language = writer.language()
    voice = writer.voice(language, courtesies=False)
    roll = writer.rng.random()
    if roll < 0.45:
        facts, found = _sentence(writer, voice, language)
    elif roll < 0.75:
        facts, found = _values(writer, voice)
    else:
        facts, found = _pairs(writer, voice)
    fields = list(found)
    if roll < 0.45 and len(fields) > 2 and writer.chance(0.2):  # only some of what was said
        fields = fields[: len(fields) - 1] if writer.chance(0.5) else [fields[0], fields[-1]]
    link = " and " if language == "en" else " e "
    listed = ", ".join(fields[:-1]) + link + fields[-1] if len(fields) > 1 else fields[0]
    wording = writer.kept(_REQUESTS[language])
    before, after = wording.split("{fields}")
    request = voice.cased(before).replace("json", writer.choice(["json", "JSON"]))
    request += listed + voice.cased(after)
    answer = dump({field: found[field] for field in fields})
    return [Turn(_joined(writer, language, voice, request, facts, roll < 0.45), answer, "json")]


def _joined(
    writer: Writer, language: str, voice: Voice, request: str, facts: str, told: bool
) -> str:
    """Put the request before or after the facts."""
    if told and writer.chance(0.55):
        return f"{facts} {request}" + ("" if voice.bare else ".")
    if not told and writer.chance(0.4):
        return request + voice.cased(" for " if language == "en" else " para ") + facts
    return f"{request}: {facts}"


def _sentence(writer: Writer, voice: Voice, language: str) -> tuple[str, dict[str, Value]]:
    """Return "Ana is 31 years old and lives in Lisbon." and what it says."""
    found: dict[str, Value] = {"name": voice.cased(words.name(writer))}
    said = []
    for field in writer.rng.sample(list(_FIELDS), writer.rng.choice([1, 1, 2, 2, 3])):
        make, english, portuguese = _FIELDS[field]
        value = make(writer)
        found[field] = voice.cased(value) if isinstance(value, str) else value
        phrase = english if language == "en" else portuguese
        said.append(_fill(voice, phrase, found[field]))
    link = voice.cased(" and " if language == "en" else " e ")
    listed = ", ".join(said[:-1]) + link + said[-1] if len(said) > 1 else said[0]
    return f"{found['name']} {listed}.", found


def _fill(voice: Voice, phrase: str, value: Value) -> str:
    before, after = phrase.split("{x}")
    return f"{voice.cased(before)}{value}{voice.cased(after)}"


def _values(writer: Writer, voice: Voice) -> tuple[str, dict[str, Value]]:
    """Return "Ana, 31, Lisbon" and the fields in the same order."""
    found: dict[str, Value] = {"name": voice.cased(words.name(writer))}
    for field in writer.rng.sample(list(_FIELDS), writer.rng.choice([1, 1, 1, 2])):
        value = _FIELDS[field][0](writer)
        found[field] = voice.cased(value) if isinstance(value, str) else value
    return ", ".join(str(value) for value in found.values()), found


def _pairs(writer: Writer, voice: Voice) -> tuple[str, dict[str, Value]]:
    """Return "title: sun, price: 12" and what it says; in training half the keys are made up."""
    found: dict[str, Value] = {}
    for _ in range(writer.rng.choice([1, 2, 2, 3])):
        coined = not writer.held_out and writer.chance(0.2)
        key = words.coined(writer) if coined else writer.choice(_COLUMNS)
        value = writer.rng.randint(0, 999) if writer.chance(0.4) else words.word(writer)
        found[key] = voice.cased(value) if isinstance(value, str) else value
    equals = writer.choice([": ", " = ", " "])
    return ", ".join(f"{key}{equals}{value}" for key, value in found.items()), found
