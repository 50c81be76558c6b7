import { button, h, show } from "./dom.js";
import { MarkdownView } from "./markdown.js";

// The list of messages: drawn to be what it is told, a few at a time so that the page never waits.

const SPEAKERS = { user: "You", assistant: "Model", tool: "Tool", system: "System" };
const ENDINGS = { cancelled: "stopped", interrupted: "cut off", length: "cut off at the limit", runaway: "ended: it repeated itself" };
const BUDGET_MS = 16;
const NEAR_BOTTOM_PX = 48;

/** What is to be drawn of a chat's state, `earlier` messages before it: entries, each with a key
    that an answer keeps when it is among the messages. */
export function entriesOf({ first, messages, answer, answer_text: answerText, answer_thinking: answerThinking = "" }, earlier = []) {
  const counted = new Map();
  const keyOf = ({ operation, role }, number) => {
    if (!operation) return `number ${number}`;
    const stem = `${role} of ${operation}`;
    const n = counted.get(stem) ?? 0;
    counted.set(stem, n + 1);
    return n ? `${stem} ${n}` : stem;
  };
  const kept = [...earlier, ...messages];
  const begin = first - earlier.length;
  const entries = kept.map((message, i) => ({ ...message, key: keyOf(message, begin + i), small: message.small || (ENDINGS[message.finish] ?? "") }));
  if (!answer) return entries;
  const has = (role) => kept.some((message) => message.role === role && message.operation === answer.id);
  if (has("assistant")) return entries;
  if (!has("user")) entries.push({ key: `user of ${answer.id}`, role: "user", text: answer.prompt, small: "" });
  entries.push({ key: `assistant of ${answer.id}`, role: "assistant", text: answerText, thinking: answerThinking, small: answer.small, fraction: answer.fraction, busy: answer.running });
  return entries;
}

export class Messages {
  /** `earlier(before)` asks for what came before number `before`; `drawn()` is called once all is. */
  constructor({ earlier, codeBlock, drawn }) {
    Object.assign(this, { codeBlock, drawn });
    this.more = button("", () => {
      this.more.disabled = true;
      earlier(this.first);
    }, { kind: "wiz-quiet" });
    this.top = h("div.wiz-more", { hidden: true }, this.more);
    this.list = h("div.wiz-list");
    this.empty = h("p.wiz-empty", {}, "Nothing was said yet.");
    this.root = h("div.wiz-log", { role: "region", "aria-label": "Conversation", tabindex: "0" }, this.top, this.empty, this.list);
    this.items = new Map();
    // Heights become known only as messages are drawn: who was at the end stays there.
    this.follows = true;
    this.root.addEventListener("scroll", () => (this.follows = this.atBottom()));
    new ResizeObserver(() => this.follows && this.toBottom()).observe(this.list);
  }

  /** Draw `entries`, the first of which is message number `first`. */
  set(first, entries) {
    this.first = first;
    this.entries = entries;
    show(this.empty, !entries.length);
    this.draw();
  }

  /** Bring the list to what it should be, its end first; the rest in the next frames. */
  draw() {
    cancelAnimationFrame(this.next);
    const begun = performance.now();
    const keys = new Set(this.entries.map((entry) => entry.key));
    for (const [key, item] of this.items) {
      if (keys.has(key)) continue;
      item.node.remove();
      this.items.delete(key);
    }
    const seen = this.follows ? null : [...this.list.children].find((node) => node.offsetTop + node.offsetHeight > this.root.scrollTop);
    const seenAt = seen ? seen.offsetTop - this.root.scrollTop : 0;
    let after = null;
    let left = this.entries.length;
    let grew = false;
    while (left && performance.now() - begun < BUDGET_MS) {
      left -= 1;
      const entry = this.entries[left];
      let item = this.items.get(entry.key);
      if (!item) {
        item = makeItem(entry, this.codeBlock);
        this.items.set(entry.key, item);
      }
      grew = item.set(entry) || grew;
      if (item.node.parentNode !== this.list || item.node.nextSibling !== after) {
        this.list.insertBefore(item.node, after);
        grew = true;
      }
      after = item.node;
    }
    this.tellMore(left);
    if (this.follows) {
      if (grew) this.toBottom();
    } else if (grew && seen) this.root.scrollTop = seen.offsetTop - seenAt;
    if (left) this.next = requestAnimationFrame(() => this.draw());
    else this.drawn();
  }

  tellMore(left) {
    show(this.top, this.first > 0 && !left);
    this.more.textContent = `Show earlier messages (${this.first})`;
    this.more.disabled = false;
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

/** One message; `set(entry)` draws what differs and tells whether that was any text. */
function makeItem({ role }, codeBlock) {
  const body = h(role === "user" ? "div.wiz-text" : "div.wiz-markdown");
  const small = h("span");
  const thoughts = h("div.wiz-thought");
  const folded = h("details.wiz-thoughts", { hidden: true }, h("summary", {}, "Thoughts"), thoughts);
  const bar = h("progress", { max: 1, hidden: true, "aria-label": "Before the answer" });
  const speaker = SPEAKERS[role] ?? role;
  const node = h(`article.wiz-message.wiz-${role}`, { "aria-label": speaker }, h("div.wiz-speaker", { "aria-hidden": "true" }, speaker), folded, body, h("div.wiz-row.wiz-small", {}, bar, small));
  const markdown = role === "user" ? null : new MarkdownView(body, codeBlock);
  let drawn = { text: "", thinking: "", small: "", busy: undefined };
  const set = (entry) => {
    const before = drawn;
    drawn = entry;
    if (entry.small !== before.small) small.textContent = entry.small;
    show(bar, typeof entry.fraction === "number");
    bar.value = entry.fraction ?? 0;
    if (entry.busy) node.setAttribute("aria-busy", "true");
    else node.removeAttribute("aria-busy");
    const thinking = entry.thinking ?? "";
    show(folded, thinking);
    // Open while nothing else is there to be read; then as whoever reads it leaves it.
    if (entry.busy && thinking && !entry.text) folded.open = true;
    else if (entry.text && !before.text) folded.open = false;
    const thinks = thinking !== (before.thinking ?? "");
    if (thinks) thoughts.textContent = thinking;
    if (entry.text === before.text) return thinks;
    if (markdown) markdown.show(entry.text);
    else body.textContent = entry.text;
    return true;
  };
  return { node, set };
}
