// Where to cut. Cut and put together again, tiles give the whole picture's numbers: each pixel is taken from a tile in
// which everything it depends on is present, and a tile that touches the picture's border ends where the picture ends.

// LR pixels computed at once when the file leaves the size free: 640×360 and 512×512 in one go.
const TILE_AREA = 512 * 512;
const TILE_SIDE = 512;

/** The size in LR pixels of the tiles for a picture of (height, width), for a file whose size is free. */
export function tileSize(height, width) {
  if (height * width <= TILE_AREA) return [height, width];
  return [Math.min(height, TILE_SIDE), Math.min(width, TILE_SIDE)];
}

/**
 * Tiles along one axis: the tile covers the pixels from `start`, and gives those from `from` up to before `to`.
 * All have the size `tile`; if the picture is smaller than that, the one tile reaches beyond it.
 */
export function cut(length, tile, radius) {
  if (length <= tile) return [{ start: 0, from: 0, to: length }];
  const step = tile - 2 * radius;
  if (step < 1) {
    throw new Error(
      `Expected tiles of more than ${2 * radius} pixels, which is how far this network looks to both sides. ` +
        `Received a file made for ${tile}: a picture must not be larger than that.`,
    );
  }
  const tiles = [];
  for (let start = 0, from = 0; from < length; start += step) {
    const clamped = Math.min(start, length - tile);
    const to = clamped + tile === length ? length : clamped + tile - radius;
    tiles.push({ start: clamped, from, to });
    from = to;
  }
  return tiles;
}
