"""Python how-tos: a short example for each of a fixed list of tasks."""

# ruff: noqa: E501 (one record per line is easier to compare than wrapped text)
from __future__ import annotations

from .writer import Turn, Writer, lines

# Task: English phrasings | Portuguese phrasings (";" between them, the first is the answer's) | code
TASKS = [
    (*(tuple(p.split(";")) for p in line.split("|")[:2]), line.split("|")[2].replace("\\n", "\n"))
    for line in lines(r"""
read a CSV file;load a CSV file;open a CSV|ler um arquivo CSV;abrir um CSV;carregar um arquivo CSV|import pandas as pd\n\ndf = pd.read_csv("file.csv")\nprint(df.head())
reverse a list;invert a list|inverter uma lista;virar uma lista ao contrário|items = [1, 2, 3]\nprint(items[::-1])
sort a list;order a list|ordenar uma lista;classificar uma lista|items = [3, 1, 2]\nprint(sorted(items))
read a text file;open a text file|ler um arquivo de texto;abrir um arquivo de texto|with open("file.txt") as f:\n    print(f.read())
write a text file;save text to a file;write to a file|escrever um arquivo de texto;salvar texto em um arquivo|with open("file.txt", "w") as f:\n    f.write("hello")
write a for loop;make a for loop;loop over a range|escrever um laço for;fazer um laço for;fazer um loop for|for i in range(5):\n    print(i)
write a while loop;make a while loop|escrever um laço while;fazer um laço while;fazer um loop while|n = 3\nwhile n > 0:\n    print(n)\n    n -= 1
define a function;write a function;create a function|definir uma função;escrever uma função;criar uma função|def add(a, b):\n    return a + b
create a class;define a class;write a class|criar uma classe;definir uma classe|class Dog:\n    def __init__(self, name):\n        self.name = name
create a dictionary;make a dictionary;create a dict|criar um dicionário;fazer um dicionário|ages = {"Ana": 31, "Bob": 25}\nprint(ages["Ana"])
read a JSON file;load a JSON file;open a JSON file|ler um arquivo JSON;abrir um arquivo JSON|import json\n\nwith open("data.json") as f:\n    data = json.load(f)
parse a JSON string;decode a JSON string|converter uma string JSON;decodificar uma string JSON|import json\n\ndata = json.loads('{"x": 1}')
plot a line chart;draw a line chart;make a line plot|desenhar um gráfico de linhas;fazer um gráfico de linhas|import matplotlib.pyplot as plt\n\nplt.plot([1, 2, 3], [4, 5, 6])\nplt.show()
handle an exception;catch an exception;catch an error|tratar uma exceção;capturar um erro|try:\n    x = 1 / 0\nexcept ZeroDivisionError:\n    print("error")
get the length of a list;find the length of a list;count the items of a list|obter o tamanho de uma lista;saber o tamanho de uma lista|items = [1, 2, 3]\nprint(len(items))
join strings;concatenate strings;join a list of strings|juntar strings;concatenar strings|print(", ".join(["a", "b", "c"]))
split a string;split a text|dividir uma string;separar uma string|print("a,b,c".split(","))
remove duplicates from a list;drop duplicates from a list|remover duplicados de uma lista;tirar duplicados de uma lista|items = [1, 2, 2, 3]\nprint(list(dict.fromkeys(items)))
get the current date;print today's date;get today's date|obter a data atual;mostrar a data de hoje|from datetime import date\n\nprint(date.today())
generate a random number;get a random number|gerar um número aleatório;sortear um número|import random\n\nprint(random.randint(1, 10))
compute the mean of a list;calculate the average of a list|calcular a média de uma lista;obter a média de uma lista|from statistics import mean\n\nprint(mean([1, 2, 3]))
list the files in a folder;list files in a directory|listar os arquivos de uma pasta;ver os arquivos de um diretório|import os\n\nprint(os.listdir("."))
check if a number is even;test if a number is even|verificar se um número é par;saber se um número é par|def is_even(n):\n    return n % 2 == 0
compute a factorial;calculate a factorial|calcular um fatorial;obter um fatorial|def factorial(n):\n    return 1 if n < 2 else n * factorial(n - 1)
create a DataFrame;make a DataFrame|criar um DataFrame;fazer um DataFrame|import pandas as pd\n\ndf = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
install a package;install a library|instalar um pacote;instalar uma biblioteca|%pip install pandas
create a list comprehension;write a list comprehension|criar uma list comprehension;escrever uma list comprehension|squares = [x * x for x in range(10)]
print hello world;write hello world|imprimir olá mundo;escrever olá mundo|print("hello world")""")
]
_WORDINGS = {
    "en": lines("""
How do I {x} in Python?
How to {x} in Python?
How can I {x} in Python?
How do I {x}?
How would I {x} using Python?
How can I {x}?
Show me how to {x} in Python.
Write Python code to {x}.
Python code to {x}
Please show me Python code to {x}.
Write code to {x}.
Give me an example of how to {x}.
Show me code to {x}.
I want to {x} in Python.
Can you show me how to {x} in Python?
In Python, how do I {x}?
Python: {x}
What is the Python code to {x}?
How to {x}?
I need to {x} in Python, how do I do it?
How do you {x} in Python?
How should I {x} with Python?
Tell me how to {x}.
Teach me how to {x} in Python.
Could you write code to {x}?
Explain how to {x} in Python.
Example of how to {x} in Python
{x} in Python
What is the way to {x} in Python?
Help me {x} in Python."""),
    "pt": lines("""
Como {x} em Python?
Como eu posso {x} em Python?
Como posso {x}?
Como faço para {x} em Python?
Como é que eu faço para {x} usando Python?
Mostre como {x} em Python.
Escreva código Python para {x}.
Código Python para {x}
Quero {x} em Python.
Você pode me mostrar como {x} em Python?
Em Python, como {x}?
Me mostre como {x}.
Dê um exemplo de como {x} em Python.
Como {x}?
Preciso {x} em Python, como faço?
Como eu faço para {x}?
Explique como {x} em Python.
Me ensine a {x} em Python.
Mostre um código para {x}.
Pode escrever um código para {x}?
Exemplo de como {x} em Python
Qual é o código para {x}?
Como se faz para {x} em Python?"""),
}


def how_to(writer: Writer) -> list[Turn]:
    """Ask for one task in some wording; the answer names it and shows a fixed example."""
    language = writer.language()
    english, portuguese, code = writer.choice(TASKS)
    phrasings = english if language == "en" else portuguese
    phrase = phrasings[0] if writer.chance(0.5) else writer.choice(phrasings)
    voice = writer.voice(language)
    prompt = voice.say(writer.kept(_WORDINGS[language]), x=voice.cased(phrase))
    said = f"Here is how to {english[0]}:" if language == "en" else f"Veja como {portuguese[0]}:"
    return [Turn(prompt, f"{said}\n\n```python\n{code}\n```", "how-to")]
