import { h } from "./dom.js";

// Markdown of a model, as elements. Model text is never HTML: every character of it ends up in a
// text node, links go to http and https only, images are not fetched. While text is still coming,
// only the last block is drawn again.

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])\s*(?:\1\s*){2,}$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
// A paragraph longer than this is laid out in pieces: one of 20,000 characters takes a browser
// longer to lay out, every time it grows, than anybody should wait.
const PIECE = 2000;
const INLINE = new RegExp(
  [
    "(?<escape>\\\\[\\\\`*_{}\\[\\]()#+\\-.!~|<>])",
    "(?<tick>`+)(?<code>[\\s\\S]{1,800}?)(?<!`)\\k<tick>(?!`)",
    "\\*\\*(?=\\S)(?<bold>[^*]{1,400}(?:\\*[^*]{1,200}\\*[^*]{0,400}){0,3})(?<=\\S)\\*\\*",
    "(?<![\\w])__(?=\\S)(?<strong>[^_]{1,400})(?<=\\S)__(?![\\w])",
    "\\*(?=\\S)(?<italic>[^*\\n]{1,400})(?<=\\S)\\*",
    "(?<![\\w])_(?=\\S)(?<emphasis>[^_\\n]{1,400})(?<=\\S)_(?![\\w])",
    "~~(?=\\S)(?<gone>[^~]{1,400})(?<=\\S)~~",
    "\\[(?<label>[^\\]\\n]{1,300})\\]\\((?<target>[^\\s()]+(?:\\([^\\s()]*\\)[^\\s()]*)?)\\)",
    "(?<url>https?://[^\\s<>\"'`)\\]]+[^\\s<>\"'`)\\].,;:!?])",
    "(?<hard> {2,}\\n|\\\\\\n)",
  ].join("|"),
  "g",
);

/** Text with inline Markdown as nodes. */
function inline(text, depth = 0) {
  const nodes = [];
  let end = 0;
  if (depth > 6) return [text];
  for (const match of text.matchAll(INLINE)) {
    const g = match.groups;
    if (match.index > end) nodes.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (g.escape) nodes.push(g.escape[1]);
    else if (g.code !== undefined) nodes.push(h("code", {}, g.code.replace(/\n/g, " ")));
    else if (g.bold || g.strong) nodes.push(h("strong", {}, ...inline(g.bold || g.strong, depth + 1)));
    else if (g.italic || g.emphasis) nodes.push(h("em", {}, ...inline(g.italic || g.emphasis, depth + 1)));
    else if (g.gone) nodes.push(h("del", {}, ...inline(g.gone, depth + 1)));
    else if (g.label) nodes.push(link(g.target, inline(g.label, depth + 1), match[0]));
    else if (g.url) nodes.push(link(g.url, [g.url], g.url));
    else if (g.hard) nodes.push(h("br"));
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}

function link(target, children, source) {
  if (!/^https?:\/\//i.test(target)) return source;
  return h("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

/** The blocks of `lines`, each {kind, lines, open}: `open` ones could still grow. */
function blocksOf(lines) {
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    const fence = FENCE.exec(line);
    const start = i;
    if (!line.trim()) {
      i += 1;
      continue;
    }
    if (fence) {
      const close = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
      i += 1;
      while (i < lines.length && !close.test(lines[i])) i += 1;
      const open = i >= lines.length;
      blocks.push({ kind: "code", start, language: fence[2].trim().split(/\s/)[0] || "", lines: lines.slice(start + 1, i), open });
      i += 1;
    } else if (HEADING.test(line)) {
      i += 1;
      blocks.push({ kind: "heading", start, lines: [line], open: i >= lines.length });
    } else if (RULE.test(line)) {
      i += 1;
      blocks.push({ kind: "rule", start, lines: [line], open: i >= lines.length });
    } else if (QUOTE.test(line)) {
      while (i < lines.length && lines[i].trim() && (QUOTE.test(lines[i]) || !startsBlock(lines[i]))) i += 1;
      blocks.push({ kind: "quote", start, lines: lines.slice(start, i), open: i >= lines.length });
    } else if (ITEM.test(line)) {
      while (i < lines.length && (lines[i].trim() ? inList(lines[i], i === start) : listGoesOn(lines, i))) i += 1;
      blocks.push({ kind: "list", start, lines: lines.slice(start, i), open: i >= lines.length });
    } else if (line.includes("|") && i + 1 < lines.length && TABLE_RULE.test(lines[i + 1]) && lines[i + 1].includes("-")) {
      while (i < lines.length && lines[i].includes("|")) i += 1;
      blocks.push({ kind: "table", start, lines: lines.slice(start, i), open: i >= lines.length });
    } else {
      i += 1;
      while (i < lines.length && lines[i].trim() && !startsBlock(lines[i])) i += 1;
      blocks.push({ kind: "text", start, lines: lines.slice(start, i), open: i >= lines.length });
    }
  }
  return blocks;
}

function startsBlock(line) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);
}

function inList(line, first) {
  return first || ITEM.test(line) || /^\s+\S/.test(line) || !startsBlock(line);
}

function listGoesOn(lines, i) {
  const next = lines.slice(i + 1).find((line) => line.trim());
  return next === undefined || ITEM.test(next) || /^\s{2,}\S/.test(next);
}

/** A list as its parts: one per item. */
function listParts(lines) {
  const first = ITEM.exec(lines[0]);
  const indent = first[1].length;
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item && item[1].length <= indent + 1) items.push([item[3]]);
    else if (items.length) items[items.length - 1].push(line.replace(new RegExp(`^\\s{0,${indent + 3}}`), ""));
  }
  const numbered = /\d/.test(first[2]);
  const start = numbered ? parseInt(first[2], 10) : undefined;
  return {
    shape: `list ${start}`,
    root: () => h(numbered ? "ol" : "ul", { start }),
    sources: items.map((item) => item.join("\n")),
    make: (source) => h("li", {}, ...inner(source.split("\n"))),
  };
}

/** An item or a quote: inline where it is one paragraph, blocks where it is more. */
function inner(lines) {
  const blocks = blocksOf(lines);
  if (blocks.length && blocks[0].kind === "text") {
    const [head, ...rest] = blocks;
    return [...inline(head.lines.join("\n").trim()), ...rest.map((block) => draw(block))];
  }
  return blocks.map((block) => draw(block));
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim());
}

/** A table as its parts: one per row. */
function tableParts(lines) {
  const [head, , ...rows] = lines;
  const row = (line, tag) => h("tr", {}, ...cells(line).map((cell) => h(tag, {}, ...inline(cell))));
  return {
    shape: `table ${head}`,
    root: () => h("table", {}, h("thead", {}, row(head, "th")), h("tbody")),
    place: (root) => root.lastChild,
    sources: rows,
    make: (line) => row(line, "td"),
  };
}

/** A paragraph as its parts: one, or pieces of about PIECE characters of a long one. */
function textParts(lines) {
  const sources = [];
  let rest = lines.join("\n").trim();
  while (rest.length > PIECE) {
    const space = rest.slice(PIECE, 2 * PIECE).search(/\s/);
    const end = space < 0 ? Math.min(rest.length, 2 * PIECE) : PIECE + space + 1;
    sources.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  sources.push(rest);
  const one = sources.length === 1;
  return {
    shape: one ? "text" : "long text",
    root: () => h("p"),
    sources,
    make: (source) => (one ? inline(source) : h("span.wiz-piece", {}, ...inline(source))),
  };
}

const PARTS = { list: listParts, table: tableParts, text: textParts };

/** A block drawn by its parts; those that `drawn`, the same block when it was shorter, has are kept. */
function drawParts(block, drawn) {
  const parts = PARTS[block.kind](block.lines);
  const same = drawn?.shape === parts.shape && parts.shape !== "text";
  const root = same ? drawn.root : parts.root();
  const place = parts.place ? parts.place(root) : root;
  const old = same ? drawn.sources : [];
  let kept = 0;
  while (kept < old.length && old[kept] === parts.sources[kept]) kept += 1;
  while (place.childNodes.length > kept) place.lastChild.remove();
  for (const source of parts.sources.slice(kept)) place.append(...[parts.make(source)].flat());
  return { shape: parts.shape, root, sources: parts.sources };
}

function draw(block, codeBlock = plainCode) {
  const { kind, lines } = block;
  if (PARTS[kind]) return drawParts(block).root;
  if (kind === "code") return codeBlock(lines.join("\n"), block.language);
  if (kind === "rule") return h("hr");
  if (kind === "quote") return h("blockquote", {}, ...inner(lines.map((line) => QUOTE.exec(line)?.[1] ?? line)));
  const [, marks, text] = HEADING.exec(lines[0]);
  return h(`h${Math.min(6, marks.length + 2)}`, {}, ...inline(text));
}

function plainCode(text) {
  return h("pre", {}, h("code", {}, text));
}

/** Markdown that grows: `append` draws what is new, `set` starts over, `show` does which is less. */
export class MarkdownView {
  /** `codeBlock(text, language)` makes the element of a fenced block; its text is in a <code>. */
  constructor(root, codeBlock = plainCode) {
    this.root = root;
    this.codeBlock = codeBlock;
    this.set("");
  }

  set(text) {
    this.text = text;
    this.lines = [];
    this.firstOpen = 0;
    this.openNodes = [];
    this.openCode = this.openParts = null;
    this.root.replaceChildren();
    if (text) this.draw(text);
  }

  show(text) {
    if (text.startsWith(this.text)) this.append(text.slice(this.text.length));
    else this.set(text);
  }

  append(text) {
    if (!text) return;
    this.text += text;
    this.draw(text);
  }

  draw(text) {
    if (this.openCode && !/[`~]/.test(text)) {
      // The commonest long block: code that only grows, and cannot end without one of these.
      this.grow(text);
      return;
    }
    const added = text.split("\n");
    if (this.lines.length) this.lines[this.lines.length - 1] += added.shift();
    this.lines.push(...added);
    const tail = this.lines.slice(this.firstOpen);
    const blocks = blocksOf(tail);
    const drawn = this.openParts;
    for (const node of this.openNodes) if (node !== drawn?.root) node.remove();
    this.openNodes = [];
    this.openCode = this.openParts = null;
    let firstOpen = null;
    for (const [i, block] of blocks.entries()) {
      const parts = PARTS[block.kind] ? drawParts(block, i === 0 ? drawn : null) : null;
      const node = parts ? parts.root : draw(block, this.codeBlock);
      if (i === 0 && drawn && node !== drawn.root) drawn.root.remove();
      if (node.parentNode !== this.root) this.root.append(node);
      // The last line may still become anything: a block is done once another begins before it.
      const next = blocks[i + 1];
      if (next && next.start < tail.length - 1) continue;
      firstOpen ??= block.start;
      if (!this.openNodes.length) this.openParts = parts;
      this.openNodes.push(node);
      if (!next && block.kind === "code" && block.open && block.lines.length) this.openCode = node.querySelector("code");
    }
    this.firstOpen += firstOpen ?? 0;
  }

  grow(text) {
    const added = text.split("\n");
    this.lines[this.lines.length - 1] += added.shift();
    this.lines.push(...added);
    if (this.openCode.lastChild) this.openCode.lastChild.appendData(text);
    else this.openCode.append(text);
  }
}
