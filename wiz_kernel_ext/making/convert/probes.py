"""Texts on which two tokenizers must agree before a model is converted.

Knows where pre-tokenizers differ: contractions, digits, white space, letters with marks, scripts
without spaces, pictures of several code points, code. Called by `verification.py`.
"""

from __future__ import annotations

import re
import unicodedata

_SENTENCES = r"""
The quick brown fox jumps over the lazy dog.
It's what we've said: they'd go, I'm sure, you'll see, he doesn't.
IT'S WHAT WE'VE SAID: THEY'D GO, I'M SURE, YOU'LL SEE, HE DOESN'T.
It’s “quoted” — with dashes – and … dots
À bientôt, où est l'œuvre d'art naïve de François ?
Żółć gęślą jaźń; příliš žluťoučký kůň úpěl ďábelské ódy
Größe, Straße, Übermut; smörgåsbord; Ærø; Ðað þorn
¿Qué tal, señor? ¡Mañana será otro día!
Não há ação sem reação, coração; avó e avô
Съешь же ещё этих мягких французских булок, да выпей чаю.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Οδυσσεύς
שלום עולם, מה שלומך היום?
مرحبا بالعالم، كيف حالك اليوم؟
नमस्ते दुनिया, आप कैसे हैं?
สวัสดีชาวโลก วันนี้อากาศดีมาก
我能吞下玻璃而不伤身体。今天天气很好！
私はガラスを食べられます。それは私を傷つけません。カタカナ
나는 유리를 먹을 수 있어요. 그래도 아프지 않아요
Tiếng Việt: Xin chào thế giới, đường phố nhộn nhịp
გამარჯობა მსოფლიო; Բարեւ աշխարհ; ሰላም ልዑል
İstanbul'da ılık bir gün; IĞDIR
😀 😂🤣 👍🏽👍🏿 👨‍👩‍👧‍👦 🏳️‍🌈 🇧🇷🇯🇵 1️⃣ ❤️ ☕️
🦙llama🦙.cpp 🚀🚀🚀 done✅ ok✔️
Emoji😀inside words and 中文inside English и по-русски
x = 3.14159; y = 1e-10; z = 0xFF; n = 1_000_000
1 12 123 1234 12345 123456 1234567 12345678 123456789
2024-01-31T23:59:59Z +1 (555) 010-9999 192.168.0.1 3/4 50% $1,234.56 €9,99
a1b2c3 4th 21st 3D 100km v2.0.1-rc1 A4 x86_64
def f(x: int) -> str:\n    return f"{x!r:>10}"  # comment\n
for (int i = 0; i < n; ++i) { a[i] += b[i] * c->d; }\n
<div class="a b" id='c'>text &amp; more</div><!-- no -->
SELECT * FROM t WHERE a >= 10 AND b != 'x' ORDER BY c DESC;
{"key": [1, 2.5, null, true], "nested": {"a": "b\\"}}
https://example.org/path?q=1&r=%20#frag user@example.com C:\dir\file.txt
#include <stdio.h>\n\nint main(void)\n{\n\treturn 0;\n}\n
if a&&b||!c: ~x ^ y | z & w << 2 >> 1
### Title\n\n* one\n* two\n  - three\n\n```python\nprint("hi")\n```\n
$\sum_{i=1}^{N} x_i^2 \leq \infty$ and ∀x∈ℝ: x²≥0 ⇒ √x
snake_case camelCase PascalCase SCREAMING_CASE kebab-case dot.case
...!!!???;;;:::,,, ((([[[{{{}}}]]]))) ~~~ *** ___ --- === +++
"' `` '' "" '" «» „“ ‚‘
word,word.word;word:word!word?word/word|word
Non breaking\u00a0space, thin\u2009space, ideographic\u3000space
zero\u200bwidth and soft\u00adhyphen and \ufeffmark
½ ⅓ ² ³ ① Ⅳ ٣٤٥ १२३ ①②③ ℃ № ™ ©®
ﬁne ﬂow Ａｂｃ１２３ ｶﾀｶﾅ
𝒜𝓃 𝔐𝔞𝔱𝔥 𝟙𝟚𝟛 𐍈 🜁 𠮷野家
a\u0301e\u0302 n\u0303 o\u0308 decomposed
\u0928\u093f \u0e01\u0e33 \u1100\u1161\u11a8 marks
camelCaseHTTPServerID2 iPhone15Pro McDonald's O'Neill
we're WE'RE We'Re 'tis 'Twas rock'n'roll d'accord l'Été
The end.The start!No space?Yes
UPPER lower Title mIxEd ǅ ß ẞ ſ
hello\tworld\t\ttabs \t mixed\t \tend
line one\nline two\r\nline three\rline four\n\n\nline seven
trailing spaces   \n   leading spaces\n \n  \n
"""
_WORDS = "hello|Hello|HELLO|straße|naïve|мир|世界|세계|🙂|42|1234|don't|x_y|a-b|(c)|end."
_FRAMES = "{0}| {0}|  {0}|{0} |{0}\n|\n{0}|\t{0}|{0} {0}|{0}{0}|-{0}|{0}123|«{0}»"


_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|[nrt])")


def _character(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if code[0] == "u" else {"n": "\n", "r": "\r", "t": "\t"}[code]


def probes() -> list[str]:
    """Different texts, more than three hundred, always the same."""
    lines = [_ESCAPE.sub(_character, line) for line in _SENTENCES.strip().split("\n")]
    frames = [frame.format(word) for word in _WORDS.split("|") for frame in _FRAMES.split("|")]
    runs = [
        unit * n for unit in (" ", "\t", "\n", "\r\n", " \n", "\n ") for n in (1, 2, 3, 4, 7, 16)
    ]
    inner = [f"a{' ' * n}b" for n in (1, 2, 3, 4, 5, 8, 9, 17)]
    inner += [f"a{newlines}{' ' * n}b" for newlines in ("\n", "\n\n") for n in (0, 1, 2, 4, 8)]
    digits = ["9" * n for n in range(1, 14)] + [f" {'7' * n} " for n in range(1, 6)]
    signs = [sign * n for sign in "!.-=#*_/'\"" for n in (1, 2, 3, 5)]
    pairs = [f"{left} {right}" for left, right in zip(lines, lines[7:], strict=False)]
    return list(dict.fromkeys([*lines, *frames, *runs, *inner, *digits, *signs, *pairs]))


def composed(texts: list[str]) -> list[str]:
    """The same texts in composed form (NFC), for tokenizers that compose before they split."""
    return list(dict.fromkeys(unicodedata.normalize("NFC", text) for text in texts))
