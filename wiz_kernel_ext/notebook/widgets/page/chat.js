import { button, h, show } from "./dom.js";
import { codeBlocks } from "./code.js";
import { Loader } from "./loader.js";
import { Messages } from "./messages.js";
import { Banner, PanelView } from "./panel.js";
import { Settings } from "./settings.js";

// The chat panel: draws what the kernel posts, asks it for actions. Nothing is decided here.

class ChatPage {
  constructor(context) {
    this.view = new PanelView(context, "chat", (message) => this.hear(message));
    const says = (text) => (this.said.textContent = text);
    this.said = h("div.wiz-unseen", { role: "status" });
    this.banner = new Banner();
    this.messages = new Messages({
      earlier: (before) => this.view.ask("earlier", { before }),
      codeBlock: codeBlocks(this.view, (text) => {
        says(text);
        this.note(text);
      }),
    });
    this.settings = new Settings((values) => {
      this.banner.say(null);
      this.view.ask("settings", values);
      this.note("Settings applied");
    });
    this.loader = new Loader({
      load: (model) => this.view.ask("load", { model }),
      look: () => this.view.ask("look"),
    });
    context.el.append(this.header(), this.settings.root, this.loader.root, this.banner.root, this.messages.root, this.composer(), this.said);
    this.lock(true, "Connecting …");
  }

  hear(message) {
    const heard = {
      state: this.state, head: this.head, messages: this.added, earlier: this.earlier, asked: this.asked, whole: this.whole,
      piece: this.piece, ended: this.ended, loading: this.loading, library: this.library, error: this.error, lost: this.lost, gone: this.gone,
    }[message.kind];
    heard?.call(this, message);
  }

  begin() {
    this.view.begin((ended) => this.away(ended));
  }

  header() {
    this.title = h("strong.wiz-title", {}, "Chat");
    this.session = h("select", {
      "aria-label": "Conversation",
      onchange: () => this.view.ask("open", { session: this.session.value }),
    });
    this.model = h("select", {
      "aria-label": "Model that answers",
      onchange: () => this.view.ask("model", { path: this.model.value }),
    });
    this.modelName = h("span.wiz-model");
    this.gear = button("Settings", () => this.toggleSettings(), { label: "Settings" });
    this.gear.setAttribute("aria-expanded", "false");
    this.fresh = button("New", () => this.view.ask("new"), { label: "New conversation" });
    return h("div.wiz-head", {}, this.title, this.session, this.fresh, h("span.wiz-space"), this.modelName, this.model, this.loader.toggle, this.gear);
  }

  composer() {
    this.input = h("textarea.wiz-input", {
      rows: "2",
      "aria-label": "Message",
      placeholder: "Write a message (Enter sends, Shift+Enter makes a new line)",
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          this.send();
        }
      },
    });
    this.sendButton = button("Send", () => this.send(), { kind: "wiz-primary" });
    this.stopButton = button("Stop", () => this.stop(), { kind: "wiz-danger", label: "Stop this answer" });
    this.again = button("Regenerate", () => this.view.ask("regenerate"), { label: "Regenerate the last answer" });
    this.small = h("span.wiz-small");
    show(this.stopButton, false);
    const row = h("div.wiz-row", {}, this.small, h("span.wiz-space"), this.again, this.stopButton, this.sendButton);
    return h("div", {}, this.input, row);
  }

  send() {
    const text = this.input.value;
    if (!text.trim() || this.sendButton.disabled) return;
    this.banner.say(null);
    this.input.value = "";
    this.view.ask("send", { text });
  }

  stop() {
    this.stopButton.disabled = true;
    this.view.ask("stop");
  }

  toggleSettings() {
    const { root } = this.settings;
    show(root, root.hidden);
    this.gear.setAttribute("aria-expanded", String(!root.hidden));
    if (!root.hidden) this.settings.system.focus();
  }

  note(text) {
    this.small.textContent = text;
  }

  // What the kernel posts, by kind.

  state({ head, first, messages, answering, loading }) {
    this.lock(false);
    this.banner.say(null);
    this.setBusy(null);
    this.head({ head });
    this.loading({ loading });
    this.messages.reset(first, messages).then(() => {
      if (answering) this.asked({ answering });
      else this.setBusy(null);
      this.view.root.dataset.ready = "true";
    });
  }

  head({ head }) {
    this.known = head;
    if (!head.id) return;
    const names = (head.sessions ?? []).map((one) => [one.id, one.n ? `${one.name} (${one.n})` : one.name]);
    if (!names.some(([id]) => id === head.id)) names.unshift([head.id, head.session]);
    choices(this.session, names, head.id);
    const models = head.models ?? [];
    this.modelName.textContent = models.length === 1 ? models[0].name : models.length ? "" : head.remembered ? `${head.remembered} (not loaded)` : "No model is loaded";
    show(this.modelName, models.length < 2);
    show(this.model, models.length > 1);
    if (models.length > 1) choices(this.model, [["", `as before${head.remembered ? ` (${head.remembered})` : ""}`], ...models.map((one) => [one.path, one.name])], head.model ?? "");
    this.settings.fill(head);
    if (!models.length && !head.remembered) {
      this.loader.open(true, { focus: false });
      this.offered = true;
    } else if (models.length && this.offered) {
      this.loader.open(false);
      this.offered = false;
    }
    if (this.answeringId && head.queued?.length) this.note(`${head.queued.length} more waiting`);
  }

  added({ first, messages }) {
    if (!this.messages.add(first, messages)) this.view.ask("hello");
    this.allowAgain();
  }

  earlier({ first, messages }) {
    this.messages.before(first, messages);
  }

  asked({ answering }) {
    this.banner.say(null);
    this.messages.begin(answering);
    this.setBusy(answering.id);
    this.said.textContent = "Answering";
  }

  whole(answering) {
    this.asked({ answering });
  }

  piece(piece) {
    if (!this.messages.piece(piece)) this.view.ask("whole", { id: piece.id });
  }

  ended({ id, small, problem, prompt }) {
    this.messages.ended(id, small);
    if (this.answeringId === id) this.setBusy(null);
    this.said.textContent = `Answer ended: ${small}`;
    if (prompt !== undefined) {
      this.messages.drop();
      if (!this.input.value) this.input.value = prompt;
    }
    if (problem) this.complain(problem);
  }

  loading({ loading }) {
    const working = loading && !loading.error;
    this.loader.progress(working ? loading : null);
    if (loading && !working) this.complain(loading);
    else if (!working && this.known?.models?.length) this.loader.open(false);
  }

  library({ names }) {
    this.loader.offer(names);
  }

  error(problem) {
    if (problem.text && !this.input.value) this.input.value = problem.text;
    this.stopButton.disabled = false;
    this.complain(problem);
  }

  lost({ message }) {
    this.setBusy(null);
    this.banner.say(message, "It was removed elsewhere.", button("Open this notebook's conversation", () => this.view.ask("open", { session: null })));
  }

  gone() {
    this.setBusy(null);
    this.messages.drop();
    this.banner.say("The service has ended.", "Conversations are kept. It starts again with the next message.");
  }

  complain({ error, message, hint }) {
    const actions = [];
    if (/ModelNotLoaded|ModelFileNotFound|ModelLoadFailed|GgufInvalid/.test(error)) {
      actions.push(button("Load a model", () => this.loader.open(true)));
    }
    if (error === "ContextOverflow") actions.push(button("New conversation", () => this.view.ask("new")));
    if (this.input.value) actions.push(button("Try again", () => this.send()));
    this.banner.say(message, hint, ...actions);
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    this.lock(true, ended ? "Run the cell again to go on." : "Waiting for the kernel …");
    if (ended) this.banner.say("The kernel behind this panel was restarted or has ended.", "Nothing is lost: run this cell again and it goes on.");
  }

  lock(locked, note = "") {
    for (const part of this.view.root.querySelectorAll("button, input, select, textarea")) part.disabled = locked;
    this.note(note);
  }

  setBusy(id) {
    this.answeringId = id;
    show(this.stopButton, Boolean(id));
    this.stopButton.disabled = false;
    this.allowAgain();
    if (!id) this.note("");
  }

  /** There is something to answer again once something was said. */
  allowAgain() {
    this.again.disabled = Boolean(this.answeringId) || !this.messages.end;
  }
}

function choices(select, pairs, chosen) {
  const same = select.options.length === pairs.length && pairs.every(([value, text], i) => select.options[i].value === value && select.options[i].text === text);
  if (!same) select.replaceChildren(...pairs.map(([value, text]) => h("option", { value }, text)));
  select.value = chosen;
}

export default {
  render(context) {
    const page = new ChatPage(context);
    page.begin();
    return () => page.view.end();
  },
};
