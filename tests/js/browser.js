import { Window } from "happy-dom";

// A document for the page's modules, without a browser: nothing is laid out, nothing is fetched.

const window = new Window();
for (const name of ["document", "ResizeObserver", "requestAnimationFrame", "cancelAnimationFrame", "Event", "KeyboardEvent"]) {
  globalThis[name] = typeof window[name] === "function" && /AnimationFrame/.test(name) ? window[name].bind(window) : window[name];
}

/** Wait until `happened()`, or fail. */
export async function until(happened) {
  for (let n = 0; n < 500; n += 1) {
    if (happened()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`it did not happen: ${happened}`);
}

/** A panel's model as a front end has it, with a kernel that answers as `answers` says: by action,
    what the reply has. `asked` are the messages that it was sent. */
export class FakeModel {
  constructor(answers = {}) {
    this.answers = answers;
    this.asked = [];
    this.heard = null;
    this.el = document.createElement("div");
    document.body.append(this.el);
  }

  get(name) {
    return { panel_id: "panel", control: "" }[name];
  }

  on(name, heard) {
    if (name === "msg:custom") this.heard = heard;
  }

  off() {
    this.heard = null;
  }

  send(message) {
    this.asked.push(message);
    const answer = this.answers[message.action];
    if (message.n !== undefined && answer !== null) {
      this.say({ kind: "reply", view: message.view, n: message.n, result: null, problem: null, ...answer?.(message) });
    }
  }

  say(message) {
    this.heard?.(structuredClone(message));
  }

  /** The actions asked for, by name. */
  actions() {
    return this.asked.map(({ action }) => action);
  }
}

/** A view of `panel` on `model`, that is shown and has said hello. */
export async function shown(panel, model) {
  const end = panel.render({ model, el: model.el });
  await until(() => model.actions().includes("hello"));
  return end;
}

/** What stands in a view, as one text: its elements, their texts, and what is hidden or disabled. */
export function serialised(el) {
  const draw = (node) => {
    if (node.nodeType === 3) return node.data;
    const state = ["hidden", "disabled", "checked", "value"].filter((name) => node[name]).map((name) => `${name}=${node[name]}`);
    const classes = node.className ? `.${node.className}` : "";
    return `<${node.tagName}${classes} ${state.join(" ")}>${[...node.childNodes].map(draw).join("")}</>`;
  };
  return draw(el);
}
