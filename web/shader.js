// A network as WebGPU passes: a .wgsl file of `zoo export --formats=wgsl`, whose header says what runs it.

const PLAN = "// passes: ";

const MISSING =
  "Expected a browser with WebGPU for videos: Chrome or Edge, Safari 26 or Firefox 141, or later ones. Received: one " +
  "without it, or no graphics card that it uses. Pictures need none.";

/** The graphics card. Throws an Error with one sentence where there is no WebGPU. */
export async function openDevice() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error(MISSING);
  // A texture holds all maps of a picture side by side.
  return adapter.requestDevice({
    requiredLimits: { maxTextureDimension2D: adapter.limits.maxTextureDimension2D },
  });
}

/** What a file's header says: { scale, channels, margin, threads, passes }. */
export function readPlan(text) {
  try {
    const line = text.split("\n", 20).find((each) => each.startsWith(PLAN));
    const plan = JSON.parse(line.slice(PLAN.length));
    if (plan.passes.length && [1, 3].includes(plan.channels)) return plan;
  } catch {
    // Said below.
  }
  throw new Error("Expected a .wgsl file of `zoo export --formats=wgsl`. Received: another file.");
}

// What is shown: RGB as the network gives it, or its luma with the picture's own colour, enlarged bicubically as in
// color.js. Luma is the same share of red, green and blue (255 / 219 of it in studio range), so that putting it in the
// place of the enlarged picture's luma adds the same to all three.
const SHOWN = `
@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var enlarged: texture_2d<f32>;
override scale: i32;

@vertex fn corner(@builtin(vertex_index) number: u32) -> @builtin(position) vec4f {
  return vec4f(f32(number & 1) * 4 - 1, f32(number >> 1) * 4 - 1, 0, 1);
}

fn cubic(t: f32) -> f32 {
  let x = abs(t);
  let near = (1.5 * x - 2.5) * x * x + 1;
  let far = ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return select(select(0.0, far, x <= 2), near, x <= 1);
}

fn source(place: vec2i) -> vec3f {
  let n = vec2i(textureDimensions(picture));
  let q = place - 2 * n * vec2i(floor(vec2f(place) / vec2f(2 * n)));
  return textureLoad(picture, min(q, 2 * n - 1 - q), 0).rgb;
}

@fragment fn rgb(@builtin(position) at: vec4f) -> @location(0) vec4f {
  return vec4f(textureLoad(enlarged, vec2i(at.xy), 0).rgb, 1);
}

@fragment fn luma(@builtin(position) at: vec4f) -> @location(0) vec4f {
  let place = at.xy / f32(scale) - 0.5;
  let first = vec2i(floor(place)) - 1;
  var color = vec3f();
  for (var y = 0; y < 4; y++) {
    for (var x = 0; x < 4; x++) {
      let q = first + vec2i(x, y);
      let away = place - vec2f(q);
      color += cubic(away.x) * cubic(away.y) * source(q);
    }
  }
  let y = (16 + dot(color, vec3f(65.481, 128.553, 24.966))) / 255;
  let wanted = textureLoad(enlarged, vec2i(at.xy), 0).x;
  return vec4f(color + 255.0 / 219 * (wanted - y), 1);
}
`;

/** Builds the passes of a file. Returns a ShaderNetwork; throws an Error with one sentence where they do not compile. */
export async function openShader(device, text, format) {
  const plan = readPlan(text);
  const module = device.createShaderModule({ code: text });
  const { messages } = await module.getCompilationInfo();
  const mistake = messages.find(({ type }) => type === "error");
  if (mistake) throw new Error(`Expected passes that this browser compiles. Received: ${mistake.message}.`);
  const compute = (entryPoint) =>
    device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint } });
  const shown = device.createShaderModule({ code: SHOWN });
  const entryPoint = plan.channels === 1 ? "luma" : "rgb";
  const constants = plan.channels === 1 ? { scale: plan.scale } : {};
  const show = device.createRenderPipelineAsync({
    layout: "auto",
    vertex: { module: shown, entryPoint: "corner" },
    fragment: { module: shown, entryPoint, constants, targets: [{ format }] },
  });
  const passes = await Promise.all([...plan.passes.map(({ entry }) => compute(entry)), show]);
  return new ShaderNetwork(device, plan, passes.slice(0, -1), passes.at(-1));
}

class ShaderNetwork {
  constructor(device, plan, pipelines, show) {
    Object.assign(this, { device, plan, pipelines, show, picture: null, textures: [] });
  }

  /** Makes room for pictures of this size; throws an Error with one sentence where the graphics card has none. */
  resize(width, height) {
    if (this.picture?.width === width && this.picture?.height === height) return;
    const { margin, passes, scale } = this.plan;
    const sizes = passes.map(({ grid: [columns, rows] }, number) => {
      const around = number === passes.length - 1 ? 0 : 2 * margin;
      return [columns * (width + around), rows * (height + around)];
    });
    const most = this.device.limits.maxTextureDimension2D;
    if (Math.max(...sizes.flat()) > most) {
      throw new Error(
        `Expected a video that this network's maps fit for on this graphics card, ${most} texels a side. Received: ` +
          `${width}×${height}, which takes ${Math.max(...sizes.flat())}: choose a smaller network or video.`,
      );
    }
    this.release();
    const { TEXTURE_BINDING, STORAGE_BINDING, COPY_DST, RENDER_ATTACHMENT } = GPUTextureUsage;
    const texture = (size, format, usage) => this.device.createTexture({ size, format, usage: usage | TEXTURE_BINDING });
    this.picture = texture([width, height], "rgba8unorm", COPY_DST | RENDER_ATTACHMENT);
    this.textures = sizes.map((size) => texture(size, "rgba16float", STORAGE_BINDING));
    const [picture, ...maps] = [this.picture, ...this.textures].map((each) => each.createView());
    const group = (pipeline, entries) =>
      this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    this.groups = passes.map(({ picture: read, reads }, number) =>
      group(this.pipelines[number], [
        ...(read ? [{ binding: 0, resource: picture }] : []),
        { binding: 1, resource: maps[number] },
        ...reads.map((source) => ({ binding: 2 + source, resource: maps[source] })),
      ]),
    );
    const shown = [{ binding: 1, resource: maps.at(-1) }];
    if (this.plan.channels === 1) shown.unshift({ binding: 0, resource: picture });
    this.shownGroup = group(this.show, shown);
    this.size = [scale * width, scale * height];
  }

  /** The picture that lies in `this.picture`, enlarged, into a texture of `this.size`. */
  run(target) {
    const { margin, threads, passes } = this.plan;
    const encoder = this.device.createCommandEncoder();
    const compute = encoder.beginComputePass();
    passes.forEach((_, number) => {
      const around = number === passes.length - 1 ? 0 : 2 * margin;
      compute.setPipeline(this.pipelines[number]);
      compute.setBindGroup(0, this.groups[number]);
      const groups = [this.picture.width, this.picture.height].map((side, axis) =>
        Math.ceil((side + around) / threads[axis]),
      );
      compute.dispatchWorkgroups(...groups);
    });
    compute.end();
    const render = encoder.beginRenderPass({
      colorAttachments: [{ view: target.createView(), loadOp: "clear", storeOp: "store" }],
    });
    render.setPipeline(this.show);
    render.setBindGroup(0, this.shownGroup);
    render.draw(3);
    render.end();
    this.device.queue.submit([encoder.finish()]);
  }

  release() {
    this.picture?.destroy();
    for (const each of this.textures) each.destroy();
    this.picture = null;
  }
}
