// The files and radii that tests/test_reach.py reads too. "page": what this reach says where it is more than the true
// one, or a part of the sentence with which it refuses a file.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { reach } from "../reach.js";
import { readGraph } from "../tflite.js";

const root = new URL("../../", import.meta.url);
const read = (name) => readFileSync(new URL(name, root));

for (const { file, scale, size, radius, page = radius } of JSON.parse(read("tests/reach/cases.json"))) {
  test(`${file} looks as far as is known`, () => {
    const walk = () => reach(readGraph(new Uint8Array(read(file))));
    if (typeof page === "string") {
      assert.throws(walk, (error) => error.message.includes(page));
      return;
    }
    const found = walk();
    assert.deepEqual([found.scale, found.size, found.radius], [scale, size, page]);
    assert.ok(page.every((side, axis) => side >= radius[axis]), "less than the true radius");
  });
}
