import assert from "node:assert/strict";
import { test } from "node:test";
import { applied, SharedState } from "../../wiz_kernel_ext/notebook/widgets/page/state.js";

function page() {
  const drawn = [];
  const asked = [];
  let now = 0;
  const state = new SharedState({ draw: (one) => drawn.push(one), askWhole: () => asked.push(now), clock: () => now });
  return { state, drawn, asked, pass: (ms) => (now += ms) };
}

const whole = (revision, state) => ({ kind: "state", revision, since: 0, state });
const change = (revision, parts) => ({ kind: "state", revision, since: revision - 1, ...parts });

test("parts take the place of what there was, and what grew goes to its end", () => {
  const before = { a: 1, text: "ab", list: [1], kept: [7] };
  const after = applied(before, { state: { a: null }, grown: { text: "c", list: [2, 3] } });
  assert.deepEqual(after, { a: null, text: "abc", list: [1, 2, 3], kept: [7] });
  assert.deepEqual(before, { a: 1, text: "ab", list: [1], kept: [7] });
  assert.equal(after.kept, before.kept);
});

test("every revision is drawn once, whole", () => {
  const { state, drawn, asked } = page();
  state.take(whole(4, { text: "a", n: 1 }));
  state.take(change(5, { grown: { text: "b" } }));
  state.take(change(5, { grown: { text: "b" } }));
  state.take(change(6, { state: { n: 2 } }));
  assert.deepEqual(drawn, [{ text: "a", n: 1 }, { text: "ab", n: 1 }, { text: "ab", n: 2 }]);
  assert.deepEqual(asked, []);
});

test("who has missed a revision asks for the whole, once, and goes on from there", () => {
  const { state, drawn, asked } = page();
  state.take(whole(1, { text: "a" }));
  state.take(change(3, { grown: { text: "c" } }));
  state.take(change(4, { grown: { text: "d" } }));
  assert.equal(asked.length, 1);
  state.take(whole(4, { text: "abcd" }));
  state.take(change(5, { grown: { text: "e" } }));
  assert.equal(asked.length, 1);
  assert.deepEqual(drawn.at(-1), { text: "abcde" });
});

test("a change before the first whole draws nothing, and a lost answer is asked for again", () => {
  const { state, drawn, asked, pass } = page();
  state.take(change(8, { state: { n: 1 } }));
  assert.deepEqual([drawn, asked], [[], []]);
  pass(3000);
  state.take(change(9, { state: { n: 2 } }));
  state.take(change(10, { state: { n: 3 } }));
  assert.equal(asked.length, 1);
  pass(3000);
  state.take(change(11, { state: { n: 4 } }));
  assert.equal(asked.length, 2);
  state.take(whole(11, { n: 4 }));
  assert.deepEqual(drawn, [{ n: 4 }]);
});
