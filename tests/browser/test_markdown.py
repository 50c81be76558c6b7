"""The panels' Markdown: what it makes of text, whole or in pieces, and that text is never more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from wiz_kernel_ext.notebook.widgets.pages import module

HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload=window.hit=1>",
    "[x](javascript:window.hit=1)",
    "[x](JaVaScRiPt:window.hit=1) [y](data:text/html,<script>parent.hit=1</script>)",
    "[x](https://e.org/'onclick='window.hit=1)",
    '[x](https://e.org/"onmouseover="window.hit=1")',
    "![x](https://e.org/tracker.png)",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "`</code><script>window.hit=1</script>`",
    "```html\n</code></pre><script>window.hit=1</script>\n```",
    '```"><script>window.hit=1</script>\nx\n```',
    "| <script>window.hit=1</script> | b |\n|---|---|\n| <img src=x onerror=window.hit=1> | d |",
    "> <style>* { display: none }</style>",
    "- <a href='javascript:window.hit=1'>x</a>",
    "# <base href='https://evil.example/'>",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
]
CASES = {
    "plain": "<p>plain</p>",
    "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
    "**bold** *it* `co*de*` ~~no~~": (
        "<p><strong>bold</strong> <em>it</em> <code>co*de*</code> <del>no</del></p>"
    ),
    "snake_case_name and 2*3*4": "<p>snake_case_name and 2<em>3</em>4</p>",
    r"\*not\* <b>": "<p>*not* &lt;b&gt;</p>",
    "# Title\ntext": "<h3>Title</h3><p>text</p>",
    "- a\n- b\n  - c\n\nend": "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>end</p>",
    "3. a\n4. b": '<ol start="3"><li>a</li><li>b</li></ol>',
    "> quoted\n> more": "<blockquote>quoted\nmore</blockquote>",
    "```py\na = 1\n\nb\n```\nend": "<pre><code>a = 1\n\nb</code></pre><p>end</p>",
    "```\nopen": "<pre><code>open</code></pre>",
    "a | b\n--|--\n1 | 2": (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    ),
    "---": "<hr>",
    "see https://e.org/a_b_c.": (
        '<p>see <a href="https://e.org/a_b_c" target="_blank" '
        'rel="noopener noreferrer nofollow">https://e.org/a_b_c</a>.</p>'
    ),
}
PIECES = """
const root = document.createElement('div');
document.body.replaceChildren(root);
const view = new wiz.MarkdownView(root);
for (const piece of pieces) view.append(piece);
"""


@pytest.fixture(scope="module")
def markdown(browser: Any) -> Iterator[Any]:
    """Draws pieces of text on an empty page; returns the HTML that stands there then."""
    page = browser.new_page()
    source = module("markdown.js") + "\nwindow.wiz = { MarkdownView };"
    page.add_script_tag(content=source, type="module")
    page.wait_for_function("() => window.wiz")

    def draw(*pieces: str) -> str:
        return str(page.evaluate(f"pieces => {{ {PIECES} return root.innerHTML; }}", pieces))

    draw.page = page  # type: ignore[attr-defined]
    yield draw
    page.close()


@pytest.mark.parametrize("text", CASES)
def test_text_becomes_what_markdown_says(markdown: Any, text: str) -> None:
    assert markdown(text) == CASES[text]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(markdown: Any, text: str) -> None:
    markdown(text)
    markdown(*text)
    page = markdown.page
    made = page.evaluate("[...document.body.querySelectorAll('*')].map(e => e.tagName)")
    assert not {"SCRIPT", "IMG", "SVG", "IFRAME", "STYLE", "BASE", "svg"} & set(made)
    attributes = page.evaluate(
        "[...document.body.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    )
    assert set(attributes) <= {"href", "target", "rel", "start"}
    links = page.evaluate("[...document.links].map(a => a.protocol)")
    assert set(links) <= {"https:", "http:"}
    page.wait_for_timeout(20)
    assert page.evaluate("window.hit") is None


def test_text_in_pieces_ends_up_as_the_same_text_at_once(markdown: Any) -> None:
    chance = random.Random(7)
    blocks = [*CASES, *HOSTILE, "```\nlong\ncode\n``\nstill\n```", "1. a\n\n   b\n2. c"]
    for _ in range(200):
        text = "\n\n".join(chance.choices(blocks, k=5)) + chance.choice(["", "\n", "\n\n"])
        pieces, rest = [], text
        while rest:
            n = chance.randint(1, 9)
            pieces.append(rest[:n])
            rest = rest[n:]
        assert markdown(*pieces) == markdown(text), text


def test_a_long_open_code_block_is_not_drawn_again_for_every_piece(markdown: Any) -> None:
    took = markdown.page.evaluate(
        """() => {
            const root = document.createElement('div');
            const view = new wiz.MarkdownView(root);
            view.append('```\\n');
            view.append('x');
            const code = root.querySelector('code');
            for (let i = 0; i < 5000; i += 1) view.append('word ' + i + '\\n');
            return root.querySelector('code') === code && view.text.length;
        }"""
    )
    assert took > 40_000
