// The network on the pictures: LiteRT.js, tile by tile. Runs in a worker, so that the page stays alive meanwhile.
import * as litert from "./vendor/litert.js";
import * as color from "./color.js";
import { reach } from "./reach.js";
import { readGraph, withSize } from "./tflite.js";
import { cut, holdsMargin, tileSize } from "./tiles.js";

const GPU = {
  webgpu: { accelerator: "webgpu", gpuOptions: { precision: "fp32" } },
  "webgpu-fp16": { accelerator: "webgpu", gpuOptions: { precision: "fp16" } },
};
const CPU = { accelerator: "wasm" };
// A GPU may differ from the CPU by its rounding, which is far below one level. A file that it computes wrongly (a
// transposed convolution at some sizes) differs by tens of levels.
const GPU_TOLERANCE = 2;

let network = null;
let compiled = null;

/** Loads the runtime. Returns { threads, webgpu }: how many threads, and whether there is a GPU. */
export async function start() {
  const wasm = new URL("./vendor/wasm/", import.meta.url).href;
  const load = (threads) => {
    self.Module = {
      locateFile: (name) => wasm + name,
      mainScriptUrlOrBlob: `${wasm}litert_wasm_threaded_internal.js`,
    };
    return litert.loadLiteRt(wasm, { threads });
  };
  // Threads need a page served with COOP and COEP headers, as scripts/serve.js does; without them one thread works.
  const parallel = self.crossOriginIsolated && (await litert.supportsFeature("relaxedSimd"));
  await load(parallel).catch((error) => (parallel ? load(false) : Promise.reject(error)));
  return { threads: litert.getGlobalLiteRt().liteRtWasm.getThreadCount(), webgpu: litert.getWebGpuDevice() !== null };
}

/** Takes a .tflite file's bytes as the network. Returns { scale, channels, size, radius }, as `reach` does. */
export function open(bytes) {
  const graph = readGraph(bytes);
  const shape = reach(graph);
  compiled?.model.delete();
  compiled = null;
  network = { bytes, ...shape, input: graph.tensors[graph.inputs[0]], output: graph.tensors[graph.outputs[0]] };
  return shape;
}

async function compileFor(tile, options) {
  const { bytes, size, scale } = network;
  const sized = size ? bytes : withSize(bytes, tile, tile.map((side) => side * scale));
  return litert.loadAndCompile(sized, options);
}

/** Runs a compiled network on one tile of values in [0, 1]; gives values in [0, 1]. */
async function run(model, values, tile) {
  const { input, output, channels } = network;
  const stored = input.type === "uint8" ? Uint8Array.from(values, (v) => toByte(v / input.scale + input.zero)) : values;
  const tensor = new litert.Tensor(stored, [1, ...tile, channels]);
  const [result] = await model.run([tensor]);
  const data = await result.data();
  tensor.delete();
  result.delete();
  return output.type === "uint8" ? Float32Array.from(data, (q) => (q - output.zero) * output.scale) : data;
}

const toByte = (value) => Math.min(Math.max(Math.round(value), 0), 255);

/** The largest difference between GPU and CPU on a tile of noise, in 8-bit levels. */
async function gpuError(onGpu, tile) {
  const noise = new Float32Array(tile[0] * tile[1] * network.channels);
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise[i] = state / 2 ** 32;
  }
  const onCpu = await compileFor(tile, CPU);
  try {
    const [got, expected] = [await run(onGpu, noise, tile), await run(onCpu, noise, tile)];
    let worst = 0;
    for (let i = 0; i < got.length; i++) {
      const difference = 255 * Math.abs(got[i] - expected[i]);
      // Written so that a NaN counts as wrong.
      if (!(difference <= worst)) worst = difference;
    }
    return worst;
  } finally {
    onCpu.delete();
  }
}

/** The network compiled for this tile, on the GPU if that was asked for and it gives the right numbers there. */
async function compile(tile, processor) {
  const key = `${tile} ${processor}`;
  if (compiled?.key === key) return compiled;
  compiled?.model.delete();
  compiled = null;
  const wantsGpu = processor !== "wasm" && (processor !== "auto" || litert.getWebGpuDevice() !== null);
  const why = wantsGpu ? await tryGpu(key, tile, GPU[processor] ?? GPU.webgpu) : null;
  compiled ??= { key, model: await compileFor(tile, CPU), processor: "wasm", why };
  return compiled;
}

/** Leaves the GPU's network in `compiled`, or returns a sentence that says why it cannot be used. */
async function tryGpu(key, tile, options) {
  if (litert.getWebGpuDevice() === null) return "This browser offers no WebGPU, so WebAssembly computed the picture.";
  let model = null;
  try {
    model = await compileFor(tile, options);
    if (model.isFullyAccelerated) {
      const error = await gpuError(model, tile);
      if (error <= GPU_TOLERANCE) {
        compiled = { key, model, processor: "webgpu", why: null };
        return null;
      }
      model.delete();
      const levels = Number.isFinite(error) ? `${Math.round(error)} levels of 255` : "more than can be counted";
      return `WebGPU computes this file wrongly (off by ${levels}), so WebAssembly computed the picture.`;
    }
  } catch (error) {
    console.warn(error);
  }
  model?.delete();
  return "WebGPU does not run this whole file, so WebAssembly computed the picture.";
}

/**
 * Upscales a picture. Returns { picture, processor, why, tiles, mirrored, milliseconds: { network, frame } }: `why`
 * says why it was not the GPU, `mirrored` is false if the file's tile has no room for a margin beyond the border.
 *
 * `watch(done, tiles)` is called after each tile and may throw to stop.
 */
export async function upscale(original, processor, watch) {
  const { scale, channels, size, radius } = network;
  const { width, height } = original;
  const tile = size ?? tileSize([height, width], radius);
  const rows = cut(height, tile[0], radius[0]);
  const columns = cut(width, tile[1], radius[1]);
  const { model, processor: used, why } = await compile(tile, processor);

  const begun = performance.now();
  const out = { width: scale * width, height: scale * height };
  out.data = new Uint8ClampedArray(4 * out.width * out.height).fill(255);
  const kind = { grey: color.isGrey(original), opaque: color.isOpaque(original) };
  const picture = kind.opaque ? original : color.fillHidden(original, Math.max(...radius) + color.CUBIC_REACH);
  let networkTime = 0;
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      const values = gather(picture, row.start, column.start, tile, kind.grey);
      const before = performance.now();
      const result = await run(model, values, tile);
      networkTime += performance.now() - before;
      write(result, row, column);
      await watch(++done, rows.length * columns.length);
    }
  }
  return {
    picture: out,
    processor: used,
    why,
    tiles: done,
    mirrored: tile.every((side, axis) => holdsMargin(side, radius[axis])),
    milliseconds: { network: networkTime, frame: performance.now() - begun },
  };

  function write(result, row, column) {
    const core = { top: row.from, bottom: row.to, left: column.from, right: column.to };
    const part = Object.fromEntries(Object.entries(core).map(([side, at]) => [side, scale * at]));
    const origin = { row: scale * row.start, column: scale * column.start, width: scale * tile[1] };
    const levels = (index) => crop(result, part, origin, channels, index);
    if (channels === 3 && kind.grey) {
      const [r, g, b] = [0, 1, 2].map(levels);
      color.writePlane(out, part, r.map((level, i) => (level + g[i] + b[i]) / 3), [0, 1, 2]);
    } else if (channels === 3) {
      for (const index of [0, 1, 2]) color.writePlane(out, part, levels(index), [index]);
    } else if (kind.grey) {
      color.writePlane(out, part, levels(0), [0, 1, 2]);
    } else {
      const [cb, cr] = color.chroma.map((valueAt) => color.enlarge(picture, core, scale, valueAt));
      color.writeYcbcr(out, part, levels(0), cb, cr);
    }
    if (!kind.opaque) color.writePlane(out, part, color.enlarge(picture, core, scale, color.channel(3)), [3]);
  }
}

/** A tile of the picture as the network takes it: values in [0, 1], channels last. */
function gather(picture, top, left, [height, width], grey) {
  const region = { top, bottom: top + height, left, right: left + width };
  const { channels } = network;
  const values = new Float32Array(height * width * channels);
  for (let index = 0; index < channels; index++) {
    const valueAt = channels === 1 && !grey ? color.luma : color.channel(index);
    color.plane(picture, region, valueAt).forEach((level, i) => (values[i * channels + index] = level / 255));
  }
  return values;
}

/** The wanted part of one channel of a tile's result, in 8-bit levels, not clipped. */
function crop(result, part, origin, channels, index) {
  const levels = new Float32Array((part.bottom - part.top) * (part.right - part.left));
  for (let y = part.top, i = 0; y < part.bottom; y++) {
    const row = (y - origin.row) * origin.width - origin.column;
    for (let x = part.left; x < part.right; x++, i++) {
      levels[i] = 255 * result[(row + x) * channels + index];
    }
  }
  return levels;
}
