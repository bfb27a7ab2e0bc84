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
 * The values that a file takes and gives, [black, white] each: { taken, given }. `choice` is one of `choices()`, or
 * "auto": as the file's metadata say, else [0, 1].
 */
export function rangesOf(graph, choice) {
  if (choice === "auto") {
    const [taken, given] = [2, 3].map((field) => described(graph, field) ?? RANGES["0..1"]);
    return { taken, given };
  }
  const [taken, given] = choice.split(":");
  return { taken: RANGES[taken], given: RANGES[given ?? taken] };
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
