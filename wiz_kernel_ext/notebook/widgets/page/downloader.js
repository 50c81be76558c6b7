import { button, h, show, uniqueId } from "./dom.js";
import { Banner, PanelView } from "./panel.js";

// The downloader: what is on the hub, what is under way, what is on this machine.

const TYPING_MS = 350;
const QUANTS = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"];

class DownloaderPage {
  constructor(context) {
    this.view = new PanelView(context, "downloader", (message) => this.hear(message));
    this.banner = new Banner();
    this.n = 0;
    this.said = h("div.wiz-unseen", { role: "status" });
    this.results = h("div.wiz-results");
    this.rows = new Map();
    this.work = h("div.wiz-work");
    this.workPart = h("section", { "aria-label": "Work", hidden: true }, h("h3", {}, "Work"), this.work);
    this.library = h("div.wiz-library");
    const here = h("section", { "aria-label": "On this machine" }, h("h3", {}, "On this machine"), this.library);
    context.el.append(this.head(), this.banner.root, this.results, this.workPart, here, this.said);
  }

  begin() {
    this.view.begin(null, (ended) => this.away(ended));
  }

  hear(message) {
    const heard = {
      begin: this.ready, found: this.found, repo: this.repo, work: this.drawWork, library: this.drawLibrary,
      loading: this.loading, deletion: this.askDelete, note: this.note, error: this.error, gone: this.gone,
    }[message.kind];
    heard?.call(this, message);
  }

  head() {
    this.text = h("input", {
      type: "search",
      "aria-label": "Search models on the hub",
      placeholder: "Search models on the hub, or type user/repo",
      oninput: () => this.later(),
      onkeydown: (event) => event.key === "Enter" && this.search(),
    });
    this.fits = h("input", { type: "checkbox", onchange: () => this.search() });
    this.context = h("input", {
      type: "range", min: "9", max: "17", step: "1", value: "12", "aria-label": "Context length in tokens",
      oninput: () => {
        this.moved = true;
        this.moveBars();
      },
      onchange: () => this.view.root.querySelectorAll("details[open]").forEach((card) => this.list(card)),
    });
    this.contextText = h("output", {}, "4096 tokens");
    return h(
      "div.wiz-head", {},
      h("strong.wiz-title", {}, "Models"), this.text,
      h("label.wiz-row", {}, this.fits, "only what fits"),
      h("label.wiz-row", {}, "context", this.context, this.contextText),
    );
  }

  get contextSize() {
    return 2 ** Number(this.context.value);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search(), TYPING_MS);
  }

  search() {
    clearTimeout(this.timer);
    const text = this.text.value.trim();
    this.n += 1;
    if (!text) {
      this.results.replaceChildren();
      return;
    }
    this.banner.say(null);
    this.said.textContent = "Searching";
    this.results.setAttribute("aria-busy", "true");
    this.view.ask("search", { text, fits: this.fits.checked, context: this.contextSize, n: this.n });
  }

  found({ n, cards }) {
    if (n !== this.n) return;
    this.results.removeAttribute("aria-busy");
    if (!cards) {
      this.results.replaceChildren();
      return;
    }
    this.said.textContent = `${cards.length} repositories found`;
    this.results.replaceChildren(...cards.map((card) => this.card(card)));
    if (!cards.length) this.results.append(h("p.wiz-empty", {}, "Nothing was found."));
    if (cards.length === 1) this.results.firstElementChild.open = true;
  }

  card({ repo, facts, gated }) {
    const body = h("div.wiz-files", {}, h("p.wiz-empty", {}, "Looking …"));
    const badge = gated ? h("span.wiz-badge", {}, "gated") : null;
    const summary = h("summary", {}, h("strong", {}, repo), " ", badge, h("span.wiz-small", {}, ` ${facts}`));
    const card = h("details.wiz-card", { ontoggle: () => card.open && this.list(card) }, summary, body);
    card.dataset.repo = repo;
    return card;
  }

  list(card) {
    this.view.ask("repo", { repo: card.dataset.repo, context: this.contextSize });
  }

  repo({ repo, listing, failed, gated, page }) {
    const card = [...this.results.children].find((one) => one.dataset.repo === repo);
    const body = card?.querySelector(".wiz-files");
    if (!body) return;
    if (!listing) {
      body.replaceChildren(h("p.wiz-empty", {}, failed), ...(gated ? [this.gate(card, page)] : []));
      return;
    }
    const parts = [];
    if (listing.gated) parts.push(this.gate(card, listing.page));
    if (listing.convertible) parts.push(h("div.wiz-row", {}, "There is no GGUF here, but one can be made of it.", this.act("Convert", "convert", { repo }, `Convert ${repo}`)));
    if (listing.models.length) parts.push(this.files(listing.models));
    else if (!listing.convertible) parts.push(h("p.wiz-empty", {}, "There is no model in it that could be run here."));
    body.replaceChildren(...parts);
    this.moveBars();
  }

  files(models) {
    const head = h("tr", {}, ...["quant", "size", "on this machine", ""].map((name) => h("th", { scope: "col" }, name || h("span.wiz-unseen", {}, "actions"))));
    const rows = models.map((model) => {
      const fit = model.fit ? fitBar(model.fit) : "";
      const what = model.here
        ? [h("span.wiz-small", {}, "is here")]
        : [this.act("Download", "pull", { model: model.name }, `Download ${model.name}`), this.act("Download and load", "pull", { model: model.name, load: true }, `Download and load ${model.name}`)];
      const quant = model.suggested ? h("strong", {}, model.quant) : model.quant;
      return h("tr", {}, h("td", {}, quant), h("td", {}, model.size), h("td", {}, fit), h("td", {}, ...what));
    });
    return h("table.wiz-table", {}, h("thead", {}, head), h("tbody", {}, ...rows));
  }

  gate(card, page) {
    const token = h("input", { type: "password", autocomplete: "off", "aria-label": "Hub token" });
    const keep = () => {
      this.view.ask("token", { token: token.value });
      token.value = "";
      this.list(card);
    };
    const link = page ? h("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, "its page") : "its page";
    return h(
      "div.wiz-gate", {},
      h("p", {}, "This repository is gated or private: ask for access on ", link, ", then give a token of the account that has it. It is kept in the hub's own file on this machine, never in the notebook."),
      h("div.wiz-row", {}, token, button("Keep the token", keep)),
    );
  }

  /** A button that asks for an action. */
  act(text, action, content, label) {
    return button(text, () => {
      this.banner.say(null);
      this.view.ask(action, content);
    }, { label, kind: "wiz-quiet" });
  }

  moveBars() {
    const context = this.contextSize;
    this.contextText.textContent = `${context} tokens`;
    this.view.root.querySelectorAll(".wiz-fit").forEach((bar) => bar.move(context));
  }

  drawWork({ rows }) {
    show(this.workPart, rows.length > 0);
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, row] of this.rows) {
      if (!ids.has(id)) {
        row.root.remove();
        this.rows.delete(id);
      }
    }
    rows.forEach((row, place) => {
      let drawn = this.rows.get(row.id);
      if (!drawn || drawn.state !== row.state) {
        drawn?.root.remove();
        drawn = this.workRow(row);
        this.rows.set(row.id, drawn);
      }
      if (this.work.children[place] !== drawn.root) this.work.insertBefore(drawn.root, this.work.children[place] ?? null);
      drawn.update(row);
    });
  }

  workRow(row) {
    const bar = h("progress", { max: 1, "aria-label": `${row.kind} ${row.title}` });
    const small = h("span.wiz-small");
    const actions = [];
    const act = (text, action, content = { id: row.id }) => actions.push(this.act(text, action, content, `${text} ${row.kind} of ${row.title}`));
    let loads = null;
    if (row.running) {
      if (row.kind === "download") {
        act("Pause", "pause");
        loads = h("input", { type: "checkbox", onchange: () => this.view.ask("loads", { id: row.id, wanted: loads.checked }) });
        actions.push(h("label.wiz-row.wiz-small", {}, loads, "load when done"));
      }
      act("Cancel", "cancel");
    } else {
      if (row.state === "paused") act("Resume", "pull", { model: row.title, load: row.loads });
      act("Dismiss", "dismiss");
    }
    const state = h(`span.wiz-state.wiz-${row.state}`, {}, row.running ? row.kind : `${row.kind} ${row.state}`);
    const root = h("div.wiz-work-row", {}, h("div.wiz-row", {}, h("strong", {}, row.title), state, h("span.wiz-space"), ...actions), h("div.wiz-row", {}, bar, small));
    const update = ({ fraction, small: text, running, loads: wanted }) => {
      show(bar, running || fraction !== null);
      if (fraction === null) bar.removeAttribute("value");
      else bar.value = fraction;
      small.textContent = text;
      if (loads) loads.checked = wanted;
    };
    return { root, state: row.state, update };
  }

  drawLibrary({ models }) {
    const head = h("tr", {}, ...["model", "quant", "size", "used", ""].map((name) => h("th", { scope: "col" }, name || h("span.wiz-unseen", {}, "actions"))));
    const rows = models.map((model) => h(
      "tr", {},
      h("td", {}, model.name, model.loaded ? h("span.wiz-badge", {}, "loaded") : null, model.problem ? h("div.wiz-small", {}, model.problem) : null),
      h("td", {}, model.quant), h("td", {}, model.size), h("td", {}, model.used),
      h("td", {}, ...this.libraryActions(model)),
    ));
    const table = h("table.wiz-table", {}, h("thead", {}, head), h("tbody", {}, ...rows));
    this.library.replaceChildren(models.length ? table : h("p.wiz-empty", {}, "No model is on this machine."));
    this.view.root.dataset.ready = "true";
  }

  libraryActions(model) {
    const load = button("Load", () => this.view.ask("load", { path: model.path, context: this.moved ? this.contextSize : null }), { label: `Load ${model.name}`, kind: "wiz-quiet" });
    const actions = [load];
    if (model.from_hub) actions.push(this.act("Verify", "verify", { model: model.name }, `Verify ${model.name}`));
    const quant = h("select.wiz-quiet", {
      "aria-label": `Quantize ${model.name}`,
      onchange: () => {
        if (quant.value) this.view.ask("quantize", { model: model.name, quant: quant.value });
        quant.value = "";
      },
    }, h("option", { value: "" }, "Quantize …"), ...QUANTS.map((name) => h("option", { value: name }, name)));
    if (/^(F32|F16|BF16)$/i.test(model.quant)) actions.push(quant);
    if (model.origin !== "demo") actions.push(this.act("Delete", "ask-delete", { model: model.name }, `Delete ${model.name}`));
    return actions;
  }

  askDelete({ deletion: { name, files, freed, allowed, reason } }) {
    if (!allowed) {
      this.banner.say(`${name} is not deleted from here.`, reason);
      return;
    }
    const yes = button("Delete", () => {
      this.banner.say(null);
      this.view.ask("delete", { model: name });
    }, { kind: "wiz-danger" });
    const no = button("Keep", () => this.banner.say(null));
    this.banner.say(`Delete ${name}? ${freed} would be freed.`, files.join(", "), yes, no);
    no.focus();
  }

  loading({ loading }) {
    if (!loading) this.note({ text: "The model is loaded." });
    else if (loading.error) this.error(loading);
    else this.note({ text: `Loading ${loading.model.split("/").pop()}${loading.fraction === null ? " …" : ` ${Math.round(100 * loading.fraction)} %`}` });
  }

  note({ text }) {
    this.said.textContent = text;
    this.banner.say(text, "", button("OK", () => this.banner.say(null)));
  }

  error({ message, hint, n }) {
    if (n !== undefined && n !== this.n) return;
    const again = n === undefined ? [] : [button("Try again", () => this.search())];
    this.banner.say(message, hint, ...again);
  }

  ready() {
    this.banner.say(null);
  }

  gone() {
    this.banner.say("The service has ended.", "Downloads go on where they were when it runs again.", button("Start it", () => this.view.ask("hello")));
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    for (const part of this.view.root.querySelectorAll("button, input, select")) part.disabled = ended;
    this.banner.say(ended ? "The kernel behind this panel was restarted or has ended." : "Waiting for the kernel …", ended ? "Downloads go on: run this cell again to see them." : "");
  }
}

/** A model against this machine's memory; `move(context)` shows it with another context. */
function fitBar(fit) {
  const id = uniqueId("fit");
  const fill = h("div.wiz-fit-fill");
  const text = h("span", { id });
  const root = h("div.wiz-fit", {}, h("div.wiz-fit-bar", { "aria-hidden": "true" }, fill), text);
  root.move = (context) => {
    const grows = fit.context ? (fit.grows * context) / fit.context : fit.grows;
    const needed = fit.fixed + grows;
    const level = !fit.available ? "unknown" : needed <= 0.9 * fit.available ? "fits" : fit.least + grows <= fit.available ? "tight" : "too big";
    fill.style.width = `${Math.min(100, fit.available ? (100 * needed) / fit.available : 100)}%`;
    fill.className = `wiz-fit-fill wiz-fit-${level.replace(" ", "-")}`;
    text.textContent = `${level}: ${gigabytes(needed)} of ${gigabytes(fit.available)}`;
  };
  root.move(fit.context || 4096);
  return root;
}

function gigabytes(bytes) {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GB` : `${Math.round(bytes / 2 ** 20)} MB`;
}

export default {
  render(context) {
    const page = new DownloaderPage(context);
    page.begin();
    return () => page.view.end();
  },
};
