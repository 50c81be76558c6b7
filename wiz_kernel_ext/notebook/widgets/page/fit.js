import { h } from "./dom.js";

// A model against this machine's memory: a bar and a verdict for each context length, as told.

export class FitBar {
  /** `fits` has a figure for each context length there is to choose; `choice` is one's place. */
  constructor(fits, choice) {
    this.fill = h("div.wiz-fit-fill");
    this.verdict = h("strong");
    this.text = h("span.wiz-small");
    this.note = h("div.wiz-small");
    const bar = h("div.wiz-fit-bar", { "aria-hidden": "true" }, this.fill);
    this.root = h("div.wiz-fit", {}, bar, h("div", {}, this.verdict, " ", this.text, this.note));
    this.set(fits, choice);
  }

  set(fits, choice) {
    this.fits = fits;
    this.move(choice);
  }

  move(choice) {
    const { verdict, share, text, note } = this.fits[choice];
    this.fill.style.width = `${100 * share}%`;
    this.fill.className = `wiz-fit-fill wiz-fit-${verdict.replace(" ", "-")}`;
    this.verdict.textContent = verdict;
    this.text.textContent = text;
    this.note.hidden = !note;
    this.note.textContent = note;
  }
}

export function tokens(n) {
  return `${n.toLocaleString("en")} tokens`;
}
