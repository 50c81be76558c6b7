"""An answer kept in a notebook does nothing, also where nbconvert makes a page of it."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.safe_markdown import DOLLAR, safe_markdown

TAGS = set(
    "a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr li ol p pre section span strong "
    "sub sup table tbody td th thead tr ul input".split()
)
EVIL = """Hello <script>alert(1)</script><img src=http://evil.example/a.png onerror=alert(2)>
<iframe src="https://evil.example"></iframe> <svg onload=alert(3)></svg> <b>bold</b>

[one](javascript:alert(4)) [two](java&#115;cript:alert(5)) [three](data:text/html,x)
[four](<javascript:alert(6)>) ![five](https://evil.example/b.png) [six][r] ![seven][s]

[r]: javascript:alert(7)
[s]: https://evil.example/c.png

> [t]: javascript:alert(8)

```mermaid
</pre><script>alert(9)</script>
```
`a | <script>` ` | `<script>alert(10)</script>` <style>*{display:none}</style>
"""


class Page(HTMLParser):
    """What a page could do, in words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.does: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.does.append(f"<{tag}>")
        for name, value in attrs:
            address = "".join((value or "").lower().split())
            if name.startswith("on") or name == "style":
                # nbconvert's own alignment of a table's column
                if not address.startswith("text-align"):
                    self.does.append(f"{name}={value}")
            elif (
                name in ("href", "src")
                and ":" in address.partition("/")[0]
                and not address.startswith(("http:", "https:", "mailto:", "#"))
            ):
                self.does.append(f"{name}={value}")


def exported(markdown: str) -> str:
    """The part of an exported page that an answer became."""
    output = nbformat.v4.new_output("display_data", data={"text/markdown": markdown})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[output])])
    exporter: Any = HTMLExporter()  # type: ignore[no-untyped-call]
    page, _ = exporter.from_notebook_node(notebook)
    body = str(page).rpartition('data-mime-type="text/markdown"')[2]
    return body.partition(">")[2].rpartition("</main>")[0]


def test_an_exported_answer_runs_loads_and_leads_to_nothing() -> None:
    drawn = Drawing(plain=EVIL, markdown=EVIL).bundle()["text/markdown"]
    page = exported(drawn)
    assert "Hello" in page
    assert Page(page).does == []
    assert "&lt;script&gt;" in page or "&lt;script>" in page
    # As the model wrote it, it would.
    assert {"<script>", "<iframe>", "<img>"} < set(Page(exported(EVIL)).does)


def test_money_is_no_formula_and_a_formula_is_one() -> None:
    page = exported(safe_markdown("It costs $5 and $10, and $x^2$ is $$\\frac{a}{b}$$."))
    assert "<span>$</span>5 and <span>$</span>10" in page
    assert "$x^2$ is $$\\frac{a}{b}$$" in page
    assert "costs $5 and $10" in exported("It costs $5 and $10.")  # which a page takes for one


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("**bold** *it* `a = b` | x", "**bold** *it* `a = b` | x"),
        ("[web](https://a.b/c?d=1&e=2)", "[web](https://a.b/c?d=1&e=2)"),
        ("see [there](#part) and [file](notes/a.md)", "see [there](#part) and [file](notes/a.md)"),
        ("```python\nif a < b:\n    x[i](y)\n```", "```python\nif a < b:\n    x[i](y)\n```"),
        ("1. a\n   ```\n   <b>\n     c\n   ```", "1. a\n\n```\n<b>\n  c\n```"),
        ("```html\n<b>never ended", "```html\n<b>never ended\n```"),
        ("a < b, 1 <2> 3 & c", "a &lt; b, 1 &lt;2> 3 & c"),
        ("$n$ and $a + b$ and $f(x)$", "$n$ and $a + b$ and $f(x)$"),
        ("$a<b$", r"$a\lt b$"),
        ("US$5, $20 per month or 10$", f"US{DOLLAR}5, {DOLLAR}20 per month or 10{DOLLAR}"),
        ("$5/month and then 10$ more", f"{DOLLAR}5/month and then 10{DOLLAR} more"),
        (r"\$5 and a \\ b", f"{DOLLAR}5 and a &#92; b"),
        ("\\begin{align} a &= b \\end{align}", "\\begin{align} a &= b \\end{align}"),
        ("a lone ` tick", r"a lone \` tick"),
        ("```sh\necho $$ <x\n```\nb", "<pre><code>echo &#36;&#36; &#60;x\n</code></pre>\n\nb"),
        ("`<br>` and `f(x)`", "<code>&#60;br&#62;</code> and `f(x)`"),
        ("| a | b |\n|---|---|\n| 1 | `x` |", "| a | b |\n|---|---|\n| 1 | `x` |"),
        ("olá 🙂 — → “x”", "olá 🙂 — → “x”"),
        ("\x1b[31mred", r"\x1b[31mred"),
    ],
)
def test_what_an_answer_shows_is_kept(written: str, kept: str) -> None:
    assert safe_markdown(written) == kept


PIECES = [
    "`", "``", "```", "```mermaid", "~~~", "\n", "\n\n", "    ", "\t", "- ", "1. ", "> ", "|",
    "|---|\n", "<script>x</script>", "<img src=http://e/x onerror=1>", "</code></pre>", "<!--",
    "[a](javascript:x)", "[a]( javascript:x )", "![a](http://e/x.png)", "[r]: javascript:x",
    "[r]", "![r]", "[r]:", "(", ")", "]", "[", "!", "javascript:x", "java", "script:", "&#106;",
    "&lt;", "$", "$$", "\\", "\\\\", "\\\\(", "\\\\)", "\\\\[", "\\\\]", "\\begin{a}",
    "\\end{a}", "{", "}", "x", "5", " ", "#", "---", "=", "*", "_", "~~", "<", ">", "<http://e",
    "http://e/", "^", ":", "\r", "\x0b", "\u2028",
]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
@example("` | `<script>x</script>`")
@example("$$\n\n```\n$$<script>x</script>\n```")
@example("\\\\(`\\\\)<script>x</script>`")
@example("`\\begin{a}`\n\n```\n\\end{a}<script>x</script>\n```")
@example("- ```\n  x\n  ```\n<script>x</script>\n```")
@example("x\n    ```\n<script>x</script>")
def test_no_text_makes_a_page_that_does_anything(text: str) -> None:
    does = Page(markdown2html(safe_markdown(text))).does
    assert does == [], safe_markdown(text)


@pytest.mark.parametrize(
    "piece",
    ["\\begin{a}", "$a", "`a", "](", "]:\n", "http://a/", "www.", "$$a", "`", "](http://((", "<",
     "```\n", "\\begin{a}b\\end{a} ", "![a](", "\\", "[a](http://x ", "a `b` $c$ "],
)  # fmt: skip
def test_a_long_answer_takes_time_by_its_length_only(piece: str) -> None:
    def taken_s(n: int) -> float:
        began = time.process_time()
        safe_markdown(piece * n)
        return time.process_time() - began

    n = 40_000 // len(piece)
    taken_s(n)
    short, long = min(taken_s(n) for _ in range(3)), taken_s(8 * n)
    assert long < 24 * short + 0.5  # the square would be 64 times


def test_what_a_kernel_keeps_of_a_real_answer_is_safe(home: Home) -> None:
    kernel = FrontEnd(home, "/work/safe.ipynb")
    try:
        kernel.must("%load_ext wiz_kernel_ext")
        kernel.must("%wiz_load demo")
        page = kernel.must(
            "%wiz_prompt --temperature 0 --logit-bias=<=1000 --max-tokens 4 Repeat: <script>"
        )
        kept: list[Any] = [
            o["text/markdown"] for o in page.outputs.values() if "text/markdown" in o
        ]
        assert kept == ["&lt;" * 4]
        assert "<<<<" in page.text
    finally:
        kernel.close()
