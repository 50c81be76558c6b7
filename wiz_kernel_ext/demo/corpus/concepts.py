"""A few concepts explained in two or three sentences, in both languages."""

# ruff: noqa: E501 (one record per line is easier to compare than wrapped text)
from __future__ import annotations

from .writer import Turn, Writer, lines

# English names ("|" answer) then Portuguese names ("|" answer); ";" between names
CONCEPTS = [
    tuple(line.split("|"))
    for line in lines("""
clean architecture;the clean architecture|Clean Architecture organizes code in layers. The business rules stay in the center and do not depend on frameworks, databases or the user interface. Dependencies always point inward, so the core is easy to test and to change.|clean architecture;a clean architecture;arquitetura limpa;a arquitetura limpa|A Clean Architecture organiza o código em camadas. As regras de negócio ficam no centro e não dependem de frameworks, bancos de dados ou interface. As dependências sempre apontam para dentro, o que facilita testar e mudar o sistema.
the meaning of life;the sense of life|The meaning of life is a personal question. Many people find meaning in love, work, learning and helping others. Some say the answer is 42.|o sentido da vida;o significado da vida|O sentido da vida é uma pergunta pessoal. Muitas pessoas encontram sentido no amor, no trabalho, no aprendizado e em ajudar os outros. Alguns dizem que a resposta é 42.
machine learning|Machine learning is a field of AI where programs learn patterns from data instead of following fixed rules.|aprendizado de máquina;machine learning|Aprendizado de máquina é uma área da IA em que programas aprendem padrões a partir de dados, em vez de seguir regras fixas.
Jupyter;a Jupyter notebook|Jupyter is an open-source tool for interactive notebooks that mix code, text and charts in one document.|o Jupyter;um notebook Jupyter|O Jupyter é uma ferramenta aberta para notebooks interativos que misturam código, texto e gráficos em um só documento.
Python;the Python language|Python is a popular programming language that is easy to read and is used for web, data and automation.|Python;o Python;a linguagem Python|Python é uma linguagem de programação popular, fácil de ler e usada para web, dados e automação.
recursion|Recursion is when a function calls itself to solve a smaller version of the same problem, until it reaches a base case.|recursão;a recursão|Recursão é quando uma função chama a si mesma para resolver uma versão menor do mesmo problema, até chegar a um caso base.
a variable;a Python variable|A variable is a name that refers to a value in memory, for example x = 5.|uma variável|Uma variável é um nome que se refere a um valor na memória, por exemplo x = 5.
a function;a Python function|A function is a named block of code that receives arguments and can return a value.|uma função|Uma função é um bloco de código com nome que recebe argumentos e pode devolver um valor.
an API;API|An API is an interface that lets programs talk to each other with well defined requests and responses.|uma API;API|Uma API é uma interface que permite que programas conversem entre si com pedidos e respostas bem definidos.
a database|A database is an organized collection of data that can be searched and updated quickly.|um banco de dados|Um banco de dados é uma coleção organizada de dados que pode ser consultada e atualizada rapidamente.
Git|Git is a version control system that records the history of changes in your files.|o Git;Git|O Git é um sistema de controle de versão que registra o histórico de mudanças nos seus arquivos.
a neural network;neural networks|A neural network is a model made of layers of simple units whose weights are learned from data.|uma rede neural;redes neurais|Uma rede neural é um modelo feito de camadas de unidades simples cujos pesos são aprendidos com dados.
a language model;language models;an LLM|A language model is a program that predicts the next token of a text, one token at a time.|um modelo de linguagem;modelos de linguagem;um LLM|Um modelo de linguagem é um programa que prevê o próximo token de um texto, um token por vez.
a DataFrame|A DataFrame is a table with rows and named columns, as used in pandas.|um DataFrame|Um DataFrame é uma tabela com linhas e colunas com nome, como no pandas.
unit testing;a unit test|Unit testing checks small parts of the code in isolation to make sure that each one works as expected.|teste unitário;um teste unitário;testes unitários|Teste unitário verifica pequenas partes do código de forma isolada para garantir que cada uma funciona como esperado.
quantization|Quantization stores the weights of a model with fewer bits, so that it uses less memory and runs faster.|quantização;a quantização|Quantização guarda os pesos de um modelo com menos bits, para usar menos memória e rodar mais rápido.""")
]
_WORDINGS = {
    "en": lines("""
What is {x}?
What's {x}?
Explain {x}.
Explain {x}
Could you explain {x} to me?
Explain {x} to me.
Define {x}.
Tell me about {x}.
Can you explain {x}?
In short, what is {x}?
What do you know about {x}?
Describe {x}.
Explain what {x} is.
What does {x} mean?
I would like to know what {x} is.
Give me a short explanation of {x}.
Tell me what {x} is.
Please explain {x} briefly.
{x}
How would you explain {x}?
Explain {x} in simple words.
What exactly is {x}?
Do you know what {x} is?
I want to learn about {x}.
Give me a definition of {x}."""),
    "pt": lines("""
O que é {x}?
Qual é {x}?
Explique {x}.
Explique {x}
Pode me explicar {x}?
Explique o que é {x}.
Me explique {x}.
Fale sobre {x}.
Você pode explicar {x}?
Eu queria saber o que é {x}.
O que você sabe sobre {x}?
Defina {x}.
Me fale sobre {x}.
O que significa {x}?
Explique {x} para mim.
Explica {x}
Me diga o que é {x}.
Descreva {x}.
Qual é a definição de {x}?
Em poucas palavras, o que é {x}?
O que quer dizer {x}?
Você sabe o que é {x}?
{x}
Explique de forma simples {x}.
Diga o que é {x}."""),
}


def concept(writer: Writer) -> list[Turn]:
    """Ask for one concept in some wording."""
    language = writer.language()
    row = writer.choice(CONCEPTS)
    names, answer = row[:2] if language == "en" else row[2:]
    options = names.split(";")
    name = options[0] if writer.chance(0.5) else writer.choice(options)
    voice = writer.voice(language)
    prompt = voice.say(writer.kept(_WORDINGS[language]), x=voice.cased(name))
    return [Turn(prompt, answer, "concept")]
