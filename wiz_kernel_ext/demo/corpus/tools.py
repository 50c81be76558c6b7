"""Tool conversations: the question, the call in `<tool_call>` form, the tool's result, the answer.

Tool names, argument names and descriptions vary (many are made up), so that the call has to be read
off the signatures in the prompt and not off a memory of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import words
from .records import dump
from .tool_wordings import (
    ARITHMETIC_TOOLS,
    CALCULATE,
    CALL_BY_NAME,
    PLACE_TOOLS,
    SKIES,
    TEXT_TOOLS,
    VERBS,
)
from .writer import Turn, Writer

Tool = dict[str, Any]


@dataclass(frozen=True)
class Use:
    """One tool and one use of it: what is asked, the arguments, the result, what is then said."""

    tool: Tool
    prompt: str
    arguments: dict[str, Any]
    result: str
    answer: str
    call: str = field(init=False)

    def __post_init__(self) -> None:
        """Write the call as the model has to write it."""
        name = self.tool["function"]["name"]
        call = dump({"name": name, "arguments": self.arguments})
        object.__setattr__(self, "call", f"<tool_call>\n{call}\n</tool_call>")

    def turns(self) -> list[Turn]:
        """Return the two exchanges: question and call, result and answer."""
        return [
            Turn(self.prompt, self.call, "tool call"),
            Turn(self.result, self.answer, "tool answer", role="tool"),
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
        return (
            f"{name}_{words.coined(writer)}"
            if writer.chance(0.5)
            else f"{words.coined(writer)}_{name}"
        )
    return name


def _parameter(writer: Writer, names: list[str]) -> str:
    if not writer.held_out and writer.chance(0.2):
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
        plain = " ".join(words.word(writer) for _ in range(writer.rng.randint(1, 4)))
        found = {writer.choice(["text", "content", "results", "status"]): plain}
    if not writer.held_out and writer.chance(0.1):
        found = {words.coined(writer): writer.rng.randint(0, 99), **found}
    if writer.chance(0.5):
        return plain, plain
    return dump(found), ", ".join(str(value) for value in found.values())


def _place(writer: Writer, kind: str, language: str) -> Use:
    names, abouts, wordings, answers = PLACE_TOOLS[kind]
    parameter = _parameter(writer, ["city", "city", "city", "location", "place", "town"])
    tool = signature(writer, _named(writer, names), writer.choice(abouts), {parameter: "string"})
    voice = writer.voice(language, courtesies=False)
    city = voice.cased(words.city(writer))
    prompt = voice.say(writer.kept(wordings[language]), x=city)
    result, read = _result(writer, kind)
    return Use(tool, prompt, {parameter: city}, result, answers[language].format(x=city, r=read))


def _arithmetic(writer: Writer, kind: str, language: str) -> Use:
    names, about, signs = ARITHMETIC_TOOLS[kind]
    first, second = writer.choice([("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")])
    number = writer.choice(["integer", "integer", "number"])
    tool = signature(writer, _named(writer, names), about, {first: number, second: number})
    a, b = (writer.rng.randint(0, writer.choice([20, 99, 999])) for _ in range(2))
    voice = writer.voice(language, courtesies=False)
    prompt = voice.say(writer.kept(CALCULATE), a=a, b=b, op=writer.choice(signs))
    result, read = _result(writer, "number")
    portuguese = any(word in prompt.lower() for word in ("quanto", "calcule"))
    said = "O resultado é" if portuguese else "The result is"
    return Use(tool, prompt, {first: a, second: b}, result, f"{said} {read}.")


def _text(writer: Writer, kind: str, language: str) -> Use:
    names, abouts, parameters, wordings, answers = TEXT_TOOLS[kind]
    parameter = _parameter(writer, parameters)
    tool = signature(writer, _named(writer, names), writer.choice(abouts), {parameter: "string"})
    voice = writer.voice(language, courtesies=False)
    if kind == "file":
        text = words.word(writer) + writer.choice([".csv", ".txt", ".py", ".json", ".md"])
    else:
        text = " ".join(words.word(writer) for _ in range(writer.rng.randint(1, 3)))
    text = voice.cased(text)
    prompt = voice.say(writer.kept(wordings[language]), x=text)
    result, read = _result(writer, "text")
    return Use(tool, prompt, {parameter: text}, result, answers[language].format(x=text, r=read))


def _by_name(writer: Writer, kind: str, language: str) -> Use:
    thing = words.coined(writer) if writer.chance(0.6) else words.word(writer)
    name = f"{writer.choice(VERBS)}_{thing}"
    parameter = _parameter(writer, ["name", "value", "target", "item", "key", "title"])
    whole = writer.chance(0.3)
    about = writer.choice(["", "", "A tool", "Run an action", "Custom action"])
    tool = signature(writer, name, about, {parameter: "integer" if whole else "string"})
    value = writer.rng.randint(0, 999) if whole else words.word(writer)
    wording = writer.kept(CALL_BY_NAME)
    voice = writer.voice(language, courtesies=False)
    prompt = voice.say(wording, n=name, p=parameter, x=value)
    result, read = _result(writer, "text")
    answer = (
        f"The tool {name} says: {read}."
        if "com" not in wording.split()
        else f"A ferramenta {name} diz: {read}."
    )
    return Use(tool, prompt, {parameter: value}, result, answer)


_KINDS: list[tuple[Callable[[Writer, str, str], Use], str, float]] = [
    (_place, "weather", 3),
    (_place, "time", 1.5),
    (_place, "population", 1),
    (_arithmetic, "add", 1),
    (_arithmetic, "multiply", 1),
    (_arithmetic, "subtract", 0.5),
    (_arithmetic, "divide", 0.5),
    (_text, "search", 1.5),
    (_text, "file", 1.5),
    (_by_name, "any", 2),
]


def uses(writer: Writer, count: int) -> list[Use]:
    """Return uses of `count` different tools; the first is the one to be asked for."""
    made: list[Use] = []
    kinds: set[str] = set()
    while len(made) < count:
        make, kind, _ = writer.rng.choices(_KINDS, [weight for *_, weight in _KINDS])[0]
        if kind not in kinds or kind == "any":
            kinds.add(kind)
            made.append(make(writer, kind, writer.language()))
    return made
