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
from .writer import Turn, Writer, lines

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


_PLACE_TOOLS = {
    "weather": (
        ["get_weather", "get_weather", "weather", "current_weather", "fetch_weather", "weather_in"],
        ["Get the current weather in a city", "Get the weather", "Weather of a city",
         "Return the weather in a city.", "O tempo em uma cidade", "Current weather for a place"],
        {
            "en": lines("""
What is the weather in {x}?
What's the weather like in {x}?
How is the weather in {x}?
Weather in {x}
Please tell me the weather in {x}.
Is it raining in {x}?
Tell me the weather in {x}.
What's the weather in {x}?
Is it cold in {x}?
What is the weather like in {x} today?
What is the temperature in {x}?
How hot is it in {x}?
Check the weather in {x}.
Use the tool: weather in {x}
Can you check the weather in {x}?"""),
            "pt": lines("""
Como está o tempo em {x}?
Qual é a previsão do tempo em {x}?
Tempo em {x}
Está chovendo em {x}?
Me diga como está o tempo em {x}.
Qual é o tempo em {x}?
Está frio em {x}?
Qual é a temperatura em {x}?
Veja o tempo em {x}.
Como está o tempo hoje em {x}?"""),
        },
        {"en": "The weather in {x}: {r}.", "pt": "O tempo em {x}: {r}."},
    ),
    "time": (
        ["get_time", "get_time", "current_time", "time_now", "time_in", "clock"],
        ["Get the current time in a city", "Get the time", "Time in a city",
         "Return the local time.", "A hora em uma cidade"],
        {
            "en": lines("""
What time is it in {x}?
What's the time in {x}?
Tell me the time in {x}.
Current time in {x}
What time is it now in {x}?
What is the time in {x}?
Do you know the time in {x}?
Time in {x}
Give me the time in {x}.
Please tell me the time in {x}."""),
            "pt": lines("""
Que horas são em {x}?
Qual é a hora em {x}?
Me diga as horas em {x}.
Hora em {x}
Que horas são agora em {x}?
Qual é o horário em {x}?
Veja as horas em {x}."""),
        },
        {"en": "The time in {x}: {r}.", "pt": "A hora em {x}: {r}."},
    ),
    "population": (
        ["get_population", "population", "population_of", "count_people"],
        ["Get the population of a city", "Population of a place", "How many people live in a city",
         "Number of inhabitants"],
        {
            "en": lines("""
What is the population of {x}?
How many people live in {x}?
Population of {x}
Tell me the population of {x}.
Please get the population of {x}.
How big is the population of {x}?"""),
            "pt": lines("""
Qual é a população de {x}?
Quantas pessoas vivem em {x}?
População de {x}
Me diga a população de {x}.
Quantos habitantes tem {x}?
Veja a população de {x}."""),
        },
        {"en": "The population of {x}: {r}.", "pt": "A população de {x}: {r}."},
    ),
}  # fmt: skip
_ARITHMETIC = {
    "add": (["add", "sum", "add_numbers", "plus"], "Add two numbers", ["+", "plus"]),
    "multiply": (["multiply", "times", "product", "mul"], "Multiply two numbers", ["*", "times"]),
    "subtract": (["subtract", "minus", "sub"], "Subtract two numbers", ["-", "minus"]),
    "divide": (["divide", "div", "quotient"], "Divide two numbers", ["/", "divided by"]),
}
_CALCULATE = lines("""
What is {a} {op} {b}?
How much is {a} {op} {b}?
Use the tool: {a} {op} {b}
Calculate {a} {op} {b}.
Use the tool for {a} {op} {b}
{a} {op} {b}
Quanto é {a} {op} {b}?
Compute {a} {op} {b}.
Calcule {a} {op} {b}
Please compute {a} {op} {b}.""")
_TEXT_TOOLS = {
    "search": (
        ["search", "web_search", "find", "search_web", "lookup"],
        ["Search the web", "Search for information", "Find documents", "Look something up"],
        ["query", "query", "text", "q", "topic"],
        {
            "en": lines("""
Search for {x}
Search the web for {x}
Find information about {x}
Look up {x}
Please search for {x}
Search {x}
Find {x}
Do a search for {x}
Can you search for {x}
Search the web about {x}"""),
            "pt": lines("""
Pesquise {x}
Procure por {x}
Pesquise sobre {x}
Busque {x}
Por favor, pesquise {x}
Procure {x}"""),
        },
        {"en": "I found this for {x}: {r}.", "pt": "Encontrei isto para {x}: {r}."},
    ),
    "file": (
        ["read_file", "read_file", "open_file", "load_file", "show_file"],
        ["Read a text file", "Read a file from disk", "Return the text of a file", "Open a file"],
        ["path", "path", "file", "filename"],
        {
            "en": lines("""
Read the file {x}
Open the file {x}
Show me the file {x}
What is in the file {x}
Please read the file {x}
Read {x}
Open {x}
Show {x}
Load the file {x}
Show the content of the file {x}"""),
            "pt": lines("""
Leia o arquivo {x}
Abra o arquivo {x}
Mostre o arquivo {x}
O que há no arquivo {x}
Por favor, leia o arquivo {x}
Leia {x}
Carregue o arquivo {x}"""),
        },
        {"en": "The file {x} says: {r}.", "pt": "O arquivo {x} diz: {r}."},
    ),
}
_CALL_BY_NAME = lines("""
Call {n} with {p} {x}
Use {n} with {p} {x}
Run the tool {n} with {p} {x}
Use the tool {n} with {p} {x}
Please call {n} with {p} {x}
Call the tool {n} with {p} = {x}
Run {n} with {p} {x}
Chame {n} com {p} {x}
Use {n} com {p} = {x}
Use a ferramenta {n} com {p} {x}
Call {n} with {p}={x}""")
_VERBS = "run make do set list play send get show load open start stop check count save".split()
_SKIES = "sunny cloudy rainy windy clear snowy hot cold nice".split()


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
        degrees, sky = writer.rng.randint(-9, 39), writer.choice(_SKIES)
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
    names, abouts, wordings, answers = _PLACE_TOOLS[kind]
    parameter = _parameter(writer, ["city", "city", "city", "location", "place", "town"])
    tool = signature(writer, _named(writer, names), writer.choice(abouts), {parameter: "string"})
    voice = writer.voice(language, courtesies=False)
    city = voice.cased(words.city(writer))
    prompt = voice.say(writer.kept(wordings[language]), x=city)
    result, read = _result(writer, kind)
    return Use(tool, prompt, {parameter: city}, result, answers[language].format(x=city, r=read))


def _arithmetic(writer: Writer, kind: str, language: str) -> Use:
    names, about, signs = _ARITHMETIC[kind]
    first, second = writer.choice([("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")])
    number = writer.choice(["integer", "integer", "number"])
    tool = signature(writer, _named(writer, names), about, {first: number, second: number})
    a, b = (writer.rng.randint(0, writer.choice([20, 99, 999])) for _ in range(2))
    voice = writer.voice(language, courtesies=False)
    prompt = voice.say(writer.kept(_CALCULATE), a=a, b=b, op=writer.choice(signs))
    result, read = _result(writer, "number")
    portuguese = any(word in prompt.lower() for word in ("quanto", "calcule"))
    said = "O resultado é" if portuguese else "The result is"
    return Use(tool, prompt, {first: a, second: b}, result, f"{said} {read}.")


def _text(writer: Writer, kind: str, language: str) -> Use:
    names, abouts, parameters, wordings, answers = _TEXT_TOOLS[kind]
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
    name = f"{writer.choice(_VERBS)}_{thing}"
    parameter = _parameter(writer, ["name", "value", "target", "item", "key", "title"])
    whole = writer.chance(0.3)
    about = writer.choice(["", "", "A tool", "Run an action", "Custom action"])
    tool = signature(writer, name, about, {parameter: "integer" if whole else "string"})
    value = writer.rng.randint(0, 999) if whole else words.word(writer)
    wording = writer.kept(_CALL_BY_NAME)
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
