import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, tileSize } from "../tiles.js";

test("every pixel comes from one tile, with the network's reach around it", () => {
  const cases = [[100, 40, 6], [97, 40, 6], [41, 40, 19], [1000, 512, 9], [53, 13, 6], [60, 10, 0]];
  for (const [length, tile, radius] of cases) {
    const tiles = cut(length, tile, radius);
    assert.equal(tiles[0].from, 0);
    assert.equal(tiles.at(-1).to, length);
    tiles.forEach(({ start, from, to }, i) => {
      assert.ok(from < to, `an empty tile at ${from}`);
      if (i > 0) assert.equal(from, tiles[i - 1].to);
      assert.ok(start >= 0 && start + tile <= length, "a tile leaves the picture");
      // At the picture's own border the tile ends with it; elsewhere it reaches `radius` further.
      assert.ok(start === 0 || start <= from - radius);
      assert.ok(start + tile === length || start + tile >= to + radius);
    });
  }
});

test("a picture no larger than the tile is one tile", () => {
  assert.deepEqual(cut(7, 40, 30), [{ start: 0, from: 0, to: 7 }]);
  assert.deepEqual(cut(40, 40, 30), [{ start: 0, from: 0, to: 40 }]);
});

test("tiles that are all overlap are refused", () => {
  assert.throws(() => cut(41, 40, 20), /Expected tiles of more than 40 pixels.*Received a file made for 40/);
});

test("pictures up to 512 × 512 in area stay whole", () => {
  assert.deepEqual(tileSize(360, 640), [360, 640]);
  assert.deepEqual(tileSize(1, 5000), [1, 5000]);
  assert.deepEqual(tileSize(100, 5000), [100, 512]);
  assert.deepEqual(tileSize(3000, 4000), [512, 512]);
});
