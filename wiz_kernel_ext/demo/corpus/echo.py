"""Repeating a given text."""

from __future__ import annotations

from . import words
from .writer import Turn, Writer, lines

_WORDINGS = {
    "en": lines("""
Repeat: {x}
Repeat after me: {x}
Say: {x}
Echo: {x}
Please repeat after me: {x}
Write exactly: {x}
Please repeat: {x}
Repeat this text: {x}
Repeat the following: {x}
Echo this: {x}
Say "{x}"
Repeat "{x}"
Copy this: {x}
Write: {x}
Repeat this: {x}
Repeat {x}
Say {x}
Repeat the text: {x}
Print: {x}
Please say "{x}"
Copy: {x}
Repeat exactly: {x}
Can you repeat "{x}"?
Write this text: {x}
Say this: {x}
Repeat the sentence: {x}
Just say {x}
Can you say "{x}"?
Repeat these words: {x}
Copy the text: {x}
Repeat word for word: {x}
Answer only with: {x}
Reply with "{x}"
Answer: {x}
Answer with exactly: {x}
Reply exactly: {x}
Repeat back to me: {x}"""),
    "pt": lines("""
Repita: {x}
Diga: {x}
Escreva: {x}
Repita comigo: {x}
Repita este texto: {x}
Repita "{x}"
Diga "{x}"
Repita o texto: {x}
Repita o seguinte: {x}
Escreva exatamente: {x}
Repita isto: {x}
Copie: {x}
Copie isto: {x}
Repita depois de mim: {x}
Repita a frase: {x}
Copie o texto: {x}
Repita {x}
Por favor, repita: {x}
Diga {x}
Pode repetir "{x}"?
Responda apenas: {x}
Responda com "{x}"
Fale: {x}
Diga isto: {x}
Por favor, diga: {x}"""),
}
_AGAIN = {
    "en": lines("""
Repeat that.
Say that again.
Can you repeat that?
Again, please
Can you say that again?
Once more.
Repeat your answer.
Please repeat that."""),
    "pt": lines("""
Repita isso.
Diga de novo.
Pode repetir?
De novo, por favor
Pode dizer de novo?
Mais uma vez.
Repita a resposta.
Repita de novo."""),
}


def echo(writer: Writer) -> list[Turn]:
    """Repeat a short text exactly as it was typed; now and then once more."""
    language = writer.language()
    voice = writer.voice(language, courtesies=False)
    text = voice.cased(words.text(writer))
    # closing punctuation belongs to the text, so this voice never drops it
    prompt = voice.cased(writer.kept(_WORDINGS[language]).replace("{x}", "\0")).replace("\0", text)
    turns = [Turn(prompt, text, "echo")]
    if not writer.held_out and writer.chance(0.03):
        turns.append(again(writer, turns[-1]))
    return turns


def again(writer: Writer, last: Turn) -> Turn:
    """Ask for the last answer once more."""
    language = writer.language()
    voice = writer.voice(language, courtesies=False)
    return Turn(voice.say(writer.kept(_AGAIN[language])), last.answer, "again")
