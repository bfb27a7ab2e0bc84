// Colour as in zoo/color.py: luma and chroma of BT.601 in studio range, in 8-bit levels; chroma enlarged by Keys'
// bicubic (a = -1/2, no antialias), the border mirrored with the edge pixel repeated, as zoo/upscale/planes.py has it.
// A picture is { width, height, data }, RGBA levels. A region is { top, bottom, left, right }, the last two excluded.

const YCBCR = [
  [65.481, 128.553, 24.966],
  [-37.797, -74.203, 112],
  [112, -93.786, -18.214],
].map((row) => row.map((value) => value / 255));
const OFFSET = [16, 128, 128];
const RGB = invert(YCBCR);

// Pixels that a bicubic output pixel may take on either side of its own.
export const CUBIC_REACH = 2;

function invert([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}

/** Whether a picture has no colour at all; its grey values are then Y as they are. */
export function isGrey({ data }) {
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

export function isOpaque({ data }) {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

/**
 * The picture with colours where alpha is 0: the mean of the known neighbours, `distance` pixels outwards. What lies
 * hidden there is mostly black and would darken the edge of what shows.
 */
export function fillHidden({ width, height, data }, distance) {
  const filled = Float32Array.from(data);
  const known = new Uint8Array(width * height);
  let unknown = [];
  for (let i = 0; i < known.length; i++) {
    known[i] = data[4 * i + 3] > 0;
    if (!known[i]) unknown.push(i);
  }
  for (let step = 0; step < distance && unknown.length; step++) {
    const found = [];
    const left = [];
    for (const i of unknown) {
      const [x, y] = [i % width, Math.floor(i / width)];
      let near = 0;
      const sums = [0, 0, 0];
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const from = v * width + u;
          if (!known[from]) continue;
          near++;
          for (let c = 0; c < 3; c++) sums[c] += filled[4 * from + c];
        }
      }
      if (!near) left.push(i);
      else found.push(i);
      for (let c = 0; near && c < 3; c++) filled[4 * i + c] = sums[c] / near;
    }
    // Only now: within a step, what was found does not count as a neighbour.
    for (const i of found) known[i] = 1;
    unknown = left;
  }
  return { width, height, data: filled };
}

/** One value per pixel of a region, row by row. Beyond the picture it is mirrored. */
export function plane(picture, region, valueAt) {
  const { width, height, data } = picture;
  const values = new Float32Array((region.bottom - region.top) * (region.right - region.left));
  for (let y = region.top, i = 0; y < region.bottom; y++) {
    const row = mirrored(y, height) * width;
    for (let x = region.left; x < region.right; x++, i++) values[i] = valueAt(data, 4 * (row + mirrored(x, width)));
  }
  return values;
}

const component = (index) => {
  const [r, g, b] = YCBCR[index];
  return (data, at) => OFFSET[index] + r * data[at] + g * data[at + 1] + b * data[at + 2];
};
export const luma = component(0);
export const chroma = [component(1), component(2)];
export const channel = (index) => (data, at) => data[at + index];

const cubic = (t) => {
  const x = Math.abs(t);
  if (x <= 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x <= 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
};

const mirrored = (index, length) => {
  if (index >= 0 && index < length) return index;
  const i = ((index % (2 * length)) + 2 * length) % (2 * length);
  return Math.min(i, 2 * length - 1 - i);
};

/** For each of the `scale` output pixels over one input pixel: the first of the four it takes, and their weights. */
function phases(scale) {
  return Array.from({ length: scale }, (_, phase) => {
    const shift = (phase + 0.5) / scale - 0.5;
    const first = Math.floor(shift) - 1;
    return { first, weights: [0, 1, 2, 3].map((tap) => cubic(shift - first - tap)) };
  });
}

/** The values of `valueAt` over a region, enlarged bicubically: (scale · rows) × (scale · columns) of them. */
export function enlarge(picture, region, scale, valueAt) {
  const around = {
    top: region.top - CUBIC_REACH,
    bottom: region.bottom + CUBIC_REACH,
    left: region.left - CUBIC_REACH,
    right: region.right + CUBIC_REACH,
  };
  const source = plane(picture, around, valueAt);
  const width = around.right - around.left;
  const columns = region.right - region.left;
  const out = new Float32Array(scale * scale * (region.bottom - region.top) * columns);
  const row = new Float64Array(width);
  const taps = phases(scale);
  for (let y = 0, start = 0; y < region.bottom - region.top; y++) {
    for (const down of taps) {
      const [a, b, c, d] = down.weights;
      const from = (y + CUBIC_REACH + down.first) * width;
      for (let x = 0, i = from; x < width; x++, i++) {
        row[x] = a * source[i] + b * source[i + width] + c * source[i + 2 * width] + d * source[i + 3 * width];
      }
      for (let phase = 0; phase < scale; phase++) {
        const [e, f, g, h] = taps[phase].weights;
        let i = CUBIC_REACH + taps[phase].first;
        for (let x = 0, at = start + phase; x < columns; x++, i++, at += scale) {
          out[at] = e * row[i] + f * row[i + 1] + g * row[i + 2] + h * row[i + 3];
        }
      }
      start += scale * columns;
    }
  }
  return out;
}

/** Writes R, G, B of these Y, Cb, Cr (8-bit levels) into the part of an RGBA picture at `part`, rounded half up. */
export function writeYcbcr(out, part, y, cb, cr) {
  const [[ry, ru, rv], [gy, gu, gv], [by, bu, bv]] = RGB;
  const { data } = out;
  eachRow(out, part, (first, last, i) => {
    for (let at = first; at < last; at += 4, i++) {
      const luma = y[i] - OFFSET[0];
      const u = cb[i] - OFFSET[1];
      const v = cr[i] - OFFSET[2];
      data[at] = Math.floor(ry * luma + ru * u + rv * v + 0.5);
      data[at + 1] = Math.floor(gy * luma + gu * u + gv * v + 0.5);
      data[at + 2] = Math.floor(by * luma + bu * u + bv * v + 0.5);
    }
  });
}

/** Writes one plane of 8-bit levels into these channels (0 to 3) of an RGBA picture at `part`, rounded half up. */
export function writePlane(out, part, values, channels) {
  for (const index of channels) {
    eachRow(out, part, (first, last, i) => {
      for (let at = first + index; at < last; at += 4, i++) out.data[at] = Math.floor(values[i] + 0.5);
    });
  }
}

/** Calls `write(first, last, i)` for the bytes of each row of a part, whose values start at `i`. */
function eachRow(out, part, write) {
  const columns = part.right - part.left;
  for (let y = part.top, i = 0; y < part.bottom; y++, i += columns) {
    const first = 4 * (y * out.width + part.left);
    write(first, first + 4 * columns, i);
  }
}
