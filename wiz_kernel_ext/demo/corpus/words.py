"""Open vocabulary: names, cities, words and short texts for everything that has to be copied.

Copying must work for words never seen, so much of it is random syllables and random letters.
"""

from __future__ import annotations

from .writer import Writer

NAMES = """
Ana Bob Carla David Miguel Eva Felipe Gabriel Helena Sofia Igor Julia Karen Lucas Henrique Maria
Nina Oscar Paulo Diana Rita Sara Tom Vera Peter Alice Bruno Clara Diego Linda Emma Fabio Grace
Hugo Otto Irene João Laura Marcos Camila Noah Olivia Pedro Rosa Renato Samuel Tiago Victor Zoe
Judith Beatriz Carlos Daniela Leo Martin Mia Ravi Yuki Omar Patricia Lena Kofi Inês José Walter
Luís Marta André John Rafael Mary James Sandra Kevin Isabel Lucia Robert Susan Teresa Mateus
Priya Fernanda Chen Amina Ivan Greta Eduardo Sergio Anna Mark Joana Rui Valeria""".split()

_CITIES = """
Lisbon, Paris, London, Madrid, Lyon, Rome, Berlin, Tokyo, Porto, Hamburg, Dublin, Oslo, Vienna,
Athens, Miami, Cairo, Lima, Boston, Chicago, Osaka, Seattle, Toronto, Recife, Salvador,
Fortaleza, Manaus, Curitiba, Santos, Natal, Valencia, Prague, Milan, Naples, Geneva, Porto
Alegre, Zurich, Mumbai, Seoul, Sydney, Bergen, Dakar, Accra, Denver, Dallas, San Diego, Austin,
Coimbra, Braga, Faro, Florianópolis, New York, São Paulo, Rio de Janeiro, Buenos Aires,
Istanbul, Los Angeles, Cape Town, Belo Horizonte, Lisboa, Marseille, Londres, Moscow, Kyoto,
Brasília, Turin, Havana, Nairobi, Lagos, Delhi, Bilbao, Warsaw, Helsinki, Évora, Belém,
Melbourne, Goiânia"""
CITIES = [city.strip() for city in _CITIES.replace("\n", " ").split(",")]

WORDS = """
hello world apple river velvet green table window garden marble coffee happy small bright
lantern paper cloud forest stone water light night morning train bridge ocean mountain pencil
kernel falcon python data model test banana orange lemon tiger rabbit horse castle silver golden
quick slow warm cold sweet simple meadow closed red yellow summer winter the a and of cinnamon
in is are was pepper two three four five we you they it this ladder these my your our his her
not no yes saddle more less good bad thunder new big little brown fox jumps over lazy dog cat
bird fish tree house street city road car ship plane bread milk cheese sugar salt tea rice soup
dinner lunch book page story letter harbor line point circle square canyon answer question idea
plan turtle ball song dance movie picture camera phone screen button keyboard mouse code loop
list sparrow value function class object walnut folder path fetch column row chart cell token
memory cache friend family mother father brother sister child doctor teacher student farmer king
queen hand copper heart eye foot nose face hair door wall floor roof room kitchen bed chair lamp
clock watch key box bag shirt shoe hat coat dress ring gold iron glass wood sand snow rain wind
storm fire smoke ice star moon sun sky earth sea lake island beach hill valley ribbon flower
grass leaf seed anchor fruit run walk jump swim fly read write speak listen think know learn
teach basin keep give take make build break carry close start cradle casa gato livro mesa sol
lua mar flor pão rua verde azul feliz grande pillow cidade amigo tempo vida feather mundo bom
dia boa tunnel tarde água café leite queijo arroz sopa carne peixe fruta maçã laranja limão
cachorro cavalo pássaro árvore folha pedra areia neve chuva vento fogo gelo estrela céu terra
lago ilha praia monte campo porta janela parede cama cadeira relógio chave caixa camisa sapato
chapéu anel ouro prata ferro vidro madeira homem mulher menino menina mãe pai irmão irmã filho
barrel professor aluno rei rainha mão cabeça coração olho pé nariz rosto cabelo um dois tijolo
quatro cinco e o vassoura as de do da martelo plum na com para tapete sim muito mais menos sapo
velho hoje ontem amanhã tesoura nunca ação violin lição avião ler escrever falar ouvir pensar
saber aprender achar dar garfo abrir fechar correr andar nadar voar""".split()

# Words of everyday use, which the rest of the corpus contains too: never held out.
COMMON = """
blue music robot notebook open to one that very old word number game string file head field root
find stop pequeno olá noite médico três os em não novo sempre fazer what who where when why how
which me he she were be been have has had does did can could will would should say said tell
show made go come want need use work call name day time year people way man woman life part
place case week company system program government home side about after again all also any
because before between both but by each even for from here if into just like look most much
other out same so some such than then there through too under up well with without first last
next long great high large right different que uma por como mas foi ele ela seu sua ou quando
nos já eu também só pelo pela até isso entre depois sem mesmo aos ter seus quem nas esse eles
você essa num nem suas meu minha ser tem são está era pode dizer querer nome ano coisa parte
lugar trabalho hora pessoa agora aqui ali outro outra todo toda cada qual onde porque texto
código número lista função linha arquivo text numbers items error result json csv""".split()

PHRASES = """the quick brown fox jumps over the lazy dog
good morning
I like coffee
hello world
to be or not to be
the sun is shining today
we are learning Python
keep it simple
see you tomorrow
this is a test
my dog likes the beach
one two three
I love notebooks
the model runs on my computer
open the door and close the window
bom dia
eu gosto de café
olá mundo
o sol brilha hoje
isto é um teste
a vida é bela
o gato dorme na cama
até amanhã
nós gostamos de música
o rato roeu a roupa do rei de Roma
hello
test
what is the capital of France?
How are you?
What is 2 + 2?
Qual é o seu nome?
It works!
one, two, three
yes
não
Hello, world!
This is fine.
testing, testing
the end
Olá, mundo!""".splitlines()

COLORS = {
    "red": "vermelho", "blue": "azul", "green": "verde", "yellow": "amarelo", "purple": "roxo",
    "orange": "laranja", "black": "preto", "white": "branco", "pink": "rosa", "brown": "marrom",
    "gray": "cinza",
}  # fmt: skip
_ONSETS = """b c d f g h j k l m n p q r s t v w x y z br cl dr st tr pl gr th sh ch fl pr qu sk lh
nh B C D F G H J K L M N P R S T V W Z""".split()
_VOWELS = ("a e i o u " * 6 + "ai ou ei io ea ee oo ia y ã á é í ó ê ão").split()
_CODAS = ["", "", "", "", "n", "r", "s", "l", "t", "k", "m", "d", "x", "ck", "ng", "st"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def coined(writer: Writer) -> str:
    """Return a made-up lower-case word: parts of two words, syllables, or a few letters."""
    if writer.chance(0.5):  # all pieces of the vocabulary are to be copied, in any order
        first, second = writer.kept(WORDS), writer.kept(WORDS)
        cut = writer.rng.randint(1, len(first))
        return first[:cut] + second[writer.rng.randrange(len(second)) :]
    if writer.chance(0.12):
        return "".join(writer.choice(_LETTERS) for _ in range(writer.rng.randint(1, 5)))
    count = writer.rng.choice([1, 1, 2, 2, 3])
    syllables = (
        writer.choice(_ONSETS) + writer.choice(_VOWELS) + writer.choice(_CODAS)
        for _ in range(count)
    )
    return "".join(syllables).lower()


def name(writer: Writer) -> str:
    """Return a first name; in training half of them are made up."""
    if not writer.held_out and writer.chance(0.55):
        made = coined(writer).capitalize()
        return f"{made} {coined(writer).capitalize()}" if writer.chance(0.08) else made
    return writer.kept(NAMES)


def city(writer: Writer) -> str:
    """Return a city; in training half of them are made up."""
    if not writer.held_out and writer.chance(0.5):
        made = coined(writer).capitalize()
        return f"{made} {coined(writer).capitalize()}" if writer.chance(0.2) else made
    return writer.kept(CITIES)


def word(writer: Writer) -> str:
    """Return a word: known, or in training often made up."""
    if not writer.held_out and writer.chance(0.45):
        return coined(writer)
    return writer.choice(COMMON) if writer.chance(0.4) else writer.kept(WORDS)


def text(writer: Writer, most: int = 6) -> str:
    """Return a short text to be copied: words, a phrase, names or numbers."""
    roll = writer.rng.random()
    if roll < 0.17:
        return writer.kept(PHRASES)
    if roll < 0.22:
        return " ".join(str(writer.rng.randint(0, 999)) for _ in range(writer.rng.randint(1, 4)))
    if roll < 0.3:
        return " ".join(name(writer) for _ in range(writer.rng.randint(1, 3)))
    words = [word(writer) for _ in range(writer.rng.randint(1, most))]
    if writer.chance(0.1):
        words.insert(writer.rng.randint(0, len(words)), str(writer.rng.randint(0, 99)))
    if writer.chance(0.12) and len(words) > 2:
        at = writer.rng.randrange(len(words) - 1)
        words[at] += ","
    joined = " ".join(words)
    if writer.chance(0.3):
        joined = joined[:1].upper() + joined[1:]
    if writer.chance(0.25):
        joined += writer.choice([".", "!", "?", "..."])
    return joined
