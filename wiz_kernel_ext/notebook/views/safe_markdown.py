"""A model's Markdown as it may be kept in a notebook: what it shows, and nothing it could do.

Front ends sanitise what they draw, and an export does not (nbconvert's HTML): so no HTML of an
answer stays HTML, no link leads anywhere but to the web, no image is fetched, and a dollar that is
money is no formula. Code and formulas stay as they are, in places where every reader of Markdown
takes them for code and formulas. Pure.
"""

from __future__ import annotations

import re

from wiz_kernel_ext.printable import printable

DOLLAR = r"<span>\$</span>"
"""A dollar that is none of a formula's: alone in its element, no second one can pair with it."""
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)")
_INFO = re.compile(r"[\w+#.-]*")
_LETTER = r"[^\s<>`\\\"$()\[\]]"
_WEB = rf"(?:https?://|mailto:)(?:{_LETTER}|\({_LETTER}*\))*"
_HERE = r"[\w\-./%#?=+~]*"
_TOKEN = re.compile(
    r"""
      (?P<escaped>\\[!-/:-@\[-`{-~])
    | (?<!`)(?P<run>`+)(?P<code>[^`|\n]+)(?P=run)(?!`)
    | (?P<ticks>`+)
    | (?<!\$)\$\$(?P<block>[^$`]+)\$\$(?!\$)
    | (?<!\$)\$(?P<inline>[^\s$`](?:[^$`\n]*[^\s$`\\])?)\$(?![$\d])
    | \\begin\{(?P<env>[a-z]+\*?)\}(?P<body>(?:(?!\\begin\{)[^`$])*?)\\end\{(?P=env)\}
    | (?P<begin>\\(?:begin|end)\{)
    | (?P<dollar>\$)
    | (?P<angle><)
    | (?P<image>!)(?=\[)
    | (?P<link>\]\(\s*)(?:(?P<to>WEB|HERE)(?=[\s)]))?
    | (?P<definition>\]:[ \t]*\n?[ \t]*)(?:(?P<target>WEB|HERE)(?=\s|\Z))?
    """.replace("WEB", _WEB).replace("HERE", _HERE),
    re.VERBOSE,
)
# What takes code for a formula, or for its beginning, in readers that look for formulas first.
_FORMULA = re.compile(r"\$\$|\\(?:begin|end)\{|\\\\[\[\](){}]")
_LINKS = re.compile(r"\]\(|!\[|\]:")
# Code that would be nothing but text where a reader does not take it for code.
_PLAIN = re.compile(r"[^<>!\[\]$\\&|]*")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def safe_markdown(text: str) -> str:
    """`text` as Markdown that does nothing, wherever it is drawn."""
    lines: list[str] = []
    for is_fence, block in _blocks(printable(text)):
        if not is_fence:
            lines.append(_TOKEN.sub(_inert, "\n".join(block)))
            continue
        # At the line's beginning, behind an empty line: a fence to every reader.
        if lines and lines[-1].rpartition("\n")[2].strip():
            lines.append("")
        if _FORMULA.search("\n".join(block)):
            # Who looks for formulas first may find one here, and end the code elsewhere.
            code = "\n".join(map(_as_html, block[1:-1]))
            lines.append(f"<pre><code>{code}\n</code></pre>\n")
        else:
            lines += block
    return "\n".join(lines)


def _blocks(text: str) -> list[tuple[bool, list[str]]]:
    """The text's lines, those of fenced code (as they will be written) apart from the others."""
    blocks: list[tuple[bool, list[str]]] = [(False, [])]
    fence, indent = "", 0
    for line in text.split("\n"):
        if not fence:
            found = _FENCE.fullmatch(line)
            if found is None:
                blocks[-1][1].append(line)
                continue
            fence, indent = found["fence"], found.start("fence")
            blocks.append((True, [fence + _language(found["info"])]))
        elif len(line.strip()) >= len(fence) and set(line.strip()) == {fence[0]}:
            blocks[-1][1].append(fence)
            blocks.append((False, []))
            fence = ""
        else:
            own = len(line) - len(line.lstrip(" \t"))
            blocks[-1][1].append(line[min(indent, own) :])
    if fence:
        blocks[-1][1].append(fence)
    return [block for block in blocks if block[1]]


def _language(info: str) -> str:
    """A fence's language; diagrams are drawn from their text as it is, so there are none."""
    found = _INFO.match(info.strip())
    name = found[0] if found else ""
    return "text" if name.lower().startswith("mermaid") else name


def _inert(found: re.Match[str]) -> str:
    """What is written for one token of a text."""
    whole, kind = found[0], found.lastgroup
    if kind == "escaped":
        return {r"\$": DOLLAR, r"\<": "&lt;", r"\\": "&#92;"}.get(whole, whole)
    if found["code"]:
        code = found["code"]
        return whole if _PLAIN.fullmatch(code) else f"<code>{_as_html(code)}</code>"
    if found["ticks"]:
        return r"\`" * len(whole)
    if found["block"] or found["env"] or found["inline"]:
        is_formula = _LINKS.search(whole) is None
        if found["inline"]:
            is_formula = is_formula and _is_formula(found["inline"])
        # What begins a tag has a word of its own in formulas.
        return whole.replace("<", r"\lt ") if is_formula else _not_formula(whole)
    if found["begin"]:
        return whole.replace("{", r"\{")
    if found["dollar"]:
        return DOLLAR
    if found["angle"]:
        return "&lt;"
    if found["image"]:
        return r"\!"
    if found["link"]:
        return whole if found["to"] is not None else whole.replace("](", r"]\(")
    return whole if found["target"] is not None else whole.replace("]:", r"]\:")


def _not_formula(text: str) -> str:
    """What only looks like a formula, with all that is in it."""
    opening = re.match(r"\$+|\\begin\{", text)
    assert opening is not None
    inside = _TOKEN.sub(_inert, text[opening.end() :].rstrip("$"))
    closing = len(text) - len(text.rstrip("$"))
    begin = opening[0].replace("$", DOLLAR).replace("{", r"\{")
    return f"{begin}{inside}{DOLLAR * closing}"


def _is_formula(text: str) -> bool:
    """Whether what stands between two dollars is a formula, and not what costs them."""
    if text[0].isdigit() and re.search(r"(?<![\\A-Za-z])[A-Za-z]{3}", text):
        return False
    return bool(re.fullmatch(r"[A-Za-z]'?", text) or re.search(r"[\\^_={}<>+*/]|[A-Za-z]\(", text))


def _as_html(code: str) -> str:
    """Code as HTML in which nothing is Markdown's any more."""
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", code)
