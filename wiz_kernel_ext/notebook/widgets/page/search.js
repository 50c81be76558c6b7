import { button, h } from "./dom.js";
import { tokens } from "./fit.js";
import { RepoCard } from "./repo.js";

// Searching the hub as one types: what was found, and the context length its models are held to.

const TYPING_MS = 350;

export class Search {
  constructor({ ask, act, say }) {
    Object.assign(this, { ask, act, say });
    this.n = 0;
    this.cards = new Map();
    this.places = { here: new Map(), work: new Map() };
    this.text = h("input", {
      type: "search",
      "aria-label": "Search models on the hub",
      placeholder: "Search models on the hub, or paste user/repo",
      oninput: () => this.later(),
      onkeydown: (event) => event.key === "Enter" && this.begin(),
    });
    this.fits = h("input", { type: "checkbox", onchange: () => this.begin() });
    this.slider = h("input", {
      type: "range", min: "9", max: "17", step: "1", value: "12", "aria-label": "Context length in tokens",
      oninput: () => {
        this.moved = true;
        this.moveBars();
      },
      onchange: () => this.openCards().forEach((card) => card.list()),
    });
    this.length = h("output.wiz-small", {}, tokens(this.context));
    this.slider.setAttribute("aria-valuetext", tokens(this.context));
    this.results = h("div.wiz-results", { role: "region", "aria-label": "Found on the hub" });
    this.head = h(
      "div.wiz-head", {},
      h("strong.wiz-title", {}, "Models"), this.text,
      h("label.wiz-row", {}, this.fits, "only what fits"),
      h("label.wiz-row", {}, "context", this.slider, this.length),
    );
  }

  get context() {
    return 2 ** Number(this.slider.value);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), TYPING_MS);
  }

  begin() {
    clearTimeout(this.timer);
    const text = this.text.value.trim();
    this.n += 1;
    if (!text) {
      this.show([]);
      return;
    }
    this.say("Searching");
    this.results.setAttribute("aria-busy", "true");
    if (!this.cards.size) this.results.replaceChildren(h("p.wiz-empty", {}, "Searching …"));
    this.ask("search", { text, fits: this.fits.checked, context: this.context, n: this.n });
  }

  /** What the kernel found for search `n`; `named` is the repository that the text itself names. */
  found({ n, cards, named, why }) {
    if (n !== this.n) return;
    this.show(cards ?? []);
    if (!cards) return;
    this.say(cards.length === 1 ? "1 repository found" : `${cards.length} repositories found`);
    if (!cards.length) this.results.append(this.nothing(why));
    const open = this.cards.get(named) ?? (this.cards.size === 1 ? [...this.cards.values()][0] : null);
    if (open) open.root.open = true;
  }

  nothing(why) {
    if (why) return h("p.wiz-empty", {}, why);
    const all = button("Search all", () => {
      this.fits.checked = false;
      this.begin();
    }, { kind: "wiz-quiet" });
    const what = this.fits.checked ? "that fits this machine" : "with GGUF files. A checkpoint is found by its whole name, user/repo";
    return h("p.wiz-empty", {}, `Nothing was found ${what}. `, this.fits.checked ? all : null);
  }

  show(cards) {
    this.results.removeAttribute("aria-busy");
    this.cards = new Map(cards.map((card) => [card.repo, new RepoCard(card, this)]));
    this.results.replaceChildren(...[...this.cards.values()].map((card) => card.root));
  }

  repo(message) {
    this.cards.get(message.repo)?.fill(message);
  }

  /** Where each model is by now: on this machine, or on its way. */
  place({ here = this.places.here, work = this.places.work }) {
    this.places = { here, work };
    this.cards.forEach((card) => card.place());
  }

  openCards() {
    return [...this.cards.values()].filter((card) => card.root.open);
  }

  moveBars() {
    this.length.textContent = tokens(this.context);
    this.slider.setAttribute("aria-valuetext", tokens(this.context));
    this.cards.forEach((card) => card.move(this.context));
  }
}
