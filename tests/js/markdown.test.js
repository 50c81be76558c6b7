import assert from "node:assert/strict";
import { test } from "node:test";
import "./browser.js";
import { MarkdownView } from "../../wiz_kernel_ext/notebook/widgets/page/markdown.js";

const HOSTILE = [
  "<script>window.hit = 1</script>",
  "<img src=x onerror='window.hit = 1'>",
  "<svg onload=window.hit=1>",
  "[x](javascript:window.hit=1)",
  "[x](JaVaScRiPt:window.hit=1) [y](data:text/html,<script>parent.hit=1</script>)",
  "[x](https://e.org/'onclick='window.hit=1)",
  '[x](https://e.org/"onmouseover="window.hit=1")',
  "[x](\tjavascript:window.hit=1) [x](//e.org) [x](vbscript:x) [x](file:///etc/passwd)",
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
  "**<b onclick=x>**_<i>_~~<u>~~ [<b>](https://e.org/<b>)",
];
const CASES = {
  plain: "<p>plain</p>",
  "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
  "**bold** *it* `co*de*` ~~no~~": "<p><strong>bold</strong> <em>it</em> <code>co*de*</code> <del>no</del></p>",
  "snake_case_name and 2*3*4": "<p>snake_case_name and 2<em>3</em>4</p>",
  "\\*not\\* <b>": "<p>*not* &lt;b&gt;</p>",
  "# Title\ntext": "<h3>Title</h3><p>text</p>",
  "- a\n- b\n  - c\n\nend": "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>end</p>",
  "3. a\n4. b": '<ol start="3"><li>a</li><li>b</li></ol>',
  "> quoted\n> more": "<blockquote>quoted\nmore</blockquote>",
  "```py\na = 1\n\nb\n```\nend": "<pre><code>a = 1\n\nb</code></pre><p>end</p>",
  "```\nopen": "<pre><code>open</code></pre>",
  "a | b\n--|--\n1 | 2": "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
  "---": "<hr>",
};
const MADE = new Set("P STRONG EM CODE DEL H3 H4 H5 H6 UL OL LI BLOCKQUOTE PRE TABLE THEAD TBODY TR TH TD HR A BR SPAN".split(" "));

function drawn(...pieces) {
  const root = document.createElement("div");
  const view = new MarkdownView(root);
  for (const piece of pieces) view.append(piece);
  return root;
}

for (const [text, html] of Object.entries(CASES)) {
  test(`${JSON.stringify(text)} becomes what Markdown says`, () => assert.equal(drawn(text).innerHTML, html));
}

for (const text of HOSTILE) {
  test(`${JSON.stringify(text)} is only text`, () => {
    for (const root of [drawn(text), drawn(...text)]) {
      const elements = [...root.querySelectorAll("*")];
      for (const element of elements) {
        assert.ok(MADE.has(element.tagName), element.tagName);
        for (const name of element.getAttributeNames()) assert.ok(["href", "target", "rel", "start"].includes(name), name);
      }
      for (const link of root.querySelectorAll("a")) {
        assert.match(link.getAttribute("href"), /^https?:\/\//i);
        assert.equal(link.getAttribute("rel"), "noopener noreferrer nofollow");
      }
    }
  });
}

test("no letter of a text without marks is lost", () => {
  const text = "one <b>two</b> & three";
  assert.equal(drawn(text).textContent, text);
});

/** Numbers that are the same in every run. */
function chance(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * n);
  };
}

test("text in pieces ends up as the same text at once", () => {
  const random = chance(7);
  const blocks = [...Object.keys(CASES), ...HOSTILE, "```\nlong\ncode\n``\nstill\n```", "1. a\n\n   b\n2. c"];
  for (let round = 0; round < 200; round += 1) {
    const text = Array.from({ length: 5 }, () => blocks[random(blocks.length)]).join("\n\n") + "\n".repeat(random(3));
    const pieces = [];
    for (let rest = text; rest; ) {
      const n = 1 + random(9);
      pieces.push(rest.slice(0, n));
      rest = rest.slice(n);
    }
    assert.equal(drawn(...pieces).innerHTML, drawn(text).innerHTML, text);
  }
});

test("a text that grew is continued, another one drawn anew", () => {
  const root = document.createElement("div");
  const view = new MarkdownView(root);
  view.show("first\n\nsecond\nli");
  const [first] = root.children;
  view.show("first\n\nsecond\nline");
  assert.equal(root.firstChild, first);
  assert.equal(root.innerHTML, drawn("first\n\nsecond\nline").innerHTML);
  view.show("other");
  assert.equal(root.innerHTML, "<p>other</p>");
});

test("a long open code block is not drawn again for every piece", () => {
  const root = document.createElement("div");
  const view = new MarkdownView(root);
  view.append("```\nx");
  const code = root.querySelector("code");
  for (let i = 0; i < 2000; i += 1) view.append(`word ${i}\n`);
  assert.equal(root.querySelector("code"), code);
});
