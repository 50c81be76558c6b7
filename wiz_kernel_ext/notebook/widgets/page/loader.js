import { button, field, h, show, uniqueId } from "./dom.js";

// Loading a model from the chat: a name, those there are to choose from, and how far it is.

export class Loader {
  /** `load(name)` begins; `look()` asks for the models on this machine, to be offered. */
  constructor({ load, look }) {
    this.look = look;
    this.names = h("datalist", { id: uniqueId("models") });
    this.name = h("input", { type: "text", value: "demo", list: this.names.id, autocomplete: "off" });
    this.bar = h("progress", { max: 1, hidden: true, "aria-label": "Loading the model" });
    this.note = h("span.wiz-small");
    const begin = h("button.wiz-button.wiz-primary", { type: "submit" }, "Load");
    const named = field("Model to load: demo (the small bundled one), a name from the downloader, or the path of a .gguf file", this.name);
    this.root = h(
      "form.wiz-loader",
      {
        hidden: true,
        onsubmit: (event) => {
          event.preventDefault();
          if (this.name.value.trim()) load(this.name.value.trim());
        },
      },
      named,
      h("div.wiz-row", {}, begin, this.bar, this.note),
      this.names,
    );
    this.toggle = button("Load", () => this.open(this.root.hidden), { label: "Load a model" });
    this.toggle.setAttribute("aria-expanded", "false");
  }

  /** Show or hide the form; `focus` goes to its field unless it opened by itself. */
  open(opened, { focus = true } = {}) {
    if (opened && this.root.hidden) this.offer();
    show(this.root, opened);
    this.toggle.setAttribute("aria-expanded", String(opened));
    if (opened && focus) this.name.focus();
  }

  async offer() {
    const names = await this.look();
    this.names.replaceChildren(...names.map((name) => h("option", { value: name })));
  }

  /** Draw how far loading is. It opens while there is nothing to chat with or something is on its
      way, and closes when that has come. */
  draw({ load, models, remembered }) {
    const running = load?.state === "running";
    show(this.bar, running);
    this.note.textContent = running ? `loading ${load.model}` : "";
    if (running && load.fraction !== null) this.bar.value = load.fraction;
    else this.bar.removeAttribute("value");
    const isNone = models !== null && !models.length;
    const wanted = running || (isNone && !remembered);
    if (wanted) this.open(true, { focus: false });
    else if (this.wanted && !isNone) this.open(false);
    this.wanted = wanted || (this.wanted && isNone);
  }
}
