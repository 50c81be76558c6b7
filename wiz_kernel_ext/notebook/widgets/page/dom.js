// Elements without HTML: text only ever becomes text nodes.

/** An element: `h("button.wiz-quiet", {type: "button", onclick}, "Stop")`. */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button; `label` is what a screen reader says where the text alone would not do. */
export function button(text, onclick, { label, kind = "" } = {}) {
  const classes = ["wiz-button", ...kind.split(" ").filter(Boolean)].join(".");
  return h(`button.${classes}`, { type: "button", onclick, "aria-label": label }, text);
}

/** Show or hide, for eyes and screen readers alike. */
export function show(element, visible) {
  element.hidden = !visible;
}

let counter = 0;

/** A name no other element of this page has. */
export function uniqueId(stem) {
  counter += 1;
  return `wiz-${stem}-${counter}-${Math.random().toString(36).slice(2, 8)}`;
}

/** A form field under its label. */
export function field(label, input) {
  input.id = input.id || uniqueId("field");
  return h("div.wiz-field", {}, h("label", { for: input.id }, label), input);
}
