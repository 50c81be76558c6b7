"""Remembering what the user said: a name above all, a city, a colour, an age."""

from __future__ import annotations

from . import words
from .writer import Turn, Writer, lines

_NAME = {
    "en": lines("""
My name is {x}.
My name is {x}
I am {x}.
Hi, my name is {x}.
Hello! My name is {x}.
Hello, my name is {x}.
Hello, I am {x}.
Call me {x}.
Hi, I'm {x}
Hey, my name is {x}!
I'm {x}.
My name's {x}.
Hello, my name is {x}
You can call me {x}.
Hi! I am {x}.
Good morning, my name is {x}.
People call me {x}.
Hey, I'm {x}!
Please call me {x}.
Good morning, I am {x}."""),
    "pt": lines("""
Meu nome é {x}.
Meu nome é {x}
Eu sou {x}.
Oi, meu nome é {x}.
Olá! Meu nome é {x}.
Olá, meu nome é {x}.
Eu me chamo {x}.
Me chamo {x}.
Oi, eu sou {x}.
Oi, eu me chamo {x}!
Pode me chamar de {x}.
Bom dia, meu nome é {x}.
Olá, eu sou {x}
O meu nome é {x}.
Bom dia, eu me chamo {x}."""),
}
_ASK_NAME = {
    "en": lines("""
What is my name?
Do you remember my name?
Who am I?
What's my name?
Can you tell me my name?
Tell me my name.
Say my name.
What was my name?
Do you know who I am?
Do you know my name?
Can you say my name?
What is my name again?
How am I called?
And what is my name?
Could you tell me what my name is?
What did I say my name was?
What name did I give you?
Remember my name?
Please tell me my name.
So, what is my name?"""),
    "pt": lines("""
Qual é o meu nome?
Como eu me chamo?
Você lembra o meu nome?
Quem sou eu?
Me diga qual é o meu nome.
Diga o meu nome.
Qual é meu nome?
Qual o meu nome?
Você se lembra do meu nome?
Você sabe o meu nome?
Me diga o meu nome.
Como é o meu nome?
Sabe quem eu sou?
Lembra do meu nome?
E qual é o meu nome?"""),
}
MET = {"en": "Nice to meet you, {x}!", "pt": "Prazer em conhecer você, {x}!"}
NAMED = {"en": "Your name is {x}.", "pt": "O seu nome é {x}."}
UNNAMED = {
    "en": "I do not know your name yet. What is it?",
    "pt": "Eu ainda não sei o seu nome. Qual é?",
}

# kind -> language -> (statements, reply, questions, answer)
_FACTS = {
    "city": {
        "en": (
            ["I live in {x}.", "I live in {x}", "My city is {x}.", "I am from {x}.",
             "Hi, I live in {x}."],
            "Great, I will remember that you live in {x}.",
            ["Where do I live?", "What is my city?", "Which city do I live in?",
             "Do you remember my city?", "In which city do I live?", "Where am I from?"],
            "You live in {x}.",
        ),
        "pt": (
            ["Eu moro em {x}.", "Moro em {x}", "Minha cidade é {x}.", "Eu vivo em {x}.",
             "Oi, eu moro em {x}."],
            "Certo, vou lembrar que você mora em {x}.",
            ["Onde eu moro?", "Qual é a minha cidade?", "Em que cidade eu moro?",
             "Você sabe onde eu moro?", "Me diga onde eu moro."],
            "Você mora em {x}.",
        ),
    },
    "color": {
        "en": (
            ["My favorite color is {x}.", "My favorite color is {x}", "I like the color {x}.",
             "The color I like is {x}.", "Hi, my favorite color is {x}."],
            "Nice, {x} is a great color.",
            ["What is my favorite color?", "Which color do I like?", "What color do I like?",
             "Do you remember my favorite color?", "Can you tell me my favorite color?"],
            "Your favorite color is {x}.",
        ),
        "pt": (
            ["Minha cor favorita é {x}.", "Minha cor preferida é {x}.", "Eu gosto da cor {x}.",
             "A cor de que eu gosto é {x}.", "Oi, minha cor favorita é {x}."],
            "Legal, {x} é uma ótima cor.",
            ["Qual é a minha cor favorita?", "De que cor eu gosto?", "Qual cor eu prefiro?",
             "Você lembra a minha cor favorita?", "Me diga a minha cor favorita."],
            "A sua cor favorita é {x}.",
        ),
    },
    "age": {
        "en": (
            ["I am {x} years old.", "I am {x} years old", "I'm {x} years old.", "My age is {x}.",
             "Hi, I am {x} years old."],
            "Good, I will remember that you are {x} years old.",
            ["How old am I?", "What is my age?", "Do you know my age?", "Tell me my age.",
             "Do you remember how old I am?"],
            "You are {x} years old.",
        ),
        "pt": (
            ["Eu tenho {x} anos.", "Tenho {x} anos", "Minha idade é {x} anos.",
             "Já tenho {x} anos.", "Oi, eu tenho {x} anos."],
            "Certo, vou lembrar que você tem {x} anos.",
            ["Quantos anos eu tenho?", "Qual é a minha idade?", "Você sabe a minha idade?",
             "Diga a minha idade.", "Me diga quantos anos eu tenho."],
            "Você tem {x} anos.",
        ),
    },
}  # fmt: skip


def introduction(writer: Writer, language: str) -> tuple[Turn, Turn]:
    """Return the turn that tells a name and the turn that asks for it, to stand apart."""
    voice = writer.voice(language, courtesies=False)
    name = voice.cased(words.name(writer))
    told = Turn(
        voice.say(writer.kept(_NAME[language]), x=name), MET[language].format(x=name), "name told"
    )
    asking = language if writer.held_out or writer.chance(0.85) else writer.language()
    again = writer.voice(asking)
    asked = Turn(
        again.say(writer.kept(_ASK_NAME[asking])), NAMED[asking].format(x=name), "name memory"
    )
    return told, asked


def unnamed(writer: Writer) -> list[Turn]:
    """Ask for a name that was never told."""
    language = writer.language()
    prompt = writer.voice(language).say(writer.kept(_ASK_NAME[language]))
    return [Turn(prompt, UNNAMED[language], "name unknown")]


def fact(writer: Writer, language: str) -> tuple[Turn, Turn]:
    """Return the turn that tells a city, a colour or an age and the turn that asks for it."""
    kind = writer.choice(list(_FACTS))
    statements, reply, questions, answer = _FACTS[kind][language]
    voice = writer.voice(language, courtesies=False)
    if kind == "city":
        value = voice.cased(words.city(writer))
    elif kind == "age":
        value = str(writer.rng.randint(1, 99))
    else:
        color = writer.choice(list(words.COLORS))
        value = voice.cased(color if language == "en" else words.COLORS[color])
    told = Turn(voice.say(writer.kept(statements), x=value), reply.format(x=value), "fact told")
    again = writer.voice(language)
    asked = Turn(again.say(writer.kept(questions)), answer.format(x=value), "fact memory")
    return told, asked
