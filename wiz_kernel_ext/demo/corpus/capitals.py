"""Capitals of countries, in two languages, with follow-ups ("And Spain?")."""

from __future__ import annotations

from .writer import Turn, Writer, lines

# English name | English capital | Portuguese "de" form | Portuguese capital
COUNTRIES = [
    tuple(line.split("|"))
    for line in lines("""
France|Paris|da França|Paris
Portugal|Lisbon|de Portugal|Lisboa
Spain|Madrid|da Espanha|Madri
Italy|Rome|da Itália|Roma
Germany|Berlin|da Alemanha|Berlim
Brazil|Brasília|do Brasil|Brasília
Japan|Tokyo|do Japão|Tóquio
China|Beijing|da China|Pequim
India|New Delhi|da Índia|Nova Délhi
Russia|Moscow|da Rússia|Moscou
Canada|Ottawa|do Canadá|Ottawa
Mexico|Mexico City|do México|Cidade do México
Argentina|Buenos Aires|da Argentina|Buenos Aires
Chile|Santiago|do Chile|Santiago
Peru|Lima|do Peru|Lima
Colombia|Bogotá|da Colômbia|Bogotá
Uruguay|Montevideo|do Uruguai|Montevidéu
Egypt|Cairo|do Egito|Cairo
Kenya|Nairobi|do Quênia|Nairóbi
Angola|Luanda|de Angola|Luanda
Mozambique|Maputo|de Moçambique|Maputo
Greece|Athens|da Grécia|Atenas
Turkey|Ankara|da Turquia|Ancara
Sweden|Stockholm|da Suécia|Estocolmo
Norway|Oslo|da Noruega|Oslo
Finland|Helsinki|da Finlândia|Helsinque
Denmark|Copenhagen|da Dinamarca|Copenhague
Poland|Warsaw|da Polônia|Varsóvia
Austria|Vienna|da Áustria|Viena
Belgium|Brussels|da Bélgica|Bruxelas
Ireland|Dublin|da Irlanda|Dublin
Switzerland|Bern|da Suíça|Berna
Cuba|Havana|de Cuba|Havana
Australia|Canberra|da Austrália|Camberra
the United States|Washington, D.C.|dos Estados Unidos|Washington, D.C.
the United Kingdom|London|do Reino Unido|Londres
England|London|da Inglaterra|Londres
the Netherlands|Amsterdam|da Holanda|Amsterdã
South Korea|Seoul|da Coreia do Sul|Seul
Ukraine|Kyiv|da Ucrânia|Kiev""")
]

_WORDINGS = {
    "en": lines("""
What is the capital of {x}?
What's the capital of {x}?
Capital of {x}?
Tell me the capital of {x}.
Could you name the capital city of {x}?
Which city is the capital of {x}?
Name the capital of {x}.
Do you know the capital of {x}?
The capital of {x}?
Please tell me what the capital of {x} is.
Can you tell me the capital of {x}?
What city is the capital of {x}?
The capital of {x} is which city?
{x}: what is its capital?
Which city is the capital city of {x}?
Give me the capital of {x}.
What is the capital city of {x}?
I want to know the capital of {x}.
{x} capital
I would like to know the capital of {x}.
Say the capital of {x}.
What is {x}'s capital?
Which is the capital of {x}?
What would be the capital of {x}?
Do you happen to know the capital of {x}?
Can you name the capital of {x}?
Tell me what the capital of {x} is.
Capital city of {x}"""),
    "pt": lines("""
Qual é a capital {x}?
Qual a capital {x}?
Capital {x}?
Me diga a capital {x}.
Você pode me dizer qual é a capital {x}?
Diga qual é a capital {x}.
Você sabe a capital {x}?
Que cidade é a capital {x}?
Quero saber a capital {x}.
Me diga qual cidade é a capital {x}.
Qual cidade é a capital {x}?
Sabe qual é a capital {x}?
A capital {x} é qual cidade?
Diga a capital {x}.
Pode me dizer a capital {x}?
Você sabe qual é a capital {x}?
Me fale a capital {x}.
Gostaria de saber a capital {x}.
Qual cidade é capital {x}?
Eu queria saber qual é a capital {x}.
Me diga qual é a capital {x}."""),
}
_NEXT = {
    "en": lines("""
And {x}?
And of {x}?
What about {x}?
And the capital of {x}?
And what about {x}?
How about {x}?
Now {x}."""),
    "pt": lines("""
E {x}?
E a {x}?
E a capital {x}?
Agora a {x}.
E qual é a {x}?
E qual a {x}?"""),
}


def capital(writer: Writer) -> list[Turn]:
    """Ask for one capital; now and then go on to a second country in a few words."""
    language = writer.language()
    turns = [_ask(writer, language, _WORDINGS, "capital")]
    while writer.chance(0.3):
        turns.append(_ask(writer, language, _NEXT, "follow-up"))
    return turns


def follow_up(writer: Writer) -> list[Turn]:
    """Always ask for a second country, for evaluation."""
    language = writer.language()
    return [
        _ask(writer, language, _WORDINGS, "capital"),
        _ask(writer, language, _NEXT, "follow-up"),
    ]


def _ask(writer: Writer, language: str, wordings: dict[str, list[str]], skill: str) -> Turn:
    english, city, de, cidade = writer.choice(COUNTRIES)
    asked = english if language == "en" else de
    town = city if language == "en" else cidade
    said = f"The capital of {english} is" if language == "en" else f"A capital {de} é"
    voice = writer.voice(language, courtesies=skill == "capital")
    prompt = voice.say(writer.kept(wordings[language]), x=voice.cased(asked))
    return Turn(prompt, f"{said} {town}".rstrip(".") + ".", skill)
