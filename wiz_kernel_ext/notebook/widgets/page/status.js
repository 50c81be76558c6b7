import { button, h, show } from "./dom.js";
import { Banner, PanelView } from "./panel.js";

// The status panel: the service's facts in tables, redrawn where they changed.

// Columns that say nothing without their name, where there is no room for a head.
const LABELLED = new Set(["context", "running", "unloads in", "took", "messages", "used"]);

class StatusPage {
  constructor(context) {
    this.view = new PanelView(context, "status", (state) => this.draw(state));
    this.banner = new Banner();
    this.service = h("span.wiz-small");
    this.stopButton = button("Stop the service", () => this.confirmStop(), { kind: "wiz-quiet" });
    this.memoryBar = h("meter", { min: "0", max: "1", high: "0.9", low: "0", optimum: "0.1", "aria-label": "Memory used by the service and its models" });
    this.memoryText = h("span.wiz-small");
    this.memory = h("div.wiz-row.wiz-memory", { hidden: true }, h("span", {}, "Memory"), this.memoryBar, this.memoryText);
    this.models = section("Models", ["model", "memory", "context", "running", "unloads in", ""]);
    this.operations = section("Operations", ["kind", "about", "session", "state", "took", ""]);
    this.sessions = section("Conversations", ["name", "messages", "used"]);
    this.log = h("pre.wiz-log-tail", { tabindex: "0", role: "region", "aria-label": "Log of the service" });
    this.logPart = h("details", {}, h("summary", {}, "Log"), this.log);
    this.body = h("div", {}, this.memory, this.models.root, this.operations.root, this.sessions.root, this.logPart);
    const head = h("div.wiz-head", {}, h("strong.wiz-title", {}, "Wiz service"), this.service, h("span.wiz-space"), this.stopButton);
    context.el.append(head, this.banner.root, this.body);
    show(this.body, false);
  }

  begin() {
    this.view.begin((ended) => this.away(ended), (problem) => this.complain(problem));
  }

  draw({ running, service, memory, models, operations, sessions, log }) {
    if (running === null) return;
    if (this.isAway !== undefined) this.enable(true);
    this.isAway = undefined;
    // What was asked of a service that has ended is over.
    if (!running) this.own = null;
    show(this.body, running);
    this.stopButton.disabled = !running;
    this.service.textContent = running ? service : "not running";
    show(this.memory, Boolean(memory));
    if (memory) {
      this.memoryBar.value = memory.fraction;
      this.memoryText.textContent = memory.text + (memory.limit === "cgroup" ? " (limit of this container)" : "");
    }
    this.models.draw("No model is loaded.", models.map((model) => this.modelRow(model)));
    this.operations.draw("Nothing was asked yet.", operations.map((one) => this.operationRow(one)));
    this.sessions.draw("There is no conversation yet.", sessions.map((one) => ({ key: one.name, cells: [one.name, one.messages, one.used] })));
    if (this.log.textContent !== log) {
      this.log.textContent = log;
      this.log.scrollTop = this.log.scrollHeight;
    }
    this.isRunning = running;
    this.drawBanner();
    this.view.root.dataset.ready = "true";
  }

  /** The one thing that has to be said now. */
  drawBanner() {
    if (this.isAway) this.banner.say("The kernel behind this panel was restarted or has ended.", "Run this cell again: it shows what is now.");
    else if (this.isAway === false) this.banner.say("Waiting for the kernel …");
    else if (this.own) this.own();
    else if (this.isRunning === false) this.banner.say("No service is running.", "It starts by itself with the first %wiz_load or message.");
    else this.banner.say(null);
  }

  /** Say something of this view's own; null: nothing. */
  say(own) {
    this.own = own;
    this.drawBanner();
  }

  modelRow(model) {
    const memory = model.parts ? `${model.memory} (${model.parts})` : model.memory;
    const context = model.context ? `${model.context} × ${model.sequences}` : "–";
    const unload = { text: "Unload", label: `Unload ${model.name}`, act: () => this.unload(model) };
    return { key: model.path, cells: [model.name, memory, context, model.running, model.stays, unload] };
  }

  operationRow(one) {
    const cancel = one.running ? { text: "Cancel", label: `Cancel ${one.kind} ${one.title}`, act: () => this.do("cancel", { id: one.id }) } : "";
    const state = { state: one.state, fraction: one.running ? one.fraction : null, note: one.rate || one.stage };
    return { key: one.id, cells: [one.kind, one.title, one.session, state, one.took, cancel] };
  }

  async do(action, content) {
    this.say(null);
    const { problem } = await this.view.ask(action, content);
    if (problem) this.complain(problem);
  }

  async unload(model, force = false) {
    this.say(null);
    const { problem } = await this.view.ask("unload", { path: model.path, force });
    if (!problem) return;
    const anyway = () => button("Unload all the same", () => this.unload(model, true), { kind: "wiz-danger" });
    this.complain(problem, ...(problem.error === "Conflict" ? [anyway()] : []));
  }

  confirmStop() {
    const yes = button("Stop it", () => this.do("stop"), { kind: "wiz-danger" });
    const no = button("Keep it", () => {
      this.say(null);
      this.stopButton.focus();
    });
    this.say(() => this.banner.say("This ends the service and its models for all notebooks.", "Conversations are kept.", yes, no));
    no.focus();
  }

  complain({ message, hint }, ...actions) {
    this.say(() => this.banner.say(message, hint, ...actions));
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    this.isAway = ended;
    this.enable(!ended);
    this.drawBanner();
  }

  enable(enabled) {
    for (const part of this.view.root.querySelectorAll("button")) part.disabled = !enabled;
  }
}

/** A table under its caption whose rows are kept, by key, while only their cells change. */
function section(caption, columns) {
  const body = h("tbody");
  const empty = h("p.wiz-empty");
  const head = h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name || h("span.wiz-unseen", {}, "actions"))));
  const table = h("table.wiz-table", {}, h("thead", {}, head), body);
  const root = h("section", { "aria-label": caption }, h("h3", {}, caption), table, empty);
  const rows = new Map();
  const draw = (none, wanted) => {
    empty.textContent = none;
    show(empty, wanted.length === 0);
    show(table, wanted.length > 0);
    const keys = new Set(wanted.map((row) => row.key));
    for (const [key, row] of rows) {
      if (!keys.has(key)) {
        row.remove();
        rows.delete(key);
      }
    }
    wanted.forEach(({ key, cells }, place) => {
      const row = rows.get(key) ?? h("tr", {}, ...columns.map((name) => h("td", { "data-label": LABELLED.has(name) ? name : null })));
      rows.set(key, row);
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
      cells.forEach((cell, i) => fill(row.children[i], cell));
    });
  };
  return { root, draw };
}

function fill(place, cell) {
  if (cell && cell.act) {
    const old = place.firstElementChild;
    if (old?.textContent === cell.text) old.onclick = cell.act;
    else {
      const made = button(cell.text, undefined, { label: cell.label, kind: "wiz-quiet" });
      made.onclick = cell.act;
      place.replaceChildren(made);
    }
  } else if (cell && cell.state) {
    const bar = cell.fraction === null ? null : h("progress", { max: 1, value: cell.fraction, "aria-label": "progress" });
    place.replaceChildren(h(`span.wiz-state.wiz-${cell.state}`, {}, cell.state), ...(bar ? [bar] : []), ...(cell.note ? [h("span.wiz-small", {}, cell.note)] : []));
  } else if (place.textContent !== String(cell)) place.textContent = cell;
}

export default {
  render(context) {
    const page = new StatusPage(context);
    page.begin();
    return () => page.view.end();
  },
};
