"""Greetings, thanks and farewells."""

from __future__ import annotations

from .writer import Turn, Writer, lines

HELLO = {"en": "Hello! How can I help you today?", "pt": "Olá! Como posso ajudar?"}
_HELLO_WORDINGS = {
    "en": lines("""
Hello
Hi
Hello!
Hi there!
Hi, good morning!
Hey
Hey!
Hello there
Good morning
Hey there!
Good afternoon
Good evening!
Hello, model!
Hi, assistant
Hello, how are you?
Greetings
Hi, how are you?
How are you?
How are you doing?
Hi, how are you doing today?
Hello, assistant!
Hello again
Hi everyone
Howdy
Hello hello!
Hi!
Hey, how are you?
What's up?
Are you there?
Good day!
Hello, good morning!
Hello, good afternoon
Hello friend
Hey, what's up?
Hi, are you there?
Hello, are you there?
Hi hi
Hey, good evening
How is it going?
Good morning, how are you?
Nice to meet you
Yo
Hi computer
Hello, wiz!
Hello, my friend"""),
    "pt": lines("""
Oi
Oi!
Olá
Olá!
Oi, bom dia!
Bom dia
Bom dia!
Boa tarde!
Boa noite!
Olá, boa noite!
Oi, tudo bem?
Olá, tudo bem?
Oi, como vai?
Como vai você?
Olá, como vai?
Olá, modelo!
E aí?
Tudo bem?
Oi, assistente
Oi oi!
Olá, assistente!
Boa tarde, tudo bem?
Como você está?
Alô
Bom dia, tudo bem?
Olá de novo
Tem alguém aí?
Você está aí?
Opa!
Oi, você está aí?
Oi, boa tarde
Olá, bom dia
Tudo bom?
Oi amigo
Olá, boa tarde!"""),
}
_CLOSING = (
    (
        {"en": "You are welcome!", "pt": "De nada!"},
        {
            "en": lines("""
Thanks
Thank you
Thank you!
Thanks a lot!
Many thanks!
Great, thanks!
Thank you very much
Thanks for your help
Thank you so much!
Thanks, that is great
Cool, thank you
Perfect, thanks
Thx"""),
            "pt": lines("""
Obrigado
Obrigada
Obrigado!
Muito obrigado!
Muito obrigada!
Valeu!
Obrigada pela ajuda
Obrigado pela resposta
Ótimo, obrigado!
Valeu, obrigado!
Perfeito, obrigada"""),
        },
    ),
    (
        {"en": "Goodbye! Have a nice day.", "pt": "Tchau! Tenha um bom dia."},
        {
            "en": lines("""
Bye
Bye!
Goodbye
See you later
Bye bye!
See you!
Good bye!
See you soon
Good night
Goodbye, see you
Have a nice day
I have to go, bye"""),
            "pt": lines("""
Tchau
Tchau!
Até logo
Até mais!
Tchau tchau!
Adeus
Até amanhã
Até a próxima
Preciso ir, tchau
Até logo, tchau
Tenha um bom dia"""),
        },
    ),
)


def greeting(writer: Writer) -> list[Turn]:
    """Hello, in either language."""
    language = writer.language()
    voice = writer.voice(language, courtesies=False)
    return [Turn(voice.say(writer.kept(_HELLO_WORDINGS[language])), HELLO[language], "greeting")]


def closing(writer: Writer) -> list[Turn]:
    """Thanks and farewells."""
    language = writer.language()
    answer, wordings = writer.choice(_CLOSING)
    voice = writer.voice(language, courtesies=False)
    return [Turn(voice.say(writer.kept(wordings[language])), answer[language], "closing")]
