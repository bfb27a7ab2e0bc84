import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, holdsMargin, tileSize } from "../tiles.js";

test("every pixel comes from one tile, with the network's reach around it, beyond the picture too", () => {
  const cases = [[100, 40, 6], [97, 40, 6], [41, 40, 19], [1000, 512, 9], [53, 13, 6], [60, 10, 0], [1, 40, 6]];
  for (const [length, tile, radius] of cases) {
    const tiles = cut(length, tile, radius);
    assert.equal(tiles[0].from, 0);
    assert.equal(tiles.at(-1).to, length);
    tiles.forEach(({ start, from, to }, i) => {
      assert.ok(from < to, `an empty tile at ${from}`);
      if (i > 0) assert.equal(from, tiles[i - 1].to);
      assert.ok(start <= from - radius);
      assert.ok(start + tile >= to + radius);
    });
  }
});

test("a picture that fits with its margin is one tile", () => {
  assert.deepEqual(cut(7, 40, 15), [{ start: -15, from: 0, to: 7 }]);
  assert.deepEqual(cut(10, 40, 15), [{ start: -15, from: 0, to: 10 }]);
  assert.equal(cut(11, 40, 15).length, 2);
});

test("a tile that is all margin takes a picture as a whole, without one, or none", () => {
  assert.deepEqual(cut(40, 40, 20), [{ start: 0, from: 0, to: 40 }]);
  assert.ok(!holdsMargin(40, 20) && holdsMargin(41, 20));
  assert.throws(() => cut(41, 40, 20), /Expected tiles of more than 40 pixels.*Received a file made for 40/);
});

test("pictures up to 512 × 512 in area stay whole, whatever the margin", () => {
  assert.deepEqual(tileSize([360, 640], [7, 8]), [374, 656]);
  assert.deepEqual(tileSize([1, 5000], [0, 0]), [1, 5000]);
  assert.deepEqual(tileSize([100, 5000], [9, 9]), [118, 530]);
  assert.deepEqual(tileSize([3000, 4000], [300, 300]), [1112, 1112]);
});
