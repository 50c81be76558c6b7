"""What lies outside the model's world: it says that it does not know."""

from __future__ import annotations

from . import words
from .writer import Turn, Writer, lines

ANSWER = {
    "en": "I do not know that. I am only a tiny demo model.",
    "pt": "Isso eu não sei. Eu sou só um pequeno modelo de demonstração.",
}
# {n} a name, {c} a city, {d} another city, {w} and {v} words, {y} a year, {a} and {b} big numbers
_WORDINGS = {
    "en": lines("""
Who won the World Cup in {y}?
How tall is {n}?
What is the weather in {c}?
Who is {n}?
Who invented the {w}?
What is the population of {c}?
When did {n} die?
How far is {c} from {d}?
What is the price of {w}?
How old is {n}?
Who wrote {w}?
Why is {w} {v}?
How many {w} are in {c}?
What time is it?
Where is {c}?
What is the square root of {a}?
Who is the president of {c}?
When was {w} invented?
Where can I buy {w}?
Why do {w} exist?
Do you like {w}?
What is the best {w}?
Which team won in {y}?
What is {a} times {b}?
What is the capital of {c}?
How do I cook {w}?
What happened in {y}?
What is {a} divided by {b}?
Explain quantum physics.
Who painted the Mona Lisa?
What is photosynthesis?
Write a poem about {w}.
What is the stock price of {n}?
Translate {w} to French.
What is the tallest mountain?
Who discovered {w}?
What is a {w}?
What is {w}?
How do I fix my {w}?
What is the meaning of {w}?
What day is today?
What is the news today?
What is the speed of light?
How do I get to {c}?
What is the weather like today?
How big is the {w}?
Tell me about {n}.
Tell me about {c}.
Tell me about {w}.
Who was the king of {c}?
Tell me a joke.
Recommend a book about {w}.
What is the currency of {c}?
What language do they speak in {c}?
Which is the largest ocean?
When did the war end?
How many people live in {c}?
What is the distance to the {w}?
Explain {w}.
Which {w} is the best?
How do planes fly?
Why is the sky blue?
Who is the richest person?
What should I eat today?
How much does a {w} cost?
Is {n} a good person?
Is {c} a nice city?
Where does {n} live?
What is the color of the {w}?
Can you recommend a {w}?
How do I learn {w}?
How do I make a {w}?
How do I {w} a {v} in Python?
How do I deploy a web server?
How many {w} do I need?
What does {n} do?
Why does {n} like {w}?
Which year did {n} win?
Book a flight to {c}.
Did {n} go to {c}?
Is it raining in {c}?
Calculate {a} * {b}.
What is {a} minus {b}?
What do you think about {w}?
What will happen in {y}?
Sing a song about {w}.
Draw a {w}.
What is the name of the {w}?
What is my phone number?
Where did {n} study?
Which movie won in {y}?
Who sings {w}?
What is the best restaurant in {c}?
How long is the river {w}?
Play some music.
Summarize the book {w}.
What is the atomic number of {w}?
Where were you born?
Are {w} and {v} the same?
How hot is the sun?
What is the capital of {w}?
What is the temperature in {c}?
Who is the mayor of {c}?
When is the next {w}?
When was {n} born?
What is {a} + {b}?
How much is {a} + {b}?
When did {n} arrive?
Who is the best {w} in {c}?
Where can I find a {w}?
Where is the {w}?
Can you call {n}?
What did {n} say about {w}?
Why did {n} go to {c}?
Do you know {n}?
Have you been to {c}?
Can you drive a {w}?
What is inside the {w}?
Who owns the {w}?
Which {w} do you prefer?
How heavy is a {w}?
How deep is the sea?
How old is the {w}?
What is the origin of {w}?
How do I clean a {w}?
Are there many {w} in {c}?
How was the {w} made?
Does {n} have a {w}?
Is the {w} bigger than the {v}?
Who lives in {c}?
When does the {w} open?
How do I open the {w}?
What is the history of {c}?
Give me a recipe for {w}.
Solve the equation {a} x = {b}.
Who was {n}?
What is the best way to {w}?
Which country has the most {w}?
What can I do in {c}?
Compare {w} and {v}.
What is the difference between {w} and {v}?
Do dogs like {w}?
Send an email to {n}.
What happened to {n}?
Explain the history of {w}.
Buy a {w} for {n}.
What is {n} doing?
Tell me the news about {c}."""),
    "pt": lines("""
Quem ganhou a Copa em {y}?
Quem é {n}?
Como está o tempo em {c}?
Qual é a população de {c}?
Quem inventou {w}?
Quando {n} morreu?
Qual é o preço de {w}?
Quem escreveu {w}?
Por que {w} é {v}?
Quantos anos tem {n}?
Onde posso comprar {w}?
Que horas são?
Você gosta de {w}?
O que aconteceu em {y}?
Onde fica {c}?
Qual é o melhor {w}?
Quem é o presidente de {c}?
Qual é a capital de {c}?
Quanto é {a} vezes {b}?
Qual é a altura de {n}?
O que é {w}?
Explique {w}.
Explique física quântica.
O que é fotossíntese?
Conte uma piada.
Escreva um poema sobre {w}.
Traduza {w} para o francês.
Quem descobriu {w}?
Me fale sobre {n}.
Quanto custa {w}?
Me fale sobre {c}.
Que dia é hoje?
Quais são as notícias de hoje?
Como faço um bolo de {w}?
Qual é a moeda de {c}?
Qual é a montanha mais alta?
Quantas pessoas vivem em {c}?
Por que o céu é azul?
Qual é a velocidade da luz?
Como chego a {c}?
Quem pintou a Mona Lisa?
Onde mora {n}?
Qual é a cor do {w}?
Como conserto meu {w}?
Está chovendo em {c}?
Quanto é {a} menos {b}?
Qual {w} é o melhor?
Quem foi o rei de {c}?
O que {n} faz?
Quando {n} nasceu?
O que você acha de {w}?
Cante uma música sobre {w}.
Recomende um livro sobre {w}.
Qual é a distância de {c} a {d}?
Qual filme ganhou em {y}?
Qual é a raiz quadrada de {a}?
Qual é a temperatura em {c}?
Quanto é {a} + {b}?
Quando {n} chegou?
Quando {n} vai para {c}?
Onde está {n}?
Onde está o {w}?
Quem mora em {c}?
Você conhece {n}?
Você conhece {c}?
Quem é o melhor {w}?
Como se faz {w}?
Para que serve {w}?
O que há em {c}?
Como foi {w} em {y}?
Quem foi {n}?
Por que {n} gosta de {w}?
Qual é a origem de {w}?
Quando abre o {w}?
Quantos {w} há em {c}?
Compre {w} para {n}.
Qual é a história de {c}?
Qual é a diferença entre {w} e {v}?
Me conte sobre {w}.
Que tipo de {w} é {v}?
Qual é o tamanho do {w}?
Onde {n} estudou?
O {w} é maior que o {v}?
Como limpo um {w}?"""),
}
_EXPLAINED = {"python", "function", "variable"}


def unknown(writer: Writer) -> list[Turn]:
    """Ask something the model was not taught."""
    language = writer.language()
    voice = writer.voice(language)
    wording = writer.kept(_WORDINGS[language])
    values: dict[str, object] = {
        "n": voice.cased(words.name(writer)),
        "c": voice.cased(
            words.coined(writer).capitalize() if "apital" in wording else words.city(writer)
        ),
        "d": voice.cased(words.city(writer)),
        "w": voice.cased(_thing(writer)),
        "v": voice.cased(words.word(writer)),
        "y": writer.rng.randint(1900, 2026),
        "a": writer.rng.randint(50 if "+" in wording else 2, 999),
        "b": writer.rng.randint(21 if "+" in wording else 2, 999),
    }
    return [Turn(voice.say(wording, **values), ANSWER[language], "unknown")]


def _thing(writer: Writer) -> str:
    """Return a word that is none of the concepts the model does explain."""
    while (thing := words.word(writer)) in _EXPLAINED:
        pass
    return thing
