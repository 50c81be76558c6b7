"""Small sums (0 to 20, every pair) and counting up."""

from __future__ import annotations

from .writer import Turn, Writer, lines

MOST = 20
_NUMBER_WORDS = {
    "en": """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty""".split(),
    "pt": """zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze
dezesseis dezessete dezoito dezenove vinte""".split(),
}
_SUMS = {
    "en": lines("""
What is {a} + {b}?
What's {a} + {b}?
{a} + {b}
{a} + {b} = ?
Can you add {a} and {b}?
{a}+{b}
How much is {a} + {b}?
Calculate {a} + {b}.
Add {a} and {b}.
Tell me how much {a} + {b} is.
What is {a} plus {b}?
Compute {a} + {b}.
What is the sum of {a} and {b}?
How much is {a} plus {b}?
Please compute {a} plus {b}.
Sum {a} and {b}.
Solve {a} + {b}.
{a} plus {b}
What is {a}+{b}?
What do you get if you add {a} and {b}?
{a} plus {b} equals what?
Add {a} to {b}.
{a}+{b}=
Give me the sum of {a} and {b}.
Can you tell me the sum of {a} and {b}?
How much do {a} and {b} make?
Calculate the sum of {a} and {b}.
{a} + {b} ="""),
    "pt": lines("""
Quanto é {a} + {b}?
Quanto é {a} mais {b}?
Some {a} e {b}.
Calcule {a} + {b}.
Me diga quanto é {a} + {b}.
Qual é a soma de {a} e {b}?
Quanto dá {a} + {b}?
{a} mais {b} é quanto?
{a} mais {b}
Quanto dá {a} mais {b}?
Quanto é {a}+{b}?
Resolva {a} + {b}.
Qual é o resultado de {a} + {b}?
Calcule {a} mais {b}.
Você pode somar {a} e {b}?
Calcule a soma de {a} e {b}.
Some {a} com {b}.
Soma de {a} e {b}"""),
}
_NEXT = {
    "en": lines("""
And {a} + {b}?
And {a} plus {b}?
What about {a} + {b}?
Now {a} + {b}.
And what about {a} + {b}?
How about {a} + {b}?"""),
    "pt": lines("""
E {a} + {b}?
E {a} mais {b}?
E quanto é {a} + {b}?
Agora {a} + {b}.
E quanto dá {a} + {b}?"""),
}
_COUNTS = {
    "en": lines("""
Count from 1 to {n}.
Count to {n}.
Count up to {n}.
List the numbers from 1 to {n}.
Can you count from 1 to {n}?
Write the numbers from 1 to {n}.
Count 1 to {n}
Can you count to {n}?
Count from one to {n}.
Please count from 1 up to {n}."""),
    "pt": lines("""
Conte de 1 a {n}.
Conte até {n}.
Conte de 1 até {n}.
Escreva os números de 1 a {n}.
Você pode contar de 1 a {n}?
Liste os números de 1 a {n}.
Você pode contar até {n}?
Conta de 1 a {n}
Conte do 1 ao {n}.
Escreva os números de 1 até {n}."""),
}


def pair(writer: Writer) -> tuple[int, int]:
    """Choose two numbers up to 20; nine times in ten their sum is at most 20."""
    a = writer.rng.randint(0, MOST)
    if writer.chance(0.8):
        b = writer.rng.randint(0, MOST - a)
        return (a, b) if writer.chance(0.5) else (b, a)
    return a, writer.rng.randint(0, MOST)


def addition(writer: Writer) -> list[Turn]:
    """Add two numbers from 0 to 20."""
    language = writer.language()
    turns = [_sum(writer, language, _SUMS, "sum")]
    while not writer.held_out and writer.chance(0.6):  # short, and there are 441 to learn
        wordings = _NEXT if writer.chance(0.3) else _SUMS
        turns.append(_sum(writer, language, wordings, "sum"))
    return turns


def counting(writer: Writer) -> list[Turn]:
    """Count from 1: mostly to small numbers, now and then to 200."""
    language = writer.language()
    tops = [(2, 12), (10, 30), (30, 100), (100, 200)]
    low, high = writer.rng.choices(tops, [0.35, 0.47, 0.12, 0.06])[0]
    top = writer.choice([10, 20, 50, 100]) if writer.chance(0.3) else writer.rng.randint(low, high)
    voice = writer.voice(language)
    prompt = voice.say(writer.kept(_COUNTS[language]), n=top)
    return [Turn(prompt, ", ".join(str(i) for i in range(1, top + 1)), "counting")]


def _sum(writer: Writer, language: str, wordings: dict[str, list[str]], skill: str) -> Turn:
    a, b = pair(writer)
    voice = writer.voice(language, courtesies=wordings is _SUMS)
    shown: tuple[object, object] = (a, b)
    if not writer.held_out and writer.chance(0.06):
        names = _NUMBER_WORDS[language]
        shown = voice.cased(names[a]), voice.cased(names[b])
    prompt = voice.say(writer.kept(wordings[language]), a=shown[0], b=shown[1])
    if a + b > MOST and writer.held_out:
        skill = "sum above 20"
    return Turn(prompt, f"{a} + {b} = {a + b}.", skill)
