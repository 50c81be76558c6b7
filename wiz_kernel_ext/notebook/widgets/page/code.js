import { button, h } from "./dom.js";

// Code blocks of an answer: their text, and what one does with it.

/** Makes code blocks whose buttons copy the text and put it into a new cell of `view`'s notebook. */
export function codeBlocks(view, announce) {
  return (text, language) => {
    const code = h("code", {}, text);
    const copy = button("Copy", async () => {
      announce((await copied(code.textContent)) ? "Code copied" : "The browser does not allow copying");
    }, { label: "Copy this code", kind: "wiz-quiet" });
    const insert = button("Insert as new cell", async () => {
      if (inserted(view, code.textContent)) announce("Inserted as a new cell");
      else if (await copied(code.textContent)) announce("Copied: paste it into a new cell");
      else announce("This front end allows neither inserting nor copying");
    }, { kind: "wiz-quiet" });
    const bar = h("div.wiz-code-bar", {}, h("span", {}, language), copy, insert);
    return h("div.wiz-code", {}, bar, h("pre", { tabindex: "0", "aria-label": `Code ${language}`.trim(), role: "region" }, code));
  };
}

/** Put `source` into a new code cell under the panel's; false where the front end has no way. */
function inserted(view, source) {
  const index = view.cellIndex();
  const shared = view.notebook?.sharedModel;
  if (index < 0 || typeof shared?.insertCell !== "function") return false;
  shared.insertCell(index + 1, { cell_type: "code", source, metadata: {} });
  return true;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { "aria-hidden": "true", style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
