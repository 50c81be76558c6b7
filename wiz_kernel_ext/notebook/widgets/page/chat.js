import { button, h, show } from "./dom.js";
import { codeBlocks } from "./code.js";
import { Loader } from "./loader.js";
import { entriesOf, Messages } from "./messages.js";
import { Banner, noticesOf, PanelView } from "./panel.js";
import { Settings } from "./settings.js";

// The chat panel: draws the state the kernel has, asks it for actions. Nothing is decided here.
// Only the view's own: what is being written, what is unfolded, earlier messages it asked for, and
// what came of its own last action.

class ChatPage {
  constructor(context) {
    this.view = new PanelView(context, "chat", (state) => this.draw(state));
    this.said = h("div.wiz-unseen", { role: "status" });
    this.banner = new Banner();
    this.problem = null;
    this.earlier = { first: 0, messages: [] };
    this.messages = new Messages({
      earlier: (before) => this.askEarlier(before),
      codeBlock: codeBlocks(this.view, (text) => {
        this.say(text);
        this.note(text);
      }),
      drawn: () => this.view.state.now?.session && (this.view.root.dataset.ready = "true"),
    });
    this.settings = new Settings(async (values) => {
      if (await this.do("settings", values)) this.note("Settings applied");
    });
    this.loader = new Loader({
      load: (model) => this.do("load", { model }),
      look: async () => (await this.view.ask("look")).result.names ?? [],
    });
    context.el.append(this.header(), this.settings.root, this.loader.root, this.banner.root, this.messages.root, this.composer(), this.said);
    this.lock(true, "Connecting …");
  }

  begin() {
    this.view.begin((ended) => this.away(ended), (problem) => this.complain(problem));
  }

  header() {
    this.title = h("strong.wiz-title", {}, "Chat");
    this.session = h("select", {
      "aria-label": "Conversation",
      onchange: () => this.do("open", { session: this.session.value }),
    });
    this.model = h("select", {
      "aria-label": "Model that answers",
      onchange: () => this.do("model", { path: this.model.value }),
    });
    this.modelName = h("span.wiz-model");
    this.gear = button("Settings", () => this.toggleSettings(), { label: "Settings" });
    this.gear.setAttribute("aria-expanded", "false");
    this.fresh = button("New", () => this.do("new"), { label: "New conversation" });
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
    this.again = button("Regenerate", () => this.do("regenerate"), { label: "Regenerate the last answer" });
    this.small = h("span.wiz-small");
    show(this.stopButton, false);
    const row = h("div.wiz-row", {}, this.small, h("span.wiz-space"), this.again, this.stopButton, this.sendButton);
    return h("div", {}, this.input, row);
  }

  // What is asked for.

  /** Ask for an action; whether it was done. What was said of the one before is over then. */
  async do(action, content = {}) {
    this.problem = null;
    this.drawBanner();
    const { problem } = await this.view.ask(action, content);
    if (problem) this.complain(problem);
    return !problem;
  }

  async send() {
    const text = this.input.value;
    if (!text.trim() || this.sendButton.disabled) return;
    this.input.value = "";
    const { problem } = await this.view.ask("send", { text });
    if (!problem) return;
    this.input.value ||= text;
    this.complain(problem);
  }

  async stop() {
    this.stopButton.disabled = true;
    await this.do("stop");
    this.stopButton.disabled = false;
  }

  async askEarlier(before) {
    const { id } = this.view.state.now.session;
    const { result, problem } = await this.view.ask("earlier", { before });
    if (problem) this.complain(problem);
    else if (id === this.view.state.now.session.id && before === this.messages.first) {
      this.earlier = { first: result.first, messages: [...result.messages, ...this.earlier.messages] };
    }
    this.drawMessages(this.view.state.now);
  }

  toggleSettings() {
    const { root } = this.settings;
    show(root, root.hidden);
    this.gear.setAttribute("aria-expanded", String(!root.hidden));
    if (!root.hidden) this.settings.system.focus();
  }

  // What is drawn.

  draw(state) {
    const before = this.drawn ?? {};
    this.drawn = state;
    this.isAway = false;
    if (!state.session) return;
    if (state.answer && state.answer.id !== before.answer?.id) {
      this.problem = null;
      this.messages.toBottom();
      this.say("Answering");
    } else if (before.answer?.running && !state.answer?.running) {
      this.say(`Answer ended: ${(state.failed ?? state.answer ?? state.messages.at(-1))?.small ?? ""}`);
    }
    // What was wrong with an action while the service ended is that it ended.
    if (state.gone && !before.gone) this.problem = null;
    if (state.session.id !== before.session?.id) this.messages.toBottom();
    this.keepEarlier(before, state);
    this.drawHead(state);
    this.drawMessages(state);
    if (state.failed && state.failed.id !== this.givenBack) {
      this.givenBack = state.failed.id;
      this.input.value ||= state.failed.prompt;
    }
    this.drawBanner();
    const running = Boolean(state.answer?.running);
    if (this.locked) this.lock(false);
    this.stopButton.disabled = false;
    show(this.stopButton, running);
    this.again.disabled = running || !(state.first + state.messages.length);
    if (running && state.n_waiting) this.note(`${state.n_waiting} more waiting`);
    else if (before.answer?.running && !running) this.note("");
  }

  /** Earlier messages stay before those of the state. Of what leaves the state, the view keeps what
      somebody who reads above may be looking at. */
  keepEarlier(before, state) {
    if (state.session.id !== before.session?.id || state.first < before.first) {
      this.earlier = { first: state.first, messages: [] };
    } else if (state.first > before.first) {
      const left = before.messages.slice(0, state.first - before.first);
      this.earlier = this.messages.follows ? { first: state.first, messages: [] } : { ...this.earlier, messages: [...this.earlier.messages, ...left] };
    }
  }

  drawMessages(state) {
    this.messages.set(this.earlier.first, entriesOf(state, this.earlier.messages));
  }

  drawHead(state) {
    const { session, sessions, remembered } = state;
    const models = state.models ?? [];
    const names = sessions.map((one) => [one.id, one.n ? `${one.name} (${one.n})` : one.name]);
    if (!names.some(([id]) => id === session.id)) names.unshift([session.id, session.name]);
    choices(this.session, names, session.id);
    this.modelName.textContent = models.length === 1 ? models[0].name : models.length ? "" : remembered ? `${remembered} (not loaded)` : state.models ? "No model is loaded" : "";
    show(this.modelName, models.length < 2);
    show(this.model, models.length > 1);
    if (models.length > 1) choices(this.model, [["", `as before${remembered ? ` (${remembered})` : ""}`], ...models.map((one) => [one.path, one.name])], state.model ?? "");
    this.settings.fill({ system: session.system, options: state.options });
    this.loader.draw(state);
  }

  /** The one thing that has to be said now. */
  drawBanner() {
    const { gone, lost, failed, load } = this.view.state.now ?? {};
    if (this.isAway) this.banner.say("The kernel behind this panel was restarted or has ended.", "Nothing is lost: run this cell again and it goes on.");
    else if (this.problem) this.bannerOf(this.problem);
    else if (gone) this.banner.say("The service has ended.", "Conversations are kept. It starts again with the next message.");
    else if (lost) this.banner.say(lost, "It was removed elsewhere.", button("Open this notebook's conversation", () => this.do("open", { session: null })));
    else if (failed?.problem) this.bannerOf(failed.problem);
    else if (load?.problem) this.bannerOf(load.problem, noticesOf(load));
    else if (load?.notices.length) this.banner.note(`${load.model}:`, noticesOf(load), button("OK", () => this.do("heard"), { kind: "wiz-quiet" }));
    else this.banner.say(null);
  }

  bannerOf({ error, message, hint }, more = "") {
    const actions = [];
    if (/ModelNotLoaded|ModelFileNotFound|ModelLoadFailed|GgufInvalid/.test(error)) {
      actions.push(button("Load a model", () => this.loader.open(true)));
    }
    if (error === "ContextOverflow") actions.push(button("New conversation", () => this.do("new")));
    if (this.input.value) actions.push(button("Try again", () => this.send()));
    this.banner.say(message, [hint, more].filter(Boolean).join(" "), ...actions);
  }

  complain(problem) {
    this.problem = problem;
    this.drawBanner();
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    this.isAway = ended;
    this.lock(true, ended ? "Run the cell again to go on." : "Waiting for the kernel …");
    this.drawBanner();
  }

  lock(locked, note = "") {
    this.locked = locked;
    for (const part of this.view.root.querySelectorAll("button, input, select, textarea")) part.disabled = locked;
    this.note(note);
  }

  note(text) {
    this.small.textContent = text;
  }

  say(text) {
    this.said.textContent = text;
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
