import { button, h, show } from "./dom.js";
import { MarkdownView } from "./markdown.js";

// The list of messages: each once, in order, drawn a few at a time so that the page never waits.

const SPEAKERS = { user: "You", assistant: "Model", tool: "Tool", system: "System" };
const ENDINGS = { cancelled: "stopped", interrupted: "cut off", length: "cut off at the limit" };
const BUDGET_MS = 16;
const NEAR_BOTTOM_PX = 48;

export class Messages {
  /** `earlier(before)` asks for what came before number `before`. */
  constructor({ earlier, codeBlock }) {
    this.codeBlock = codeBlock;
    this.more = button("", () => this.askEarlier(), { kind: "wiz-quiet" });
    this.askEarlier = () => {
      this.more.disabled = true;
      earlier(this.first);
    };
    this.top = h("div.wiz-more", {}, this.more);
    this.list = h("div.wiz-list");
    this.empty = h("p.wiz-empty", {}, "Nothing was said yet.");
    this.root = h("div.wiz-log", { role: "region", "aria-label": "Conversation", tabindex: "0" }, this.top, this.empty, this.list);
    this.clear();
    // Heights become known only as messages are drawn: who was at the end stays there.
    this.follows = true;
    this.root.addEventListener("scroll", () => (this.follows = this.atBottom()));
    new ResizeObserver(() => this.follows && this.toBottom()).observe(this.list);
  }

  clear() {
    this.first = this.end = 0;
    this.byOperation = new Map();
    this.provisional = null;
    this.drawing = (this.drawing ?? 0) + 1;
    this.list.replaceChildren();
    this.update();
  }

  /** Begin with `messages`, the first of which has the number `first`. */
  async reset(first, messages) {
    this.clear();
    this.first = this.end = first + messages.length;
    await this.before(first, messages);
    this.toBottom();
  }

  /** Draw a page above what there is, its last message first. */
  async before(first, messages) {
    if (first + messages.length !== this.first) return;
    const turn = this.drawing;
    const waiting = [...messages];
    while (waiting.length) {
      const begun = performance.now();
      const nodes = [];
      while (waiting.length && performance.now() - begun < BUDGET_MS) nodes.unshift(this.item(waiting.pop()).node);
      // One layout for many messages, and the reader's place stays where it is.
      const below = this.root.scrollHeight - this.root.scrollTop;
      this.list.prepend(...nodes);
      this.root.scrollTop = this.root.scrollHeight - below;
      this.first -= nodes.length;
      if (waiting.length) await new Promise(requestAnimationFrame);
      if (turn !== this.drawing) return;
    }
    this.update();
  }

  /** Add messages from number `first` on; an answer that was just written keeps its place. */
  add(first, messages) {
    if (first !== this.end) return false;
    for (const message of messages) {
      if (!this.settle(message)) this.list.append(this.item(message).node);
      this.end += 1;
    }
    if (this.provisional) this.list.append(...this.provisional.nodes);
    this.update();
    if (this.follows) this.toBottom();
    return true;
  }

  /** Draw a question and the answer on its way to it. */
  begin({ id, prompt, text, n, small, fraction }) {
    if (this.byOperation.has(id)) return;
    if (this.provisional?.id !== id) {
      this.drop();
      const asked = this.item({ role: "user", text: prompt });
      const answer = this.item({ role: "assistant", text: "", operation: id });
      this.provisional = { id, asked, answer, nodes: [asked.node, answer.node] };
      this.list.append(...this.provisional.nodes);
    }
    const { answer } = this.provisional;
    answer.markdown.set(text);
    answer.node.setAttribute("aria-busy", "true");
    this.provisional.n = n;
    answer.tell(small, fraction);
    this.update();
    this.toBottom();
  }

  /** Add piece `n`; false if an earlier one is missing. */
  piece({ id, n, text, small, fraction }) {
    const current = this.provisional;
    if (this.byOperation.has(id) && !current) return true;
    if (current?.id !== id || n > current.n) return false;
    if (n < current.n) return true;
    current.n += 1;
    current.answer.markdown.append(text);
    current.answer.tell(small, fraction);
    if (this.follows) this.toBottom();
    return true;
  }

  /** The answer of operation `id` has ended. */
  ended(id, small) {
    const item = this.byOperation.get(id) ?? (this.provisional?.id === id ? this.provisional.answer : null);
    if (!item) return;
    item.tell(small, null);
    item.node.removeAttribute("aria-busy");
  }

  /** Take the provisional question and answer away. */
  drop() {
    this.provisional?.nodes.forEach((node) => node.remove());
    this.provisional = null;
    this.update();
  }

  /** A kept message that is on the screen already, as part of what was just answered. */
  settle(message) {
    const current = this.provisional;
    if (!current || message.operation !== current.id) return false;
    if (message.role !== "assistant") {
      if (current.askedKept) return false;
      current.askedKept = true;
      return true;
    }
    const { answer } = current;
    if (answer.markdown.text !== message.text) answer.markdown.set(message.text);
    answer.node.removeAttribute("aria-busy");
    this.byOperation.set(message.operation, answer);
    this.provisional = null;
    return true;
  }

  item(message) {
    const body = h(message.role === "user" ? "div.wiz-text" : "div.wiz-markdown");
    const small = h("span", {}, ENDINGS[message.finish] ?? "");
    const bar = h("progress", { max: 1, hidden: true, "aria-label": "Before the answer" });
    const speaker = SPEAKERS[message.role] ?? message.role;
    const node = h(`article.wiz-message.wiz-${message.role}`, { "aria-label": speaker }, h("div.wiz-speaker", { "aria-hidden": "true" }, speaker), body, h("div.wiz-row.wiz-small", {}, bar, small));
    const tell = (text, fraction) => {
      small.textContent = text;
      show(bar, fraction !== null);
      bar.value = fraction ?? 0;
    };
    const item = { node, tell, markdown: null };
    if (message.role === "user") body.textContent = message.text;
    else {
      item.markdown = new MarkdownView(body, this.codeBlock);
      item.markdown.set(message.text);
    }
    if (message.role === "assistant" && message.operation && message.text) this.byOperation.set(message.operation, item);
    return item;
  }

  update() {
    show(this.top, this.first > 0);
    this.more.textContent = `Show earlier messages (${this.first})`;
    this.more.disabled = false;
    show(this.empty, this.end === 0 && !this.provisional);
  }

  atBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
  }

  toBottom() {
    this.follows = true;
    this.root.scrollTop = this.root.scrollHeight;
  }
}
