"""Long fixed answers, useful to watch streaming and to try an interrupt."""

from __future__ import annotations

from .writer import Turn, Writer, lines

STORIES = {
    "en": (
        "Once upon a time, a small robot named Pip lived in a quiet notebook. Every morning, "
        "Pip woke up when the first cell was run. Pip loved clean tables, short functions and "
        "bright charts. One day, a cell showed a big red error, and everyone was afraid. The "
        "people tried to run the cell again and again, but the error came back each time. Pip "
        "read the message slowly, line by line, and at the very end it found a missing comma. "
        "Pip fixed it and ran the cell again. The chart appeared, bright and beautiful, and "
        "the whole notebook cheered.\n\n"
        "That night, Pip wrote three rules on the first page: read the message, change one "
        "thing, run it again. From that day on, the people trusted the small robot, and when "
        "a new error came, nobody was afraid. They opened the first page, read the three "
        "rules and smiled. And Pip, happy and tired, went to sleep in the last cell, waiting "
        "for the next morning. The end."
    ),
    "pt": (
        "Era uma vez um pequeno robô chamado Pip, que vivia em um notebook tranquilo. Toda "
        "manhã, Pip acordava quando a primeira célula era executada. Pip gostava de tabelas "
        "limpas, funções curtas e gráficos claros. Um dia, uma célula mostrou um grande erro "
        "vermelho, e todos ficaram com medo. As pessoas executaram a célula muitas vezes, mas "
        "o erro sempre voltava. Pip leu a mensagem devagar, linha por linha, e bem no fim "
        "encontrou uma vírgula que faltava. Pip corrigiu e executou a célula de novo. O "
        "gráfico apareceu, claro e bonito, e todo o notebook comemorou.\n\n"
        "Naquela noite, Pip escreveu três regras na primeira página: leia a mensagem, mude "
        "uma coisa, execute de novo. Desde aquele dia, as pessoas confiam no pequeno robô, e "
        "quando aparece um novo erro, ninguém tem medo. E Pip, feliz e cansado, foi dormir na "
        "última célula, esperando a próxima manhã. Fim."
    ),
}
_WORDINGS = {
    "en": lines("""
Tell me a story.
Write a short story.
Tell me a short story.
Write a story about a robot.
Could you tell a story?
Can you tell me a story?
Write a story.
Tell a story
Tell me a long story.
Please write me a short story.
I want to hear a story.
Tell me a story about a robot.
A story, please
Do you know a story?
I would like a story."""),
    "pt": lines("""
Conte uma história.
Escreva uma história curta.
Me conte uma história.
Conte uma história curta.
Pode escrever uma história?
Escreva uma história sobre um robô.
Você pode contar uma história?
Conta uma história
Conte uma longa história.
Quero ouvir uma história.
Escreva uma história.
Me conta uma história?
Uma história, por favor"""),
}


def story(writer: Writer) -> list[Turn]:
    """Tell the one story it knows, in the language asked."""
    language = writer.language()
    prompt = writer.voice(language).say(writer.kept(_WORDINGS[language]))
    return [Turn(prompt, STORIES[language], "story")]
