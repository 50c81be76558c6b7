import { button, h } from "./dom.js";

// The models on this machine, and what can be done with each.

const LOADING_SEEN_MS = 1500;
const COLUMNS_HERE = ["model", "quant", "size", "last used", ""];

export class LibraryList {
  /** `context()` is the context length that was chosen, or null. */
  constructor({ do: act, act: actionButton, askDelete, context }) {
    Object.assign(this, { do: act, act: actionButton, askDelete, context });
    this.drawn = "";
    this.list = h("div");
    this.root = h("section", { "aria-label": "On this machine" }, h("h3", {}, "On this machine"), this.list);
  }

  /** `loading` are the paths of models that are being loaded: those are not offered to be. */
  draw(models, loading) {
    const drawn = JSON.stringify([models, [...loading]]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.loading = loading;
    const focused = this.root.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const head = COLUMNS_HERE.map((name) => h("th", { scope: "col" }, name || h("span.wiz-unseen", {}, "actions")));
    const table = h("table.wiz-table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...models.map((model) => this.row(model))));
    const none = h("p.wiz-empty", {}, "No models yet: search above, or press Load in a chat for the bundled demo.");
    this.list.replaceChildren(models.length ? table : none);
    // Who was on a button is on the same one again.
    if (focused) [...this.root.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
  }

  row(model) {
    const badge = model.loaded ? h("span.wiz-badge.wiz-good", {}, "loaded") : null;
    const small = [model.aliases, model.problem].filter(Boolean).map((text) => h("div.wiz-small", {}, text));
    return h(
      "tr", {},
      h("td.wiz-wide", {}, h("span.wiz-name", { title: model.path }, model.name), badge, ...small),
      h("td.wiz-tight", {}, model.quant || "–"), h("td.wiz-number", {}, model.size), h("td.wiz-tight", {}, model.used),
      h("td.wiz-last", {}, h("div.wiz-actions", {}, ...this.actions(model))),
    );
  }

  actions(model) {
    const { name } = model;
    const actions = [];
    if (model.loaded) actions.push(this.act("Unload", "unload", { path: model.path }, `Unload ${name}`));
    else if (!model.problem) actions.push(this.loader(model));
    if (model.from_hub) actions.push(this.act("Verify", "verify", { model: name }, `Verify ${name}`));
    if (model.quants.length) actions.push(this.quantizer(model));
    if (model.origin !== "demo") actions.push(button("Delete", () => this.askDelete(name), { label: `Delete ${name}`, kind: "wiz-quiet" }));
    return actions;
  }

  loader({ name, path, trained }) {
    const busy = this.loading.has(path);
    const load = button(busy ? "Loading …" : "Load", async () => {
      const chosen = this.context();
      load.disabled = true;
      await this.do("load", { path, context: chosen && trained ? Math.min(chosen, trained) : chosen });
      // Its row tells from here on; one that could not be loaded has none.
      setTimeout(() => (load.disabled = this.loading.has(path)), LOADING_SEEN_MS);
    }, { label: `Load ${name}`, kind: "wiz-quiet" });
    load.disabled = busy;
    return load;
  }

  quantizer({ name, quants }) {
    const choice = h("select.wiz-quiet", {
      "aria-label": `Quantize ${name}`,
      onchange: () => {
        if (choice.value) this.do("quantize", { model: name, quant: choice.value });
        choice.value = "";
      },
    }, h("option", { value: "" }, "Quantize …"), ...quants.map(({ quant, size }) => h("option", { value: quant }, `${quant} (about ${size})`)));
    return choice;
  }
}
