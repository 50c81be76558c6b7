import { button, h, show } from "./dom.js";
import { FitBar } from "./fit.js";
import { hubLink } from "./panel.js";

// One repository of the hub: what is in it, how each model fits, and what can be done with it.

const COLUMNS = ["quant", "size", "in memory", ""];

export class RepoCard {
  /** `search` is the one it was found by: its context length, its ways to ask. */
  constructor({ repo, facts, gated }, search) {
    this.repo = repo;
    this.search = search;
    this.rows = new Map();
    this.body = h("div.wiz-files", {}, h("p.wiz-empty", {}, "Looking …"));
    const badge = gated ? h("span.wiz-badge", {}, "gated") : null;
    const summary = h("summary", {}, h("strong.wiz-name", {}, repo), badge, h("span.wiz-small", {}, ` ${facts}`));
    this.root = h("details.wiz-card", { ontoggle: () => this.root.open && this.list() }, summary, this.body);
  }

  async list() {
    const { result, problem } = await this.search.ask("repo", { repo: this.repo, context: this.search.context });
    this.fill(problem ? { problem } : result);
  }

  fill({ listing, problem }) {
    if (problem) {
      const { message, hint, gated, page } = problem;
      const again = button("Try again", () => this.list(), { kind: "wiz-quiet" });
      this.body.replaceChildren(h("p.wiz-empty", {}, `${message} ${gated ? "" : hint} `, gated ? null : again), ...(gated ? [this.gate(page, false)] : []));
      return;
    }
    if (this.refit(listing)) return;
    this.rows = new Map(listing.models.map((model) => [model.name, this.row(model)]));
    const parts = [];
    if (listing.gated) parts.push(this.gate(listing.page, true));
    if (listing.convertible) parts.push(this.conversion(listing));
    if (this.rows.size) parts.push(this.table());
    else if (!listing.convertible) parts.push(h("p.wiz-empty", {}, listing.nothing));
    this.body.replaceChildren(...parts);
    this.place();
  }

  /** The same models again, for another context: only their bars change, so keys stay where they are. */
  refit({ models }) {
    if (!models.length || models.length !== this.rows.size || !models.every(({ name }) => this.rows.has(name))) return false;
    models.forEach(({ name, fits }) => fits && this.rows.get(name).bar?.set(fits, this.search.choice));
    return true;
  }

  table() {
    const head = COLUMNS.map((name) => h("th", { scope: "col" }, name || h("span.wiz-unseen", {}, "actions")));
    const rows = [...this.rows.values()].map((row) => row.root);
    return h("table.wiz-table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
  }

  row({ name, quant, size, fits, suggested, here }) {
    const { act } = this.search;
    const bar = fits ? new FitBar(fits, this.search.choice) : null;
    const gets = h("div.wiz-actions", {}, act("Download", "pull", { model: name }, `Download ${name}`), act("Download and load", "pull", { model: name, load: true }, `Download and load ${name}`));
    const note = h("span.wiz-small");
    const what = suggested ? [h("strong", {}, quant), h("span.wiz-badge", { title: `What ${this.repo} alone means` }, "usual")] : [quant];
    const root = h("tr", {}, h("td.wiz-tight", {}, ...what), h("td.wiz-number", {}, size), h("td", {}, bar?.root ?? ""), h("td.wiz-last", {}, gets, note));
    return { root, bar, gets, note, here };
  }

  /** Show for each model whether it is here or on its way, instead of offering it again. */
  place() {
    const { here, work } = this.search.places;
    for (const [name, row] of this.rows) {
      const state = here.has(name) || (!here.size && row.here) ? "on this machine" : { running: "downloading …", queued: "downloading …", paused: "paused, see below" }[work.get(name)];
      show(row.gets, !state);
      row.note.textContent = state ?? "";
    }
  }

  move(choice) {
    this.rows.forEach((row) => row.bar?.move(choice));
  }

  conversion({ nothing, estimate, out_types: types }) {
    const type = h("select", { "aria-label": "Type of the GGUF" }, ...types.map(({ type: name, size }) => h("option", { value: name }, `${name} (about ${size})`)));
    const begin = button("Convert", () => this.search.do("convert", { repo: this.repo, type: type.value }), { kind: "wiz-quiet", label: `Convert ${this.repo}` });
    return h(
      "div.wiz-gate", {},
      h("p", {}, nothing),
      h("p.wiz-small", {}, `${estimate}.`),
      h("div.wiz-row", {}, h("label.wiz-row", {}, "as", type), begin),
    );
  }

  /** What to do where the owner decides who may download; the token never comes back here. */
  gate(page, seen) {
    const token = h("input", { type: "password", autocomplete: "off", placeholder: "hf_…", "aria-label": "Hub token" });
    const keep = async () => {
      if (!token.value.trim()) return;
      const kept = this.search.do("token", { token: token.value });
      token.value = "";
      await kept;
      this.list();
    };
    token.addEventListener("keydown", (event) => event.key === "Enter" && keep());
    const link = page ? hubLink(page, "its page") : "its page";
    const why = seen ? "Its owner decides who may download it" : "This repository is gated or private, or there is none of this name";
    return h(
      "div.wiz-gate", {},
      h("p", {}, `${why}: ask for access on `, link, ", then give a token of the account that has it. It is kept in the hub's own file on this machine, never in the notebook."),
      h("div.wiz-row", {}, token, button("Keep the token", keep, { kind: "wiz-quiet" })),
    );
  }
}
