// Where to cut. Cut and put together again, tiles give the whole picture's numbers: each pixel is taken from a tile in
// which everything it depends on is present. Beyond its border a picture goes on mirrored (color.js), as far as the
// network looks: what the network pads, mostly with black, would be a grey frame. As zoo/engines/mirrored.py has it.

// LR pixels computed at once when the file leaves the size free: 640×360 and 512×512 in one go, the margin not counted.
const TILE_AREA = 512 * 512;
const TILE_SIDE = 512;

/** The size in LR pixels of the tiles, margins included, for a file whose size is free: (height, width), radii. */
export function tileSize(lengths, radii) {
  const whole = lengths[0] * lengths[1] <= TILE_AREA;
  return lengths.map((length, axis) => (whole ? length : Math.min(length, TILE_SIDE)) + 2 * radii[axis]);
}

/** Whether a tile of this size has room for the margin on both sides and something between. */
export const holdsMargin = (tile, radius) => tile > 2 * radius;

/**
 * Tiles along one axis: the tile covers the pixels from `start`, and gives those from `from` up to before `to`.
 * All have the size `tile` and show `radius` pixels around what they give, beyond the picture too. In a tile that has no
 * room for that a picture must fit as a whole, and its border is the network's own.
 */
export function cut(length, tile, radius) {
  if (!holdsMargin(tile, radius)) {
    if (length <= tile) return [{ start: 0, from: 0, to: length }];
    throw new Error(
      `Expected tiles of more than ${2 * radius} pixels, which is how far this network looks to both sides. ` +
        `Received a file made for ${tile}: a picture must not be larger than that.`,
    );
  }
  const tiles = [];
  for (let from = 0, step = tile - 2 * radius; from < length; from += step) {
    tiles.push({ start: from - radius, from, to: Math.min(from + step, length) });
  }
  return tiles;
}
