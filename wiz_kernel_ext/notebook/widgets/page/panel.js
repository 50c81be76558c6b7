import { h, uniqueId } from "./dom.js";
import { SharedState } from "./state.js";

// What every panel's page shares: its state, asking the kernel, knowing whether it is there, and
// leaving something to read in a saved notebook.

const VIEW_MIME = "application/vnd.jupyter.widget-view+json";
const STATE_MIME = "application/vnd.jupyter.widget-state+json";
// What a notebook's file keeps of a panel: nothing. Its form stands under it.
const KEPT_MODULE = "export default{render({el}){el.hidden=true}}";
const ANSWER_WITHIN_MS = 4000;

/** One view of a panel: `draw(state)` draws what the panel shows, whenever that has changed. */
export class PanelView {
  constructor({ model, el }, name, draw) {
    this.model = model;
    this.root = el;
    this.id = uniqueId("view");
    this.live = false;
    this.state = new SharedState({ draw, askWhole: () => this.send("whole") });
    this.asked = new Map();
    this.n = 0;
    el.classList.add("wiz-panel", `wiz-${name}-page`);
    keepKeys(el);
    this.onMessage = (message) => {
      if (message.view && message.view !== this.id) return;
      clearTimeout(this.waiting);
      if (message.kind === "state") this.state.take(message);
      else if (message.kind === "reply") this.replied(message);
    };
    model.on("msg:custom", this.onMessage);
    this.onLive = () => this.checkLive();
    model.on("comm_live_update", this.onLive);
    this.keepWord();
  }

  /** Say hello, or show the kept form where no kernel would answer. */
  async begin(onGone, onProblem) {
    this.onGone = onGone;
    await this.checkLive();
    if (!this.live) {
      onGone(true);
      return;
    }
    this.waiting = setTimeout(() => onGone(false), ANSWER_WITHIN_MS);
    const { problem } = await this.ask("hello");
    if (problem) onProblem(problem);
  }

  async checkLive() {
    const was = this.live;
    const whole = await this.model.widget_manager?.get_model?.(this.model.get("panel_id")).catch(() => null);
    this.live = whole ? Boolean(whole.comm_live) : true;
    if (this.live) this.hideForm();
    if (was && !this.live) this.onGone?.(true);
  }

  /** The form under a panel is for where there is no panel. */
  hideForm() {
    if (this.hiding) return;
    this.hiding = h("style", {}, `#wiz-form-${this.model.get("panel_id")} { display: none }`);
    document.head.append(this.hiding);
  }

  /** Leave the place to the form. */
  giveWay() {
    this.hiding?.remove();
    this.root.hidden = true;
  }

  /** Ask the kernel for an action; how it ended: {result} or {problem}. */
  ask(action, content = {}) {
    this.n += 1;
    const { n } = this;
    const answered = new Promise((resolve) => this.asked.set(n, resolve));
    this.send(action, { ...content, n });
    return answered;
  }

  replied({ n, result, problem }) {
    this.asked.get(n)?.({ result: result ?? {}, problem });
    this.asked.delete(n);
  }

  /** Tell the kernel; on its control channel where there is a way, for that one is read while a
      cell computes. */
  send(action, content = {}) {
    const message = { ...content, action, view: this.id };
    const kernel = this.model.widget_manager?.kernel;
    const type = this.model.get("control");
    if (type && typeof kernel?.sendControlMessage === "function") {
      try {
        kernel.sendControlMessage(controlMessage(kernel, type, { ...message, panel: this.model.get("panel_id") }), false, true);
        return;
      } catch (error) {
        console.debug("wiz: no control channel", error);
      }
    }
    this.model.send(message);
  }

  /** The notebook document around this view, where the front end lets us see it. */
  get notebook() {
    const model = this.model.widget_manager?.context?.model;
    return model?.cells && model.setMetadata ? model : null;
  }

  /** The number of the cell that shows this panel, or -1. */
  cellIndex() {
    const id = this.model.get("panel_id");
    return [...(this.notebook?.cells ?? [])].findIndex((cell) => shownIn(cell).has(id));
  }

  /** Leave word in the notebook's file, so that no front end looks for this panel in vain. */
  keepWord() {
    const context = this.model.widget_manager?.context;
    if (!this.notebook || !context.saveState?.connect) return;
    this.onSave = (_, state) => {
      if (state === "started") leaveWord(this);
    };
    context.saveState.connect(this.onSave);
  }

  end() {
    clearTimeout(this.waiting);
    this.model.off("msg:custom", this.onMessage);
    this.model.off("comm_live_update", this.onLive);
    if (this.onSave) this.model.widget_manager.context.saveState.disconnect(this.onSave);
    this.hiding?.remove();
    try {
      if (this.live) this.send("bye");
    } catch {
      // The notebook around it is closed already, and nobody is left to hear it.
    }
  }
}

/** Keys typed here are not a notebook's shortcuts, but those with Ctrl or Command are. */
function keepKeys(el) {
  // JupyterLab listens below the document where it can, before it where it is told to.
  const keep = (kept) => (el.toggleAttribute("data-lm-suppress-shortcuts", kept));
  const isAccelerator = (event) => event.key === "Control" || event.key === "Meta";
  keep(true);
  el.addEventListener("keydown", (event) => {
    if (isAccelerator(event)) keep(false);
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  el.addEventListener("keyup", (event) => isAccelerator(event) && keep(true));
  el.addEventListener("focusout", () => keep(true));
}

function controlMessage(kernel, type, content) {
  return {
    channel: "control",
    header: {
      msg_id: crypto.randomUUID?.() ?? uniqueId("msg"),
      msg_type: type,
      session: kernel.clientId,
      username: kernel.username,
      date: new Date().toISOString(),
      version: "5.3",
    },
    parent_header: {},
    metadata: {},
    content,
    buffers: [],
  };
}

function shownIn(cell) {
  const ids = new Set();
  const outputs = cell.outputs;
  for (let i = 0; i < (outputs?.length ?? 0); i += 1) {
    const id = outputs.get(i).data?.[VIEW_MIME]?.model_id;
    if (id) ids.add(id);
  }
  return ids;
}

function leaveWord(view) {
  const { notebook, model } = view;
  const shown = new Set([...notebook.cells].flatMap((cell) => [...shownIn(cell)]));
  const kept = notebook.getMetadata("widgets")?.[STATE_MIME] ?? { version_major: 2, version_minor: 0, state: {} };
  const state = Object.fromEntries(
    Object.entries(kept.state).filter(([id, entry]) => shown.has(id) || !entry.state?.panel_id),
  );
  const id = model.get("panel_id");
  if (shown.has(id)) {
    state[id] = {
      model_name: "AnyModel",
      model_module: "anywidget",
      model_module_version: model.get("_model_module_version"),
      state: {
        _model_name: "AnyModel",
        _model_module: "anywidget",
        _model_module_version: model.get("_model_module_version"),
        _view_name: "AnyView",
        _view_module: "anywidget",
        _view_module_version: model.get("_view_module_version"),
        _anywidget_id: `${model.get("_anywidget_id")}.kept`,
        _esm: KEPT_MODULE,
        _css: "",
        panel_id: id,
      },
    };
  }
  notebook.setMetadata("widgets", { [STATE_MIME]: { ...kept, state } });
}

/** A line in place for what went wrong, or what came of it, and what can be done; `say(null)` takes
    it away. What says the same stays as it is, and so do the buttons in it. */
export class Banner {
  constructor() {
    this.root = h("div.wiz-banner", { role: "alert", hidden: true });
  }

  say(message, hint = "", ...actions) {
    this.draw("alert", message, hint, actions);
  }

  /** Say what went well. */
  note(message, hint = "", ...actions) {
    this.draw("status", message, hint, actions);
  }

  draw(role, message, hint, actions) {
    const said = JSON.stringify([role, message, hint, actions.map((action) => action.textContent)]);
    if (said === this.said) return;
    this.said = said;
    this.root.setAttribute("role", role);
    this.root.classList.toggle("wiz-news", role === "status");
    this.root.replaceChildren();
    this.root.hidden = !message;
    if (!message) return;
    this.root.append(h("div", {}, message, hint ? h("div.wiz-hint", {}, hint) : null));
    if (actions.length) this.root.append(h("div.wiz-row", {}, ...actions));
  }
}

/** What a load had to say, as one text. */
export function noticesOf({ notices }) {
  return notices.join(" ");
}

/** A link to a page of the hub. */
export function hubLink(page, text = "Its page on the hub") {
  return h("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, text);
}
