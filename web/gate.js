// Whether a graphics card computes a file as the CPU does: three runs with different inputs each, as some phones are
// right in the first one only. The bounds and the verdicts are those of export/outputs.py and export/delegate.py.

export const RUNS = 3;
// Of the output's range: how far off is right, and right but for rounding; of quantized graphs, which a graphics card
// simulates in float32; and in half precision, 11 bits through a dozen layers.
const TOLERANCE = 1e-4;
const ROUNDING = 1e-2;
const QUANTIZED = 0.02;
const HALF = 0.02;
// An output that changes by less, by itself or by its magnitude, is as good as constant.
const TINY = 1e-6;
const FLAT = 1e-5;

/** The inputs of three runs, values in [0, 1]: noise, its negative, and the noise the other way round. */
export function three(count) {
  const noise = new Float32Array(count);
  for (let i = 0, state = 1; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise[i] = state / 2 ** 32;
  }
  return [noise, noise.map((value) => 1 - value), noise.toReversed()];
}

/** Whether all values are numbers that can be shown. */
export function isFinite(values) {
  let sum = 0;
  // Of infinity it makes NaN, which stays.
  for (let i = 0; i < values.length; i++) sum += 0 * values[i];
  return sum === 0;
}

/** How far the received values are from those expected: { difference, low, high, finite }; what is not finite left out. */
export function compare(expected, received) {
  let [difference, low, high, finite] = [0, Infinity, -Infinity, true];
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(received[i])) finite = false;
    if (!Number.isFinite(expected[i])) continue;
    low = Math.min(low, expected[i]);
    high = Math.max(high, expected[i]);
    if (Number.isFinite(received[i])) difference = Math.max(difference, Math.abs(received[i] - expected[i]));
  }
  return low <= high ? { difference, low, high, finite } : { difference, low: 0, high: 0, finite };
}

/**
 * The verdict on runs as `compare` gives them: { verdict, share, runs }. `verdict` is "not finite", "wrong",
 * "inconclusive", "rounding" or "right", `share` the largest difference as a share of the output's range, `runs` the
 * numbers of those that speak against the card, from 1.
 */
export function judged(compared, { half, quantized }) {
  const low = Math.min(...compared.map((run) => run.low));
  const high = Math.max(...compared.map((run) => run.high));
  const magnitude = Math.max(Math.abs(low), Math.abs(high));
  const constant = high - low < Math.max(TINY, FLAT * magnitude);
  const span = constant ? Math.max(magnitude, 1) : high - low;
  const right = half ? HALF : quantized ? QUANTIZED : TOLERANCE;
  const numbers = (bad) => compared.flatMap((run, number) => (bad(run) ? [number + 1] : []));
  const infinite = numbers((run) => !run.finite);
  const off = numbers((run) => run.difference > Math.max(right, half ? 0 : ROUNDING) * span);
  const share = Math.max(...compared.map((run) => run.difference)) / span;
  if (infinite.length) return { verdict: "not finite", share, runs: infinite };
  if (off.length) return { verdict: "wrong", share, runs: off };
  if (constant) return { verdict: "inconclusive", share, runs: [] };
  return { verdict: share <= right ? "right" : "rounding", share, runs: [] };
}

/** Whether a card with this verdict may compute pictures. */
export const passes = ({ verdict }) => verdict === "right" || verdict === "rounding";

/** A verdict in words, on WebGPU in half or in single precision. */
export function sentence({ verdict, share, runs }, half) {
  const where = half ? "in half precision" : "in float32";
  const only = 0 < runs.length && runs.length < RUNS ? `, in run ${runs.join(" and ")} of ${RUNS}` : "";
  const off = share >= 0.01 ? `${(100 * share).toFixed(0)}% of its range` : `${share.toExponential(1)} of its range`;
  return {
    "not finite": `WebGPU gives NaN or infinity for this file ${where}${only}`,
    wrong: `WebGPU computes this file wrongly ${where} (off by ${off}${only})`,
    inconclusive: `WebGPU cannot be checked with this file ${where}: its output hardly changes`,
    rounding: `WebGPU is right but for rounding ${where} (off by ${off})`,
    right: `WebGPU is right ${where} (off by ${off} in ${RUNS} runs)`,
  }[verdict];
}
