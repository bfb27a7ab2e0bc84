import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, isFinite, judged, passes, sentence, three } from "../gate.js";

const inputs = three(1000);
const SINGLE = { half: false, quantized: false };
const HALF = { half: true, quantized: false };

/** The verdict where a card gives `wrong(value, i, run)` for the value that the CPU gives. */
const on = (wrong, kind = SINGLE, from = inputs) =>
  judged(from.map((values, run) => compare(values, values.map((value, i) => wrong(value, i, run)))), kind);

test("the three inputs differ, and lie within the range", () => {
  const [noise, negative, reversed] = inputs;
  for (const values of inputs) assert.ok(Math.min(...values) >= 0 && Math.max(...values) <= 1);
  assert.ok(Math.max(...noise) - Math.min(...noise) > 0.99);
  assert.equal(negative[17], Math.fround(1 - noise[17]));
  assert.equal(reversed[17], noise[982]);
});

test("a card that computes the same is right, and one that shifts, rounds or fails is not", () => {
  assert.equal(on((value) => value).verdict, "right");
  assert.equal(on((value) => value + 1e-3).verdict, "rounding");
  const shifted = on((value, i, run) => inputs[run][(i + 1) % 1000]);
  assert.deepEqual([shifted.verdict, shifted.runs], ["wrong", [1, 2, 3]]);
  assert.ok(shifted.share > 0.5);
  assert.equal(on((value, i) => (i === 500 ? NaN : value)).verdict, "not finite");
  assert.equal(on((value, i) => (i === 500 ? Infinity : value)).verdict, "not finite");
});

test("right in the first run only is wrong, and said so", () => {
  const found = on((value, i, run) => (run ? 0 : value));
  assert.deepEqual([found.verdict, found.runs], ["wrong", [2, 3]]);
  assert.match(sentence(found, false), /^WebGPU computes this file wrongly in float32 .*, in run 2 and 3 of 3\)$/);
  assert.ok(!passes(found) && passes(on((value) => value)));
});

test("half precision has its own bound", () => {
  const coarse = (value) => value + 0.015;
  assert.equal(on(coarse).verdict, "wrong");
  assert.equal(on(coarse, HALF).verdict, "right");
  assert.equal(on((value) => value + 0.03, HALF).verdict, "wrong");
  assert.match(sentence(on((value) => value + 0.03, HALF), true), /in half precision \(off by 3% of its range\)/);
});

test("an output that hardly changes tells nothing", () => {
  const flat = inputs.map(() => new Float32Array(1000).fill(0.5));
  const found = on((value) => value, SINGLE, flat);
  assert.equal(found.verdict, "inconclusive");
  assert.ok(!passes(found));
});

test("one value that is no number is found", () => {
  assert.ok(isFinite(inputs[0]) && isFinite(new Float32Array([-1, -0])));
  for (const value of [NaN, Infinity, -Infinity]) assert.ok(!isFinite(inputs[0].with(999, value)));
});

test("what the CPU makes infinite is no difference", () => {
  const broken = inputs.map((values) => values.map((value, i) => (i === 3 ? Infinity : value)));
  assert.equal(on((value) => value, SINGLE, broken).verdict, "not finite");
  assert.equal(on((value) => (Number.isFinite(value) ? value : 0.5), SINGLE, broken).verdict, "right");
});
