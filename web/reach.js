// How far a network looks: the LR pixels that one output pixel depends on, found by walking the file's graph.
// Tiles that overlap by this much give the same numbers as the whole picture.
import { constantInts } from "./tflite.js";

const ELEMENTWISE = new Set([
  "ADD", "DEQUANTIZE", "DIV", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "PRELU",
  "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "SUB", "TANH",
]); // prettier-ignore

// Where the size is free, a picture so large that its middle knows nothing of its border.
const FREE_SIZE = 4096;
const SAME = 0;

const refuse = (what) => {
  throw new Error(`Expected a network whose reach can be computed. Received: ${what}.`);
};

/** Kernel side, stride and dilation of a convolution along `axis` (1 down, 2 across), and whether it pads. */
function convolution(graph, operator, axis) {
  const { name, options } = operator;
  const weights = graph.tensors[operator.inputs[1]];
  const fields = { CONV_2D: [1, 4], DEPTHWISE_CONV_2D: [1, 5], TRANSPOSE_CONV: [1, null] }[name];
  const across = axis === 2 ? 0 : 1;
  return {
    kernel: weights.shape[axis],
    stride: options.int(fields[0] + across, 1),
    dilation: fields[1] === null ? 1 : options.int(fields[1] + across, 1),
    pads: options.byte(0) === SAME,
  };
}

function sliceBegin(graph, operator, axis, size) {
  const constants = operator.inputs.slice(1).map((index) => constantInts(graph, index) ?? refuse("a computed slice"));
  const [first, second, strides] = constants;
  if (operator.name === "SLICE") {
    return { begin: first[axis], size: second[axis] < 0 ? size - first[axis] : second[axis] };
  }
  if (strides[axis] !== 1) refuse("a slice that skips pixels");
  const [beginMask, endMask, ...others] = [0, 1, 2, 3, 4].map((field) => operator.options?.int(field) ?? 0);
  if (others.some((mask) => mask !== 0)) refuse("a slice that changes the number of axes");
  const resolve = (value) => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  const begin = beginMask & (1 << axis) ? 0 : resolve(first[axis]);
  const end = endMask & (1 << axis) ? size : resolve(second[axis]);
  return { begin, size: end - begin };
}

/**
 * One operator along one axis: the size of its output, and `needs(lo, hi)`, the input rows (per input tensor that
 * carries the picture) on which output rows lo to hi depend. Rows outside the picture may be asked for: padding.
 */
function along(graph, operator, axis, sizes) {
  const { name, inputs, options } = operator;
  // Everything else that goes in is constant: kernels, biases, slopes.
  const pictures = inputs.filter((index) => sizes.has(index));
  const size = sizes.get(pictures[0]);
  const everyone = (lo, hi) => pictures.map((index) => [index, lo, hi]);
  if (ELEMENTWISE.has(name)) return { size, needs: everyone };
  switch (name) {
    case "CONV_2D":
    case "DEPTHWISE_CONV_2D": {
      const { kernel, stride, dilation, pads } = convolution(graph, operator, axis);
      if (stride !== 1) refuse("a convolution that skips pixels");
      const span = (kernel - 1) * dilation;
      const before = pads ? span >> 1 : 0;
      const out = pads ? size : size - span;
      return { size: out, needs: (lo, hi) => everyone(lo - before, hi - before + span) };
    }
    case "TRANSPOSE_CONV": {
      const { kernel, stride, pads } = convolution(graph, operator, axis);
      const before = pads ? Math.max(kernel - stride, 0) >> 1 : 0;
      const first = (lo) => Math.ceil((lo + before - kernel + 1) / stride);
      return {
        size: pads ? size * stride : (size - 1) * stride + kernel,
        needs: (lo, hi) => everyone(first(lo), Math.floor((hi + before) / stride)),
      };
    }
    case "DEPTH_TO_SPACE": {
      const block = options.int(0);
      return { size: size * block, needs: (lo, hi) => everyone(Math.floor(lo / block), Math.floor(hi / block)) };
    }
    case "RESIZE_BILINEAR":
    case "RESIZE_NEAREST_NEIGHBOR": {
      const bilinear = name === "RESIZE_BILINEAR";
      const out = (constantInts(graph, inputs[1]) ?? refuse("a computed size"))[axis - 1];
      const factor = out / size;
      if (!Number.isInteger(factor) || options.byte(bilinear ? 2 : 0)) refuse("a resize that aligns corners");
      const before = (lo) => Math.floor(bilinear ? (lo + 0.5) / factor - 0.5 : lo / factor);
      return { size: out, needs: (lo, hi) => everyone(before(lo), Math.floor(hi / factor) + (bilinear ? 1 : 0)) };
    }
    case "PAD":
    case "PADV2":
    case "MIRROR_PAD": {
      const paddings = constantInts(graph, inputs[1]) ?? refuse("a computed padding");
      const [before, after] = paddings.slice(2 * axis, 2 * axis + 2);
      return { size: size + before + after, needs: (lo, hi) => everyone(lo - before, hi - before) };
    }
    case "SLICE":
    case "STRIDED_SLICE": {
      const slice = sliceBegin(graph, operator, axis, size);
      return { size: slice.size, needs: (lo, hi) => everyone(lo + slice.begin, hi + slice.begin) };
    }
    case "CONCATENATION": {
      if ((options.int(0) + 4) % 4 !== axis) return { size, needs: everyone };
      let total = 0;
      const parts = pictures.map((index) => ({ index, from: total, to: (total += sizes.get(index)) - 1 }));
      const inside = ({ from, to }, lo, hi) => hi >= from && lo <= to;
      return {
        size: total,
        needs: (lo, hi) =>
          parts
            .filter((part) => inside(part, lo, hi))
            .map(({ index, from, to }) => [index, Math.max(lo, from) - from, Math.min(hi, to) - from]),
      };
    }
    default:
      return refuse(name);
  }
}

function reachAlong(graph, axis) {
  const [input] = graph.inputs;
  const [output] = graph.outputs;
  const size = graph.tensors[input].signature[axis];
  const sizes = new Map([[input, size > 0 ? size : FREE_SIZE]]);
  const steps = [];
  for (const operator of graph.operators) {
    if (!operator.inputs.some((index) => sizes.has(index))) continue;
    const step = along(graph, operator, axis, sizes);
    for (const index of operator.outputs) sizes.set(index, step.size);
    steps.push({ outputs: operator.outputs, needs: step.needs });
  }
  const whole = sizes.get(input);
  const scale = sizes.get(output) / whole;
  if (!Number.isInteger(scale)) refuse(`${sizes.get(output)} pixels out for ${whole} in`);

  const middle = whole >> 1;
  const asked = new Map([[output, [scale * middle, scale * middle + scale - 1]]]);
  for (const { outputs, needs } of steps.reverse()) {
    const range = outputs.map((index) => asked.get(index)).find(Boolean);
    if (!range) continue;
    for (const [index, lo, hi] of needs(...range)) {
      const [knownLo, knownHi] = asked.get(index) ?? [lo, hi];
      asked.set(index, [Math.min(lo, knownLo), Math.max(hi, knownHi)]);
    }
  }
  const [lo, hi] = asked.get(input) ?? refuse("an output that does not depend on the input");
  return { size: size > 0 ? size : null, scale, radius: Math.max(middle - lo, hi - middle) };
}

/**
 * What tiling needs: { scale, channels, size: [height, width] or null where it is free, radius: [down, across] } in LR
 * pixels. Throws an Error with one sentence for a network that this cannot tell of.
 */
export function reach(graph) {
  const [down, across] = [1, 2].map((axis) => reachAlong(graph, axis));
  if (down.scale !== across.scale) refuse(`scale ${down.scale} down and ${across.scale} across`);
  if ((down.size === null) !== (across.size === null)) refuse("a file with only one side free");
  return {
    scale: down.scale,
    channels: graph.tensors[graph.inputs[0]].signature[3],
    size: down.size === null ? null : [down.size, across.size],
    radius: [down.radius, across.radius],
  };
}
