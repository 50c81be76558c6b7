"""Tool conversations: the question, the call in `<tool_call>` form, the tool's result, the answer.

Tool names, argument names and descriptions vary (many are made up), so that the call has to be read
off the signatures in the prompt and not off a memory of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import words
from .records import dump
from .tool_wordings import (
    ARITHMETIC_TOOLS,
    ASK_PROPERTY,
    CALCULATE,
    CALL_BY_NAME,
    PLACE_TOOLS,
    PROPERTIES,
    PROPERTY_TOOLS,
    SKIES,
    TEXT_TOOLS,
    VERBS,
)
from .writer import Turn, Writer

Tool = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """A tool on offer and the way to write one more use of it."""

    tool: Tool
    ask: Callable[[], list[Turn]]


def use(tool: Tool, prompt: str, arguments: dict[str, Any], result: str, answer: str) -> list[Turn]:
    """Return the two exchanges of one use: question and call, result and answer."""
    call = dump({"name": tool["function"]["name"], "arguments": arguments})
    return [
        Turn(prompt, f"<tool_call>\n{call}\n</tool_call>", "tool call"),
        Turn(result, answer, "tool answer", role="tool"),
    ]


def signature(writer: Writer, name: str, about: str, parameters: dict[str, str]) -> Tool:
    """Return a tool in the function form, with the optional parts left out at random."""
    properties: dict[str, Any] = {}
    for parameter, kind in parameters.items():
        properties[parameter] = {"type": kind}
        if writer.chance(0.15):
            properties[parameter]["description"] = f"The {parameter}"
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if writer.chance(0.85):
        schema["required"] = list(parameters)
    function: dict[str, Any] = {"name": name}
    if about and writer.chance(0.9):
        function["description"] = about
    return {"type": "function", "function": {**function, "parameters": schema}}


def _named(writer: Writer, names: list[str]) -> str:
    """Return a tool name: a usual one, or in training sometimes with a made-up part."""
    name = writer.choice(names)
    if not writer.held_out and writer.chance(0.15):
        made_up = words.coined(writer)
        return f"{name}_{made_up}" if writer.chance(0.5) else f"{made_up}_{name}"
    return name


def _parameter(writer: Writer, names: list[str]) -> str:
    if not writer.held_out and writer.chance(0.12):
        return words.coined(writer)
    return writer.choice(names)


def _result(writer: Writer, kind: str) -> tuple[str, str]:
    """Return what the tool answered and how it is read out: JSON objects field by field."""
    if kind == "weather":
        degrees, sky = writer.rng.randint(-9, 39), writer.choice(SKIES)
        plain = writer.choice(
            [f"{sky}, {degrees} degrees", f"{degrees} °C and {sky}", sky, f"{degrees}"]
        )
        found: dict[str, Any] = {"temperature": degrees, "condition": sky}
    elif kind == "time":
        plain = f"{writer.rng.randint(0, 23):02d}:{writer.rng.randint(0, 59):02d}"
        found = {"time": plain}
    elif kind in ("population", "number"):
        plain = str(writer.rng.randint(0, 10 ** writer.rng.randint(1, 6)))
        found = {"result": int(plain)}
    else:
        plain = " ".join(words.word(writer) for _ in range(writer.rng.randint(1, 3)))
        found = {writer.choice(["text", "content", "results", "status"]): plain}
    if not writer.held_out and writer.chance(0.05):
        found = {words.coined(writer): writer.rng.randint(0, 99), **found}
    if writer.chance(0.5):
        return plain, plain
    return dump(found), ", ".join(str(value) for value in found.values())


def _place(writer: Writer, kind: str) -> Offer:
    names, abouts, wordings, answers = PLACE_TOOLS[kind]
    parameter = _parameter(writer, ["city", "city", "city", "location", "place", "town"])
    tool = signature(writer, _named(writer, names), writer.choice(abouts), {parameter: "string"})

    def ask() -> list[Turn]:
        language = writer.language()
        voice = writer.voice(language, courtesies=False)
        city = voice.cased(words.city(writer))
        prompt = voice.say(writer.kept(wordings[language]), x=city)
        result, read = _result(writer, kind)
        answer = answers[language].format(x=city, r=read)
        return use(tool, prompt, {parameter: city}, result, answer)

    return Offer(tool, ask)


def _arithmetic(writer: Writer, kind: str) -> Offer:
    names, about, signs = ARITHMETIC_TOOLS[kind]
    first, second = writer.choice([("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")])
    number = writer.choice(["integer", "integer", "number"])
    tool = signature(writer, _named(writer, names), about, {first: number, second: number})

    def ask() -> list[Turn]:
        a, b = (writer.rng.randint(0, writer.choice([20, 99, 999])) for _ in range(2))
        language = writer.language()
        voice = writer.voice(language, courtesies=False)
        prompt = voice.say(writer.kept(CALCULATE[language]), a=a, b=b, op=writer.choice(signs))
        result, read = _result(writer, "number")
        said = "The result is" if language == "en" else "O resultado é"
        return use(tool, prompt, {first: a, second: b}, result, f"{said} {read}.")

    return Offer(tool, ask)


def _text(writer: Writer, kind: str) -> Offer:
    names, abouts, parameters, wordings, answers = TEXT_TOOLS[kind]
    parameter = _parameter(writer, parameters)
    tool = signature(writer, _named(writer, names), writer.choice(abouts), {parameter: "string"})

    def ask() -> list[Turn]:
        language = writer.language()
        voice = writer.voice(language, courtesies=False)
        if kind == "file":
            text = words.word(writer) + writer.choice([".csv", ".txt", ".py", ".json", ".md"])
        else:
            text = " ".join(words.word(writer) for _ in range(writer.rng.randint(1, 3)))
        text = voice.cased(text)
        prompt = voice.say(writer.kept(wordings[language]), x=text)
        result, read = _result(writer, "text")
        answer = answers[language].format(x=text, r=read)
        return use(tool, prompt, {parameter: text}, result, answer)

    return Offer(tool, ask)


def _property(writer: Writer, kind: str) -> Offer:
    about = writer.choice(PROPERTIES)
    parameter = _parameter(writer, ["name", "item", "product", "thing", "key", "person"])
    name = writer.choice(PROPERTY_TOOLS).format(p=about)
    description = writer.choice(["", f"Get the {about}", f"Return the {about} of a {parameter}"])
    tool = signature(writer, name, description, {parameter: "string"})

    def ask() -> list[Turn]:
        language = writer.language()
        voice = writer.voice(language, courtesies=False)
        thing = voice.cased(words.name(writer) if writer.chance(0.3) else words.word(writer))
        prompt = voice.say(writer.kept(ASK_PROPERTY[language]), p=voice.cased(about), x=thing)
        result, read = _result(writer, writer.choice(["number", "text"]))
        said = f"The {about} of {thing}" if language == "en" else f"O {about} de {thing}"
        return use(tool, prompt, {parameter: thing}, result, f"{said}: {read}.")

    return Offer(tool, ask)


def _by_name(writer: Writer, kind: str) -> Offer:
    thing = words.coined(writer) if writer.chance(0.6) else words.word(writer)
    name = f"{writer.choice(VERBS)}_{thing}"
    parameter = _parameter(writer, ["name", "value", "target", "item", "key", "title"])
    number = writer.chance(0.3)
    about = writer.choice(["", "", "A tool", "Run an action", "Custom action"])
    tool = signature(writer, name, about, {parameter: "integer" if number else "string"})

    def ask() -> list[Turn]:
        value = writer.rng.randint(0, 999) if number else words.word(writer)
        language = writer.language()
        voice = writer.voice(language, courtesies=False)
        prompt = voice.say(writer.kept(CALL_BY_NAME[language]), n=name, p=parameter, x=value)
        result, read = _result(writer, "text")
        said = f"The tool {name} says:" if language == "en" else f"A ferramenta {name} diz:"
        return use(tool, prompt, {parameter: value}, result, f"{said} {read}.")

    return Offer(tool, ask)


_KINDS: list[tuple[Callable[[Writer, str], Offer], str, float]] = [
    (_place, "weather", 3),
    (_place, "time", 1.5),
    (_place, "population", 1),
    (_arithmetic, "add", 1),
    (_arithmetic, "multiply", 1),
    (_arithmetic, "subtract", 0.5),
    (_arithmetic, "divide", 0.5),
    (_text, "search", 1.5),
    (_text, "file", 1.5),
    (_property, "property", 1.2),
    (_by_name, "any", 1.2),
]


def offers(writer: Writer, count: int) -> list[Offer]:
    """Return `count` different tools, in any order."""
    made: list[Offer] = []
    kinds: set[str] = set()
    while len(made) < count:
        make, kind, _ = writer.rng.choices(_KINDS, [weight for *_, weight in _KINDS])[0]
        if kind not in kinds:
            kinds.add(kind)
            made.append(make(writer, kind))
    return made
