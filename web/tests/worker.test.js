import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** The worker's own text around an engine of ours, which takes a tile a turn; `answers` has what it posts. */
function worker(engine) {
  const answers = [];
  const self = {};
  const text = readFileSync(new URL("../worker.js", import.meta.url), "utf8").replace('import("./engine.js")', "loaded");
  new Function("self", "postMessage", "loaded", text)(self, (answer) => answers.push(answer), Promise.resolve(engine));
  return { answers, ask: (id, kind) => self.onmessage({ data: { id, kind } }) };
}

const engine = {
  start: async () => ({}),
  check: async () => ["right"],
  upscale: async (picture, processor, watch) => {
    for (const done of [1, 2, 3]) await watch(done, 3);
    return { picture: { data: new Uint8Array(1) } };
  },
};
const settled = () => new Promise((resume) => setTimeout(resume, 100));

test("a check does not stop the picture that is being computed, a newer picture does", async () => {
  const { answers, ask } = worker(engine);
  ask(1, "upscale");
  ask(2, "check");
  await settled();
  assert.deepEqual(answers.filter(({ id, progress }) => id === 2 && !progress), [{ id: 2, result: ["right"] }]);
  assert.ok(answers.some(({ id, result }) => id === 1 && result));
  ask(3, "upscale");
  ask(4, "upscale");
  await settled();
  assert.ok(answers.some(({ id, stopped }) => id === 3 && stopped));
  assert.ok(answers.some(({ id, result }) => id === 4 && result));
});
