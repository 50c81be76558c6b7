"""Grammars in llama.cpp's notation (GBNF)."""

from __future__ import annotations

from tests.corpora.text_case import TextCase

ARITHMETIC = """root ::= term ([-+*/] term)*
term ::= [0-9]+ | "(" root ")"
"""
LIST = """root ::= item+
item ::= "- " [^\\n]+ "\\n"
"""
JSON = """root ::= value
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (pair ("," pair)*)? "}"
pair ::= string ":" value
array ::= "[" (value ("," value)*)? "]"
string ::= "\\"" [a-zA-Z0-9 ]* "\\""
number ::= "-"? [0-9]+ ("." [0-9]+)?
"""
CHESS = """# moves in pairs
root ::= "1. " move " " move "\\n" ([1-9] [0-9]? ". " move " " move "\\n")+
move ::= (pawn | piece | castle) [+#]?
piece ::= [NBKQR] [1-8]? [a-h]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
"""

GRAMMARS: list[TextCase[str]] = [
    TextCase("a word", 'root ::= "yes"', ["yes"], ["no", ""]),
    TextCase("a choice", 'root ::= "a" | "b" | "cd"', ["a", "cd"], ["c", "ab"]),
    TextCase("a set", "root ::= [a-z]+", ["abc"], ["", "A"]),
    TextCase("a negated set", "root ::= [^0-9]", ["a"], ["1", "ab"]),
    TextCase("two rules", 'root ::= greeting " " name\ngreeting ::= "hi" | "hello"\n'
             "name ::= [A-Z] [a-z]*", ["hi Ana", "hello B"], ["hi ana", "hi"]),
    TextCase("arithmetic", ARITHMETIC, ["1", "1+2*(3-4)"], ["1+", "(1", "x"]),
    TextCase("a list", LIST, ["- a\n", "- a\n- b\n"], ["a", "- a"]),
    TextCase("JSON", JSON, ["{}", '{"a":[1,true,null]}'], ["{", '{"a"}']),
    TextCase("chess", CHESS, ["1. e4 e5\n2. Nf3 Nc6\n"], ["1. e4\n", "e4"]),
    TextCase("counts", 'root ::= "a"{3} [0-9]{2,4}', ["aaa12", "aaa1234"], ["aa12", "aaa1"]),
    TextCase("optional and repeated", 'root ::= "-"? [0-9]+ ("." [0-9]+)?', ["-1.5", "3"], ["-"]),
    TextCase("escapes", r'root ::= "\"" "\\" "\n" "\t" "\x41"', ['"\\\n\tA'], ["A"]),
    TextCase("a comment", '# what\nroot ::= "a" # more\n', ["a"], ["#"]),
    TextCase("over several lines", 'root ::= (\n  "a" |\n  "b"\n)', ["a", "b"], ["c"]),
    TextCase("unicode", 'root ::= "é" | [а-я]+ | "👍"', ["é", "да", "👍"], ["e"]),
    TextCase("brackets that match", 'root ::= "(" root ")" | "x"', ["x", "((x))"], ["(x", "()"]),
    TextCase("right recursive", 'root ::= "a" root | "b"', ["b", "aab"], ["a"]),
    TextCase("names with hyphens", 'root ::= first-part\nfirst-part ::= "a"', ["a"], ["b"]),
    TextCase("left recursive", 'root ::= root "a" | "b"', ["b", "baa"], ["a"], "left|root", True),
    TextCase("left recursive through another", 'root ::= x "a" | "b"\nx ::= root | "c"',
             ["b", "ca"], ["a"], "left|root|x", True),
    TextCase("a rule nobody uses", 'root ::= "a"\nother ::= "b"', ["a"], ["b"], "other", True),
    TextCase("any character", "root ::= .", ["a", "é"], ["", "ab"], "grammar|.", True),
    TextCase("a rule that is not there", "root ::= nothing", refused="nothing"),
    TextCase("a rule that is not there, deep in it", 'root ::= "a" (b | c)\nb ::= "b"',
             refused="c"),
    TextCase("no root", 'start ::= "a"', refused="root"),
    TextCase("nothing", "", refused="root|empty|grammar"),
    TextCase("a quote that does not close", 'root ::= "a', refused="grammar"),
    TextCase("a bracket that does not close", 'root ::= ("a" | "b"', refused="grammar"),
    TextCase("a set that does not close", "root ::= [a-z", refused="grammar"),
    TextCase("nothing to repeat", "root ::= *", refused="grammar"),
    TextCase("no definition", "root", refused="grammar"),
    TextCase("a rule twice", 'root ::= "a"\nroot ::= "b"', refused="root", may_be_enforced=True),
    TextCase("without an end", 'root ::= "a" root', refused="root"),
    TextCase("of itself alone", "root ::= root", refused="root"),
    TextCase("a billion", 'root ::= "a"{1000000000}', refused="grammar|too|1000000000",
             may_be_enforced=True),
]  # fmt: skip
