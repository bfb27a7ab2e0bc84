import assert from "node:assert/strict";
import { test } from "node:test";
import { choices, remark } from "../ranges.js";

const SIZE = [5, 24];
const SCALE = 2;

/** Enlarges by repeating pixels, for values from `taken` to `given`. */
const nearest = ([black, white], [low, high]) => (values) => {
  const [height, width] = SIZE;
  return Float32Array.from({ length: SCALE * SCALE * height * width }, (_, i) => {
    const x = Math.floor((i % (SCALE * width)) / SCALE);
    const y = Math.floor(i / (SCALE * width) / SCALE);
    return low + ((high - low) * (values[y * width + x] - black)) / (white - black);
  });
};
const said = (run) => remark(async (values) => run(values), SIZE, 1, SCALE);

test("a ramp finds out what a network is for", async () => {
  assert.equal(await said(nearest([0, 1], [0, 1])), "");
  assert.match(await said(nearest([0, 1], [0, 255])), /take values from 0 to 1 and to give values from 0 to 255:/);
  assert.match(await said(nearest([-1, 1], [0, 1])), /take values from −1 to 1 and to give values from 0 to 1:/);
  assert.match(await said(nearest([0, 255], [-1, 1])), /take values from 0 to 255 and to give values from −1 to 1:/);
  // What enlarges values alike, whatever they stand for, is right as it is.
  assert.equal(await said(nearest([0, 255], [0, 255])), "");
});

test("of a network that brings no ramp back nothing is said", async () => {
  assert.equal(await said((values) => new Float32Array(4 * values.length).fill(0.7)), "");
  assert.equal(await said((values) => new Float32Array(4 * values.length).fill(NaN)), "");
  assert.equal(await said((values) => Float32Array.from({ length: 4 * values.length }, (_, i) => (i * 7919) % 1.7)), "");
});

test("each range can be chosen, for both ends or for one", () => {
  assert.equal(choices().length, 9);
  assert.ok(choices().includes("0..255") && choices().includes("-1..1:0..1"));
});
