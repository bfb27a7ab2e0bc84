// Networks for other values than [0, 1]: what a file takes and gives, as zoo/engines/ranges.py has it.
import { Table } from "./tflite.js";

// What black and white are.
const RANGES = { "0..1": [0, 1], "0..255": [0, 255], "-1..1": [-1, 1] };
const METADATA = "TFLITE_METADATA";

/** The ranges that can be chosen: each for both ends, then those that differ, as "taken:given". */
export function choices() {
  const names = Object.keys(RANGES);
  const pairs = names.flatMap((taken) => names.filter((given) => given !== taken).map((given) => `${taken}:${given}`));
  return [...names, ...pairs];
}

/**
 * The values that a file takes and gives, [black, white] each: { taken, given, guessed }. `choice` is one of `choices()`,
 * or "auto": as the file's metadata say, else [0, 1], which is guessed.
 */
export function rangesOf(graph, choice) {
  if (choice === "auto") {
    const said = [2, 3].map((field) => described(graph, field));
    const [taken, given] = said.map((range) => range ?? RANGES["0..1"]);
    return { taken, given, guessed: !said[0] };
  }
  const [taken, given] = choice.split(":");
  return { taken: RANGES[taken], given: RANGES[given ?? taken], guessed: false };
}

// How far a ramp of grey may come back from where it should be: a network that enlarges keeps a gentle one.
const RIGHT = 0.05;
const WRONG = 0.1;
const inWords = ([low, high]) => `${low} to ${high}`.replace("-", "−");

/**
 * In a sentence, that a network seems to take or give other values than [0, 1]; "" where nothing speaks for it. A ramp
 * goes through it in each of the ranges; only where it comes back in one of the others, and not from [0, 1] into [0, 1],
 * something is said: a network that was never trained brings none back. `run(values)` resolves to what it gives.
 */
export async function remark(run, [height, width], channels, scale) {
  const along = (x) => 0.1 + (0.8 * Math.min(Math.max(x, 0), width - 1)) / Math.max(width - 1, 1);
  const ramp = Float32Array.from({ length: height * width * channels }, (_, i) =>
    along(Math.floor(i / channels) % width),
  );
  const expected = (i) => along(((Math.floor(i / channels) % (scale * width)) + 0.5) / scale - 0.5);
  const found = [];
  const names = Object.keys(RANGES);
  for (const taken of names) {
    const [black, white] = RANGES[taken];
    const result = await run(ramp.map((value) => black + (white - black) * value));
    for (const given of names) {
      const [low, high] = RANGES[given];
      const off = Float32Array.from(result, (value, i) => Math.abs((value - low) / (high - low) - expected(i))).sort();
      // NaN sorts last.
      found.push({ taken, given, error: off[off.length >> 1] });
    }
    if (taken === "0..1" && found[0].error <= WRONG) return "";
  }
  const { taken, given, error } = found.reduce((best, each) => (each.error < best.error ? each : best));
  if (!(error <= RIGHT)) return "";
  return (
    `This network seems to take values from ${inWords(RANGES[taken])} and to give values from ` +
    `${inWords(RANGES[given])}: choose so under “Values of the network”.`
  );
}

/** What the metadata say of the first input (field 2 of the description) or output (3); null where they say nothing. */
function described(graph, field) {
  const place = graph.attached.get(METADATA);
  if (!place) return null;
  try {
    // TFLite's metadata_schema.fbs: its root's field 3 holds the graphs, a tensor's field 5 highest and lowest value.
    const view = new DataView(graph.view.buffer, graph.view.byteOffset + place.start, place.length);
    const [tensor] = new Table(view, view.getUint32(0, true)).tables(3)[0].tables(field);
    const stats = tensor.table(5);
    const [low, high] = [stats.floats(1)[0], stats.floats(0)[0]];
    return low < high ? [low, high] : null;
  } catch {
    return null;
  }
}
