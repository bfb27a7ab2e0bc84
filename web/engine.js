// The network on the pictures: LiteRT.js, tile by tile. Runs in a worker, so that the page stays alive meanwhile.
import * as litert from "./vendor/litert.js";
import * as color from "./color.js";
import * as gate from "./gate.js";
import { rangesOf, remark } from "./ranges.js";
import { reach } from "./reach.js";
import { readGraph, withSize } from "./tflite.js";
import { cut, holdsMargin, tileSize } from "./tiles.js";

const GPU = {
  single: { accelerator: "webgpu", gpuOptions: { precision: "fp32" } },
  half: { accelerator: "webgpu", gpuOptions: { precision: "fp16" } },
};
const CPU = { accelerator: "wasm" };
// What is tried, in this order, before WebAssembly.
const PRECISIONS = { auto: ["single"], webgpu: ["single"], "webgpu-fp16": ["half", "single"], wasm: [] };
const NAMES = { single: "WebGPU", half: "WebGPU, half precision" };
// LR pixels a side of what a file of free size is checked at: three runs more are soon done.
const CHECKED = 64;
// (height, width) of the ramp that finds out which values such a file is for, and the most pixels that it may have.
const RAMP = [24, 36];
const LARGEST_RAMP = 2 ** 20;

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

/**
 * Takes a .tflite file's bytes as the network, for values as `choice` has it (ranges.js). Returns { scale, channels,
 * size, radius }, as `reach` does, { taken, given }, what black and white are, and { remark }, a sentence or "".
 */
export async function open(bytes, choice) {
  const graph = readGraph(bytes);
  const shape = reach(graph);
  const [input, output] = [graph.inputs[0], graph.outputs[0]].map((index) => graph.tensors[index]);
  const integers = (tensor) => tensor.type === "uint8";
  const { guessed, ...ranges } = rangesOf(graph, choice);
  // Levels say by themselves what they stand for.
  if (integers(input)) ranges.taken = [0, 1];
  if (integers(output)) ranges.given = [0, 1];
  const quantized = graph.operators.some(({ outputs }) => outputs.some((at) => graph.tensors[at].type !== "float32"));
  const before = network;
  forget();
  network = { bytes, ...shape, ...ranges, input, output, quantized };
  const unsure = guessed && !integers(input) && !integers(output);
  try {
    return { ...shape, ...ranges, remark: unsure ? await remarked() : "" };
  } catch (error) {
    // The page goes on with the network that it shows.
    network = before;
    throw error;
  }
}

/** What there is to remark of the network's values. */
async function remarked() {
  const tile = network.size ?? RAMP;
  if (tile[0] * tile[1] > LARGEST_RAMP) return "";
  const model = await compileFor(tile, CPU);
  try {
    return await remark((values) => run(model, values, tile), tile, network.channels, network.scale);
  } finally {
    model.delete();
  }
}

function forget() {
  compiled?.model.delete();
  compiled = null;
}

async function compileFor(tile, options) {
  const { bytes, size, scale } = network;
  const sized = size ? bytes : withSize(bytes, tile, tile.map((side) => side * scale));
  return litert.loadAndCompile(sized, options);
}

/** Runs a compiled network on one tile of values in [0, 1]; gives values in [0, 1]. */
async function run(model, values, tile) {
  const { input, output, channels, taken, given } = network;
  const stored =
    input.type === "uint8"
      ? Uint8Array.from(values, (v) => toByte(v / input.scale + input.zero))
      : between(values, taken[1] - taken[0], taken[0]);
  const tensor = new litert.Tensor(stored, [1, ...tile, channels]);
  const [result] = await model.run([tensor]);
  const data = await result.data();
  tensor.delete();
  result.delete();
  if (output.type === "uint8") return Float32Array.from(data, (q) => (q - output.zero) * output.scale);
  const span = given[1] - given[0];
  return between(data, 1 / span, -given[0] / span);
}

const between = (values, span, low) => (span === 1 && low === 0 ? values : values.map((value) => value * span + low));

const toByte = (value) => Math.min(Math.max(Math.round(value), 0), 255);

/** The verdict on a network on the GPU, by what the CPU gives for the same inputs: see gate.js. */
async function judge(onGpu, tile, half) {
  const inputs = gate.three(tile[0] * tile[1] * network.channels);
  const received = [];
  for (const values of inputs) received.push(await run(onGpu, values, tile));
  const onCpu = await compileFor(tile, CPU);
  try {
    const compared = [];
    for (const [number, values] of inputs.entries()) {
      compared.push(gate.compare(await run(onCpu, values, tile), received[number]));
    }
    return gate.judged(compared, { half, quantized: network.quantized });
  } finally {
    onCpu.delete();
  }
}

/** The network compiled for this tile, on the GPU if that was asked for and it gives the right numbers there. */
async function compile(tile, processor) {
  const key = `${tile} ${processor}`;
  if (compiled?.key === key) return compiled;
  forget();
  const why = [];
  const asked = processor !== "auto" || litert.getWebGpuDevice() !== null;
  for (const precision of asked ? PRECISIONS[processor] : []) {
    const { model, sentence, right } = await tryGpu(tile, precision);
    if (right) compiled = { key, model, processor: NAMES[precision], why: why.join(" ") };
    else model?.delete();
    if (right) return compiled;
    why.push(`${sentence}.`);
  }
  if (why.length) why.push("WebAssembly computed the picture.");
  compiled = { key, model: await compileFor(tile, CPU), processor: "WebAssembly", why: why.join(" ") };
  return compiled;
}

/** The network on the GPU: { model, sentence, right }; the sentence says what of it. */
async function tryGpu(tile, precision) {
  if (litert.getWebGpuDevice() === null) return { sentence: "This browser offers no WebGPU" };
  let model = null;
  try {
    model = await compileFor(tile, GPU[precision]);
    if (model.isFullyAccelerated) {
      const half = precision === "half";
      const verdict = await judge(model, tile, half);
      return { model, sentence: gate.sentence(verdict, half), right: gate.passes(verdict) };
    }
  } catch (error) {
    console.warn(error);
  }
  return { model, sentence: "WebGPU does not run this whole file" };
}

/** What WebGPU makes of the network, in single and in half precision: a sentence each. */
export async function check() {
  const tile = network.size ?? [CHECKED, CHECKED];
  const sentences = [];
  for (const precision of Object.keys(GPU)) {
    const { model, sentence } = await tryGpu(tile, precision);
    model?.delete();
    sentences.push(sentence);
  }
  return sentences;
}

/**
 * Upscales a picture. Returns { picture, processor, why, tiles, mirrored, finite, milliseconds: { network, frame } }:
 * `why` says why it was not the GPU, `mirrored` is false if the file's tile has no room for a margin beyond the border,
 * `finite` if the network gave NaN or infinity.
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
  let finite = true;
  for (const row of rows) {
    for (const column of columns) {
      const values = gather(picture, row.start, column.start, tile, kind.grey);
      const before = performance.now();
      const result = await run(model, values, tile);
      networkTime += performance.now() - before;
      finite &&= gate.isFinite(result);
      write(result, row, column);
      await watch(++done, rows.length * columns.length);
    }
  }
  return {
    picture: out,
    processor: used,
    why,
    tiles: done,
    finite,
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
