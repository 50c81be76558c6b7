"""What tools are called and how people ask for them (data for `tools`).

{x} a city or text, {r} the result as read out, {a} {op} {b} a sum, {n} {p} {x} a tool, its
parameter and value.
"""

from __future__ import annotations

from .writer import lines

PLACE_TOOLS = {
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
ARITHMETIC_TOOLS = {
    "add": (["add", "sum", "add_numbers", "plus"], "Add two numbers", ["+", "plus"]),
    "multiply": (["multiply", "times", "product", "mul"], "Multiply two numbers", ["*", "times"]),
    "subtract": (["subtract", "minus", "sub"], "Subtract two numbers", ["-", "minus"]),
    "divide": (["divide", "div", "quotient"], "Divide two numbers", ["/", "divided by"]),
}
CALCULATE = {
    "en": lines("""
What is {a} {op} {b}?
How much is {a} {op} {b}?
Use the tool: {a} {op} {b}
Calculate {a} {op} {b}.
Please compute {a} {op} {b}.
Use the tool for {a} {op} {b}
{a} {op} {b}
Compute {a} {op} {b}."""),
    "pt": lines("""
Quanto é {a} {op} {b}?
Calcule {a} {op} {b}
Use a ferramenta: {a} {op} {b}
Quanto dá {a} {op} {b}?
Me diga quanto é {a} {op} {b}."""),
}
TEXT_TOOLS = {
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
PROPERTY_TOOLS = ["get_{p}", "{p}_of", "find_{p}", "{p}", "lookup_{p}"]
PROPERTIES = """price color size owner author weight height address status score stock level length
date phone title country salary grade brand""".split()
ASK_PROPERTY = {
    "en": lines("""
What is the {p} of {x}?
Tell me the {p} of {x}.
What's the {p} of {x}?
Find the {p} of {x}
I need the {p} of {x}.
Get the {p} of {x}."""),
    "pt": lines("""
Qual é o {p} de {x}?
Me diga o {p} de {x}.
Veja o {p} de {x}
Encontre o {p} de {x}
Qual o {p} de {x}?"""),
}
CALL_BY_NAME = {
    "en": lines("""
Call {n} with {p} {x}
Use {n} with {p} {x}
Run the tool {n} with {p} {x}
Use the tool {n} with {p} {x}
Please call {n} with {p} {x}
Call the tool {n} with {p} = {x}
Run {n} with {p} {x}
Call {n} with {p}={x}"""),
    "pt": lines("""
Chame {n} com {p} {x}
Use {n} com {p} = {x}
Use a ferramenta {n} com {p} {x}
Rode {n} com {p} {x}
Chame a ferramenta {n} com {p} {x}"""),
}
VERBS = "run make do set list play send get show load open start stop check count save".split()
SKIES = "sunny cloudy rainy windy clear snowy hot cold nice".split()
