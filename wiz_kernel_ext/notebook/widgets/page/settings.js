import { button, field, h } from "./dom.js";

// The system prompt and how answers are sampled, as a form that is applied as a whole.

const OPTIONS = [
  ["temperature", "Temperature", { min: 0, max: 100, step: "any" }],
  ["top_p", "Top P", { min: 0, max: 1, step: "any" }],
  ["top_k", "Top K", { min: 0, step: 1 }],
  ["min_p", "Min P", { min: 0, max: 1, step: "any" }],
  ["repeat_penalty", "Repeat penalty", { min: 0.01, max: 10, step: "any" }],
  ["max_tokens", "Max tokens", { min: 1, step: 1 }],
  ["seed", "Seed", { min: 0, step: 1 }],
];

export class Settings {
  constructor(apply) {
    this.system = h("textarea", { rows: "3", placeholder: "How the model should behave" });
    this.inputs = Object.fromEntries(
      OPTIONS.map(([name, , limits]) => [name, h("input", { type: "number", placeholder: "default", ...attributes(limits) })]),
    );
    const fields = OPTIONS.map(([name, label]) => field(label, this.inputs[name]));
    const submit = h("button.wiz-button.wiz-primary", { type: "submit" }, "Apply");
    this.root = h(
      "form.wiz-settings",
      {
        hidden: true,
        "aria-label": "Settings",
        onsubmit: (event) => {
          event.preventDefault();
          apply({ system: this.system.value, options: this.options() });
        },
      },
      field("System prompt", this.system),
      h("div.wiz-grid", {}, ...fields),
      h("div.wiz-row", {}, submit, button("Defaults", () => Object.values(this.inputs).forEach((input) => (input.value = "")))),
    );
  }

  /** Show what is in force. Options this form has no field for are kept. */
  fill({ system, options }) {
    const shown = Object.keys(this.inputs);
    this.extra = Object.fromEntries(Object.entries(options).filter(([name]) => !shown.includes(name)));
    if (this.root.contains(document.activeElement)) return;
    this.system.value = system;
    for (const name of shown) this.inputs[name].value = options[name] ?? "";
  }

  options() {
    const given = Object.entries(this.inputs).filter(([, input]) => input.value !== "");
    return { ...this.extra, ...Object.fromEntries(given.map(([name, input]) => [name, Number(input.value)])) };
  }
}

function attributes(limits) {
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, String(value)]));
}
