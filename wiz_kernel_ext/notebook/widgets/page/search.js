import { button, h } from "./dom.js";
import { tokens } from "./fit.js";
import { RepoCard } from "./repo.js";

// Searching the hub as one types: what was found, and the context length its models are held to.

const TYPING_MS = 350;
const USUAL_CONTEXT = 4096;

export class Search {
  constructor({ ask, do: act, act: actionButton, say, complain }) {
    Object.assign(this, { ask, do: act, act: actionButton, say, complain });
    this.n = 0;
    this.contexts = [];
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
      type: "range", min: "0", step: "1", "aria-label": "Context length in tokens",
      oninput: () => {
        this.moved = true;
        this.moveBars();
      },
      onchange: () => this.openCards().forEach((card) => card.list()),
    });
    this.length = h("output.wiz-small");
    this.results = h("div.wiz-results", { role: "region", "aria-label": "Found on the hub" });
    this.head = h(
      "div.wiz-head", {},
      h("strong.wiz-title", {}, "Models"), this.text,
      h("label.wiz-row", {}, this.fits, "only what fits"),
      h("label.wiz-row", {}, "context", this.slider, this.length),
    );
  }

  /** The place of the context length that is chosen. */
  get choice() {
    return Number(this.slider.value);
  }

  get context() {
    return this.contexts[this.choice];
  }

  /** The context lengths that there are to choose from, in tokens. */
  choose(contexts) {
    if (this.contexts.length) return;
    this.contexts = contexts;
    this.slider.max = String(contexts.length - 1);
    this.slider.value = String(Math.max(0, contexts.indexOf(USUAL_CONTEXT)));
    this.moveBars();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), TYPING_MS);
  }

  async begin() {
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
    const { n } = this;
    const { result, problem } = await this.ask("search", { text, fits: this.fits.checked, context: this.context });
    if (n !== this.n) return;
    if (problem) {
      this.show([]);
      this.complain(problem, button("Try again", () => this.begin()));
    } else {
      this.complain(null);
      this.found(result);
    }
  }

  /** Show what was found; `named` is the repository that the text itself names. */
  found({ cards, named, why }) {
    this.show(cards);
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

  /** Where each model is by now: on this machine, or on its way. */
  place(places) {
    this.places = places;
    this.cards.forEach((card) => card.place());
  }

  openCards() {
    return [...this.cards.values()].filter((card) => card.root.open);
  }

  moveBars() {
    this.length.textContent = tokens(this.context);
    this.slider.setAttribute("aria-valuetext", tokens(this.context));
    this.cards.forEach((card) => card.move(this.choice));
  }
}
