// Reads what the page must know of a .tflite file, and writes a size into one whose size is free.
// The field numbers are those of TensorFlow Lite's schema (tensorflow/compiler/mlir/lite/schema/schema.fbs); a
// FlatBuffer table starts with the distance back to its vtable, which gives each field's place by its number.

const TYPES = { 0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8" };

const OPERATORS = {
  0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE",
  14: "LOGISTIC", 18: "MUL", 19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR",
  26: "SPACE_TO_DEPTH", 28: "TANH", 34: "PAD", 39: "TRANSPOSE", 41: "SUB", 42: "DIV", 45: "STRIDED_SLICE",
  54: "PRELU", 55: "MAXIMUM", 57: "MINIMUM", 60: "PADV2", 65: "SLICE", 67: "TRANSPOSE_CONV", 77: "SHAPE",
  97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 100: "MIRROR_PAD", 114: "QUANTIZE", 116: "ROUND",
  117: "HARD_SWISH", 150: "GELU", 152: "RELU_0_TO_1",
}; // prettier-ignore

export class Table {
  constructor(view, at) {
    this.view = view;
    this.at = at;
    this.vtable = at - view.getInt32(at, true);
    this.vtableSize = view.getUint16(this.vtable, true);
  }

  place(field) {
    const slot = 4 + 2 * field;
    const offset = slot < this.vtableSize ? this.view.getUint16(this.vtable + slot, true) : 0;
    return offset ? this.at + offset : 0;
  }

  byte(field, otherwise = 0) {
    const place = this.place(field);
    return place ? this.view.getUint8(place) : otherwise;
  }

  int(field, otherwise = 0) {
    const place = this.place(field);
    return place ? this.view.getInt32(place, true) : otherwise;
  }

  follow(field) {
    const place = this.place(field);
    return place ? place + this.view.getUint32(place, true) : 0;
  }

  table(field) {
    const place = this.follow(field);
    return place ? new Table(this.view, place) : null;
  }

  tables(field) {
    const { start, length } = this.vector(field);
    return Array.from({ length }, (_, i) => {
      const place = start + 4 * i;
      return new Table(this.view, place + this.view.getUint32(place, true));
    });
  }

  vector(field) {
    const place = this.follow(field);
    return place ? { start: place + 4, length: this.view.getUint32(place, true) } : { start: 0, length: 0 };
  }

  text(field) {
    const { start, length } = this.vector(field);
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, length));
  }

  floats(field) {
    const { start, length } = this.vector(field);
    return Array.from({ length }, (_, i) => this.view.getFloat32(start + 4 * i, true));
  }

  ints(field) {
    const { start, length } = this.vector(field);
    return Array.from({ length }, (_, i) => this.view.getInt32(start + 4 * i, true));
  }
}

export function isTflite(bytes) {
  return bytes.length >= 8 && String.fromCharCode(...bytes.subarray(4, 8)) === "TFL3";
}

function readTensor(table, buffers) {
  const shape = table.ints(0);
  const signature = table.ints(7);
  const type = TYPES[table.byte(1)] ?? "another type";
  const quantization = table.table(4);
  const scales = quantization?.vector(2) ?? { length: 0 };
  const zeros = quantization?.vector(3) ?? { length: 0 };
  return {
    shape,
    signature: signature.length ? signature : shape,
    type,
    scale: scales.length ? table.view.getFloat32(scales.start, true) : null,
    zero: zeros.length ? Number(table.view.getBigInt64(zeros.start, true)) : 0,
    data: buffers[table.int(2)].vector(0),
    table,
  };
}

/** The numbers of a constant int32 or int64 tensor, or null if the tensor is computed. */
export function constantInts(graph, index) {
  const { type, data } = graph.tensors[index];
  if (!data.length || !["int32", "int64"].includes(type)) return null;
  const wide = type === "int64";
  return Array.from({ length: data.length / (wide ? 8 : 4) }, (_, i) =>
    wide ? Number(graph.view.getBigInt64(data.start + 8 * i, true)) : graph.view.getInt32(data.start + 4 * i, true),
  );
}

/**
 * The first subgraph of a .tflite file: its tensors, its operators in the order in which they run, input and output.
 * Throws an Error with one sentence if the bytes are no such file or the network does not map a picture to a picture.
 */
export function readGraph(bytes) {
  if (!isTflite(bytes)) throw new Error("Expected a TFLite file. Received a file of another kind.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let graph;
  try {
    const model = new Table(view, view.getUint32(0, true));
    // Field 3 is the operator's number; field 0 holds it in files from before there were more than 127 operators.
    const codes = model.tables(1).map((code) => Math.max(code.byte(0), code.int(3)));
    const buffers = model.tables(4);
    const [subgraph] = model.tables(2);
    graph = {
      view,
      // Whatever else the file carries, by name: where its bytes lie.
      attached: new Map(model.tables(6).map((entry) => [entry.text(0), buffers[entry.int(1)].vector(0)])),
      tensors: subgraph.tables(0).map((table) => readTensor(table, buffers)),
      inputs: subgraph.ints(1),
      outputs: subgraph.ints(2),
      operators: subgraph.tables(3).map((table) => ({
        name: OPERATORS[codes[table.int(0)]] ?? `operator number ${codes[table.int(0)]}`,
        inputs: table.ints(1),
        outputs: table.ints(2),
        options: table.table(4),
      })),
    };
  } catch {
    throw new Error("Expected a whole TFLite file. Received one that is damaged or cut off.");
  }
  checkEnds(graph);
  return graph;
}

function checkEnds(graph) {
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1) {
    throw new Error(
      "Expected a network with one input and one output. " +
        `Received: ${graph.inputs.length} inputs, ${graph.outputs.length} outputs.`,
    );
  }
  for (const [name, index] of [["input", graph.inputs[0]], ["output", graph.outputs[0]]]) {
    const { signature, type } = graph.tensors[index];
    const isPicture = signature.length === 4 && [1, -1].includes(signature[0]) && [1, 3].includes(signature[3]);
    if (!isPicture) {
      throw new Error(`Expected an ${name} of (1, height, width, 1 or 3). Received: (${signature.join(", ")}).`);
    }
    if (!["float32", "uint8"].includes(type)) {
      throw new Error(`Expected a float32 or uint8 ${name}, as browsers run them. Received: ${type}.`);
    }
  }
  const channels = [graph.inputs[0], graph.outputs[0]].map((index) => graph.tensors[index].signature[3]);
  if (channels[0] !== channels[1]) {
    throw new Error(`Expected as many channels out as in. Received: ${channels[0]} in, ${channels[1]} out.`);
  }
}

/**
 * The same file with its input and output fixed at these sizes ([height, width] each).
 * LiteRT.js runs fixed sizes only; every size between input and output follows from the input's.
 */
export function withSize(bytes, inputSize, outputSize) {
  const sized = bytes.slice();
  const graph = readGraph(sized);
  for (const [index, size] of [[graph.inputs[0], inputSize], [graph.outputs[0], outputSize]]) {
    const { table } = graph.tensors[index];
    for (const field of [0, 7]) {
      const { start, length } = table.vector(field);
      if (length === 4) [1, ...size].forEach((value, axis) => graph.view.setInt32(start + 4 * axis, value, true));
    }
  }
  return sized;
}
