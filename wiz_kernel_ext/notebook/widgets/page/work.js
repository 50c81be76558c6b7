import { h, show } from "./dom.js";
import { hubLink } from "./panel.js";

// What is under way, was paused or has failed: a row for each, kept while only its figures change.

const DOING = { download: "downloading", verify: "verifying", convert: "converting", quantize: "quantizing", load: "loading" };

export class WorkList {
  constructor({ do: act, act: actionButton }) {
    Object.assign(this, { do: act, act: actionButton });
    this.rows = new Map();
    this.list = h("div");
    this.empty = h("p.wiz-empty", {}, "Nothing is under way. Downloads begun in other notebooks or a terminal are shown here too.");
    this.root = h("section", { "aria-label": "Under way" }, h("h3", {}, "Under way"), this.empty, this.list);
  }

  draw(rows) {
    show(this.empty, !rows.length);
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, row] of this.rows) {
      if (!ids.has(id)) this.drop(id, row);
    }
    rows.forEach((row, place) => {
      let drawn = this.rows.get(row.id);
      if (drawn && drawn.state !== row.state) {
        this.drop(row.id, drawn);
        drawn = null;
      }
      drawn ??= this.row(row);
      this.rows.set(row.id, drawn);
      if (this.list.children[place] !== drawn.root) this.list.insertBefore(drawn.root, this.list.children[place] ?? null);
      drawn.update(row);
    });
  }

  drop(id, row) {
    row.root.remove();
    this.rows.delete(id);
  }

  row({ id, kind, title, state, running }) {
    const act = (text, action, content = { id }) => this.act(text, action, content, `${text} ${kind} of ${title}`);
    const actions = [];
    let loads = null;
    if (running) {
      if (kind === "download") {
        loads = h("input", { type: "checkbox", onchange: () => this.do("loads", { id, wanted: loads.checked }) });
        actions.push(h("label.wiz-row.wiz-small", {}, loads, "load when done"), act("Pause", "pause"));
      }
      actions.push(act("Cancel", "cancel"));
    } else {
      if (kind === "download") actions.push(act(state === "paused" ? "Resume" : "Try again", "resume"));
      // What is paused takes room until it is cancelled; what failed is only to be read.
      actions.push(state === "paused" ? act("Cancel", "cancel") : act("Dismiss", "dismiss"));
    }
    const doing = h(`span.wiz-state.wiz-${state}`, {}, running ? DOING[kind] : `${kind} ${state}`);
    const bar = h("progress", { max: 1, "aria-label": `${kind} of ${title}` });
    const small = h("span.wiz-small");
    const problem = h("div.wiz-problem", { hidden: true });
    const head = h("div.wiz-work-head", {}, h("strong.wiz-name", { title }, title), h("div.wiz-actions", {}, ...actions));
    const root = h("div.wiz-work-row", {}, head, h("div.wiz-row", {}, doing, bar, small), problem);
    const update = (row) => {
      show(bar, running || row.fraction !== null);
      if (row.fraction === null) bar.removeAttribute("value");
      else bar.value = row.fraction;
      small.textContent = row.small;
      if (loads) loads.checked = row.loads;
      if (row.problem && problem.hidden) this.explain(problem, row.problem);
    };
    return { root, state, update };
  }

  /** Why it failed, and what can be done about it. */
  explain(place, { message, hint, page }) {
    show(place, true);
    const link = page ? hubLink(page) : null;
    place.replaceChildren(message, h("div.wiz-hint", {}, hint, " ", link));
  }
}
