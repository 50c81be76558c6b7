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
    | \\begin\{(?P<env>[a-z]+\*?)\}(?P<body>[^`$]*?)\\end\{(?P=env)\}
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
_ACTIVE = {"<": "&lt;", "](": r"]\(", "![": r"\![", "]:": r"]\:"}


def safe_markdown(text: str) -> str:
    """`text` as Markdown that does nothing, wherever it is drawn."""
    blocks = _blocks(printable(text))
    code = [one for is_fence, block in blocks for one in _code_of(is_fence, block)]
    # Then a reader may end a block of code elsewhere: what is in it must do nothing either.
    is_uncertain = any(_FORMULA.search(one) for one in code)
    lines: list[str] = []
    for is_fence, block in blocks:
        if not is_fence:
            lines.append(_TOKEN.sub(lambda found: _inert(found, is_uncertain), "\n".join(block)))
            continue
        # At the line's beginning, behind an empty line: a fence to every reader.
        if lines and lines[-1].rpartition("\n")[2].strip():
            lines.append("")
        lines += [block[0], *(_disarmed(line) if is_uncertain else line for line in block[1:])]
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


def _code_of(is_fence: bool, block: list[str]) -> list[str]:
    if is_fence:
        return ["\n".join(block[1:])]
    return [found["code"] for found in _TOKEN.finditer("\n".join(block)) if found["code"]]


def _inert(found: re.Match[str], is_uncertain: bool) -> str:
    """What is written for one token of a text."""
    whole, kind = found[0], found.lastgroup
    if kind == "escaped":
        return {r"\$": DOLLAR, r"\<": "&lt;", r"\\": "&#92;"}.get(whole, whole)
    if found["code"]:
        return _disarmed(whole) if is_uncertain else whole
    if found["ticks"]:
        return r"\`" * len(whole)
    if found["block"] or found["env"]:
        return _formula(whole)
    if found["inline"]:
        return _formula(whole) if _is_formula(found["inline"]) else _money(whole)
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


def _money(text: str) -> str:
    """A text between two dollars that is no formula, with all that is in it."""
    inside = _TOKEN.sub(lambda found: _inert(found, True), text[1:-1])
    return f"{DOLLAR}{inside}{DOLLAR}"


def _formula(text: str) -> str:
    """A formula, which has its own word for the sign that begins a tag."""
    return text.replace("<", r"\lt ")


def _is_formula(text: str) -> bool:
    """Whether what stands between two dollars is a formula, and not what costs them."""
    if text[0].isdigit() and re.search(r"(?<![\\A-Za-z])[A-Za-z]{3}", text):
        return False
    return bool(re.fullmatch(r"[A-Za-z]'?", text) or re.search(r"[\\^_={}<>+*/]|[A-Za-z]\(", text))


def _disarmed(code: str) -> str:
    for sign, written in _ACTIVE.items():
        code = code.replace(sign, written)
    return code
