import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeModel, serialised, shown, until } from "./browser.js";
import chat from "../../wiz_kernel_ext/notebook/widgets/page/chat.js";
import downloader from "../../wiz_kernel_ext/notebook/widgets/page/downloader.js";
import { entriesOf } from "../../wiz_kernel_ext/notebook/widgets/page/messages.js";
import { applied } from "../../wiz_kernel_ext/notebook/widgets/page/state.js";
import status from "../../wiz_kernel_ext/notebook/widgets/page/status.js";

const CHAT = {
  session: { id: "s", name: "own", system: "" }, sessions: [], models: [{ path: "/m", name: "demo" }], model: null, remembered: "demo",
  options: {}, n_waiting: 0, first: 0, messages: [], answer: null, answer_text: "", failed: null, load: null, lost: "", gone: false,
};
const said = (role, text, operation = null, small = "") => ({ role, text, operation, finish: null, small });
const answer = (small, running = true) => ({ id: "op", prompt: "hello", running, small, fraction: null });
const PROBLEM = { error: "WorkerDied", message: "It died.", hint: "Again.", page: "" };
const load = (state, parts = {}) => ({ model: "demo", state, fraction: null, notices: [], problem: null, ...parts });

/** What somebody sees of a view: its text, less what is hidden. */
function seen(node) {
  if (node.nodeType === 3) return node.data;
  return node.hidden ? "" : [...node.childNodes].map(seen).join(" ");
}

/** Each change of a story, and what is seen then: the same by who saw it come and by who comes just
    then. */
async function early(panel, first, story) {
  const model = new FakeModel();
  await shown(panel, model);
  let state = first;
  let revision = 1;
  model.say({ kind: "state", revision, since: 0, state });
  for (const [change, ...patterns] of story) {
    state = applied(state, change);
    model.say({ kind: "state", revision: revision + 1, since: revision, ...change });
    revision += 1;
    const late = new FakeModel();
    await shown(panel, late);
    late.say({ kind: "state", revision, since: 0, state });
    await until(() => late.el.dataset.ready && model.el.dataset.ready);
    // What is read out to who cannot see it is what has just happened.
    for (const { el } of [model, late]) el.querySelector(".wiz-unseen[role=status]")?.replaceChildren();
    assert.equal(serialised(model.el).replaceAll(/wiz-(field|models)-[\w-]+/g, ""), serialised(late.el).replaceAll(/wiz-(field|models)-[\w-]+/g, ""), JSON.stringify(change));
    for (const pattern of patterns) assert.match(seen(model.el).replaceAll(/\s+/g, " "), pattern);
  }
  return model;
}

test("a chat that is opened late shows what one shows that was there", async () => {
  const model = await early(chat, CHAT, [
    [{ state: { messages: [said("user", "a", "1"), said("assistant", "**b**", "1", "3 tokens")] } }, /You a .*Model b 3 tokens/],
    [{ state: { answer: answer("waiting for its turn") } }, /You hello .*Model waiting for its turn .*Stop/],
    [{ state: { answer: answer("reading the prompt 50%"), answer_text: "wo" } }, /wo reading the prompt 50%/],
    [{ grown: { answer_text: "rd\n\n```\nco" }, state: { answer: answer("2 tokens"), n_waiting: 1 } }, /word .*co .*2 tokens/, /1 more waiting/],
    [{ grown: { answer_text: "de" }, state: { answer: answer("9 tokens · 20 tokens/s", false), n_waiting: 0 } }, /code .*9 tokens · 20 tokens/],
    [{ grown: { messages: [said("user", "hello", "op"), said("assistant", "word\n\n```\ncode", "op", "9 tokens · 20 tokens/s")] }, state: { answer: null, answer_text: "" } }, /code .*9 tokens · 20 tokens/],
    [{ state: { load: load("running", { fraction: 0.5 }) } }, /Load loading demo/],
    [{ state: { load: load("done", { notices: ["No layer is offloaded."] }) } }, /demo: No layer is offloaded/],
    [{ state: { load: load("failed", { problem: PROBLEM }) } }, /It died\. .*Again\./],
    [{ state: { load: null, lost: "There is no session 'own'." } }, /no session 'own'/],
    [{ state: { lost: "", gone: true } }, /service has ended/],
    [{ state: { gone: false, models: [...CHAT.models, { path: "/n", name: "other" }] } }, /as before \(demo\) demo other/],
    [{ state: { session: { id: "t", name: "other", system: "Be brief." }, messages: [], options: { top_k: 3 } } }, /Nothing was said yet/],
  ]);
  assert.match(model.el.textContent, /Nothing was said yet/);
});

test("what is thought is folded once the answer begins, and stands among the messages", async () => {
  const model = new FakeModel();
  await shown(chat, model);
  model.say({ kind: "state", revision: 1, since: 0, state: { ...CHAT, answer: answer("1 token"), answer_thinking: "Let me <b>see" } });
  const folded = model.el.querySelector(".wiz-assistant details");
  assert.equal(folded.hidden, false);
  assert.equal(folded.open, true);
  assert.match(folded.textContent, /Let me <b>see/);
  model.say({ kind: "state", revision: 2, since: 1, grown: { answer_text: "Four", answer_thinking: "." } });
  assert.equal(folded.open, false);
  assert.match(folded.textContent, /Let me <b>see\./);
  model.say({ kind: "state", revision: 3, since: 2, state: { answer: null, answer_text: "", answer_thinking: "", messages: [said("user", "hello", "op"), { ...said("assistant", "Four", "op"), thinking: "Let me <b>see." }, said("assistant", "Five", "other")] } });
  assert.match(folded.textContent, /Let me <b>see\./);
  const [, other] = model.el.querySelectorAll(".wiz-assistant details");
  assert.equal(other.hidden, true);
});

test("a question that failed is given back to every view, once", async () => {
  const model = await early(chat, CHAT, [[{ state: { failed: { id: "op", prompt: "hello", small: "not answered", problem: PROBLEM } } }, /It died\./]]);
  const input = model.el.querySelector("textarea.wiz-input");
  assert.equal(input.value, "hello");
  assert.match(model.el.querySelector(".wiz-banner").textContent, /It died\..*Again\./);
  input.value = "";
  model.say({ kind: "state", revision: 3, since: 2, state: { n_waiting: 0 } });
  assert.equal(input.value, "");
});

test("an answer keeps its element when it is among the messages", async () => {
  const model = new FakeModel();
  await shown(chat, model);
  model.say({ kind: "state", revision: 1, since: 0, state: { ...CHAT, answer: answer("…"), answer_text: "word" } });
  const node = model.el.querySelector(".wiz-assistant");
  assert.equal(node.getAttribute("aria-busy"), "true");
  model.say({ kind: "state", revision: 2, since: 1, state: { answer: null, answer_text: "", messages: [said("user", "hello", "op"), said("assistant", "words", "op")] } });
  assert.equal(model.el.querySelector(".wiz-assistant"), node);
  assert.equal(node.hasAttribute("aria-busy"), false);
  assert.equal(node.querySelector(".wiz-markdown").textContent, "words");
  assert.equal(model.el.querySelectorAll(".wiz-message").length, 2);
});

test("an entry for each message and each half of an answer, whichever the session has already", () => {
  const kinds = (state, earlier) => entriesOf({ ...CHAT, ...state }, earlier).map(({ key }) => key);
  assert.deepEqual(kinds({ first: 5, messages: [said("user", "a")] }, [said("user", "z")]), ["number 4", "number 5"]);
  assert.deepEqual(kinds({ answer: answer("") }), ["user of op", "assistant of op"]);
  assert.deepEqual(kinds({ messages: [said("user", "a", "op")], answer: answer("") }), ["user of op", "assistant of op"]);
  assert.deepEqual(kinds({ messages: [said("user", "a", "op"), said("assistant", "b", "op")], answer: answer("") }), ["user of op", "assistant of op"]);
  const twice = [said("assistant", "a", "op"), said("tool", "b", "op"), said("assistant", "c", "op")];
  assert.equal(new Set(kinds({ messages: twice })).size, 3);
});

test("earlier messages are asked for by a view, and kept by it while others are added", async () => {
  const model = new FakeModel({ earlier: () => ({ result: { first: 0, messages: [said("user", "zero")] } }) });
  await shown(chat, model);
  model.say({ kind: "state", revision: 1, since: 0, state: { ...CHAT, first: 1, messages: [said("user", "one")] } });
  model.el.querySelector(".wiz-more button").click();
  await until(() => model.el.querySelectorAll(".wiz-message").length === 2);
  model.say({ kind: "state", revision: 2, since: 1, grown: { messages: [said("assistant", "two")] } });
  assert.deepEqual([...model.el.querySelectorAll(".wiz-text, .wiz-markdown")].map((one) => one.textContent), ["zero", "one", "two"]);
  assert.equal(model.el.querySelector(".wiz-more").hidden, true);
});

test("what could not be sent is given back with why; a view that missed a revision asks for the whole", async () => {
  const model = new FakeModel({ send: () => ({ problem: PROBLEM }) });
  await shown(chat, model);
  model.say({ kind: "state", revision: 1, since: 0, state: CHAT });
  const input = model.el.querySelector("textarea.wiz-input");
  input.value = "hello";
  [...model.el.querySelectorAll("button")].find((one) => one.textContent === "Send").click();
  await until(() => /It died/.test(model.el.querySelector(".wiz-banner").textContent));
  assert.equal(input.value, "hello");
  model.say({ kind: "state", revision: 4, since: 3, state: { n_waiting: 1 } });
  assert.equal(model.actions().at(-1), "whole");
});

const MODEL = { name: "u/r:Q8_0", path: "/c/r.gguf", quant: "Q8_0", size: "3.4 MB", used: "–", trained: 2048, aliases: "", origin: "hub", problem: "", from_hub: true, quants: [], loaded: false };
const DOWNLOADER = { contexts: [512, 1024, 2048, 4096], models: [], work: [], load: null, note: null, gone: false };
const row = (parts) => ({ id: "1", kind: "download", title: "u/r:Q8_0", path: null, state: "running", running: true, fraction: 0.5, small: "1 s left", loads: false, problem: null, ...parts });

test("a downloader that is opened late shows what one shows that was there", async () => {
  await early(downloader, DOWNLOADER, [
    [{ state: { work: [row()] } }, /u\/r:Q8_0 load when done Pause Cancel downloading 1 s left/],
    [{ state: { work: [row({ loads: true, fraction: 0.7 })] } }, /downloading/],
    [{ state: { work: [row({ state: "paused", running: false, small: "kept" })] } }, /Resume Cancel download paused kept/],
    [{ state: { work: [row({ state: "failed", running: false, problem: PROBLEM })] } }, /Try again Dismiss download failed .*It died\. Again\./],
    [{ state: { work: [], models: [MODEL], note: { text: "u/r:Q8_0 is here.", load: "/c/r.gguf" } } }, /u\/r:Q8_0 is here\. Load it OK/, /Load Verify Delete/],
    [{ state: { work: [row({ kind: "load", path: "/c/r.gguf" })], note: null, load: load("running") } }, /Cancel loading/, /Loading … Verify/],
    [{ state: { work: [], models: [{ ...MODEL, loaded: true }], load: load("done", { notices: ["ChatML is used."] }) } }, /demo is loaded\. ChatML is used\./, /loaded .*Unload/],
    [{ state: { load: load("failed", { problem: { ...PROBLEM, page: "https://e.org/u/r" } }) } }, /It died\. .*Its page on the hub/],
    [{ state: { gone: true } }, /service has ended/],
  ]);
});

test("a model's bar and verdict are those it was told for the context that is chosen", async () => {
  const fits = ["fits", "fits", "tight", "too big"].map((verdict, i) => ({ verdict, share: i / 4, text: `${i} GB`, note: i === 3 ? "too long" : "" }));
  const listing = { repo: "u/r", gated: false, page: "", nothing: "", convertible: false, estimate: "", out_types: [], models: [{ name: "u/r:Q8_0", quant: "Q8_0", size: "1 GB", here: false, fits, suggested: true }] };
  const model = new FakeModel({ search: () => ({ result: { cards: [{ repo: "u/r", facts: "", gated: false }], named: "u/r", why: "" } }), repo: () => ({ result: { listing } }) });
  await shown(downloader, model);
  model.say({ kind: "state", revision: 1, since: 0, state: DOWNLOADER });
  const text = model.el.querySelector("input[type=search]");
  text.value = "u/r";
  text.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  await until(() => model.el.querySelector(".wiz-card"));
  model.el.querySelector(".wiz-card").dispatchEvent(new Event("toggle"));
  await until(() => model.el.querySelector(".wiz-fit"));
  const fit = model.el.querySelector(".wiz-fit");
  assert.match(fit.textContent, /too big 3 GBtoo long/);
  const slider = model.el.querySelector("input[type=range]");
  slider.value = "2";
  slider.dispatchEvent(new Event("input"));
  assert.match(fit.textContent, /tight 2 GB/);
  assert.equal(fit.querySelector(".wiz-fit-fill").style.width, "50%");
});

test("a status that is opened late shows what one shows that was there", async () => {
  const first = { running: null, service: "", memory: null, models: [], operations: [], sessions: [], log: "" };
  const operation = { id: "1", kind: "prompt", state: "running", session: "s", title: "Go.", took: "1 s", running: true, rate: "", stage: "prompt", fraction: 0.5 };
  const worker = { path: "/m", name: "demo", memory: "1 GB", parts: "", context: 2048, sequences: 8, threads: 2, running: 1, stays: "in use", pid: 1 };
  const model = await early(status, first, [
    [{ state: { running: true, service: "Version 1", log: "a" } }, /Version 1 .*No model is loaded/],
    [{ state: { models: [worker], operations: [operation], memory: { text: "1 of 2", fraction: 0.5, limit: "cgroup" } } }, /1 of 2 \(limit of this container\)/, /demo 1 GB 2048 × 8 1 in use Unload/, /Go\. s running prompt 1 s Cancel/],
    [{ state: { operations: [{ ...operation, rate: "20 tokens/s", fraction: null, stage: "" }], log: "b" } }, /running 20 tokens\/s/],
    [{ state: { operations: [{ ...operation, running: false, state: "done" }], models: [], sessions: [{ name: "s", messages: 2, used: "1 s ago" }] } }, /Go\. s done/, /s 2 1 s ago/],
    [{ state: { running: false } }, /not running .*No service is running/],
    [{ state: { running: true } }, /s 2 1 s ago/],
  ]);
  assert.equal(model.el.querySelector(".wiz-banner").hidden, true);
});
