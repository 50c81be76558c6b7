import { h } from "./dom.js";

// A model against this machine's memory: a bar and a verdict, which move with the context length.

/** `move(context)` shows it with another context, never more than the model was trained for. */
export class FitBar {
  constructor(fit, trained) {
    this.fill = h("div.wiz-fit-fill");
    this.verdict = h("strong");
    this.text = h("span.wiz-small");
    this.limit = h("div.wiz-small", { hidden: true });
    const bar = h("div.wiz-fit-bar", { "aria-hidden": "true" }, this.fill);
    this.root = h("div.wiz-fit", {}, bar, h("div", {}, this.verdict, " ", this.text, this.limit));
    this.set(fit, trained);
  }

  set(fit, trained) {
    this.fit = fit;
    this.trained = trained;
    this.move(fit.context || 4096);
  }

  move(context) {
    const { fit, trained } = this;
    const used = trained ? Math.min(context, trained) : context;
    const grows = fit.context ? (fit.grows * used) / fit.context : fit.grows;
    const level = verdict(fit, grows);
    const share = fit.available ? (fit.fixed + grows) / fit.available : 1;
    this.fill.style.width = `${Math.min(100, 100 * share)}%`;
    this.fill.className = `wiz-fit-fill wiz-fit-${level.replace(" ", "-")}`;
    this.verdict.textContent = level;
    this.text.textContent = `${bytes(fit.fixed + grows)} of ${bytes(fit.available)}`;
    this.limit.hidden = context <= used;
    this.limit.textContent = `with ${tokens(used)}: it was not trained for more`;
  }
}

export function tokens(n) {
  return `${n.toLocaleString("en")} tokens`;
}

function verdict({ fixed, least, available }, grows) {
  if (!available) return "unknown";
  if (fixed + grows <= 0.9 * available) return "fits";
  return least + grows <= available ? "tight" : "too big";
}

function bytes(n) {
  return n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(1)} GB` : `${Math.round(n / 2 ** 20)} MB`;
}
