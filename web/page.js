// The page: what is dropped goes to the worker, what comes back goes on the canvas.
import { comparison, describe } from "./compare.js";
import { Networks } from "./networks.js";
import { choices } from "./ranges.js";
import { checkSize, openPicture, paint, pixelsOf, save } from "./picture.js";
import { isTflite } from "./tflite.js";
import { isVideo, videos } from "./video.js";

const element = (id) => document.getElementById(id);
const MEASURED_FRAMES = 10;
// One range for both ends of a network, or two.
const inWords = (values) => values.replaceAll("..", " to ").replace("-", "−").replace(":", " in, ");

const networks = new Networks(element("network"), "models/index.json");
const video = videos(attempt, problem);
const state = { network: null, picture: null, pictureName: "", runtime: null };

const worker = new Worker(new URL("./worker.js", import.meta.url));
const waiting = new Map();
let lastJob = 0;

worker.onmessage = ({ data }) => {
  const job = waiting.get(data.id);
  if ("progress" in data) {
    element("progress").value = data.progress;
    return;
  }
  waiting.delete(data.id);
  if (data.stopped) job.resolve(null);
  else if (data.error) job.reject(new Error(data.error));
  else job.resolve(data.result);
};
worker.onerror = () => problem("Expected a browser that runs WebAssembly in a worker. Received: one that does not.");

/** Sends the worker a job. Resolves to its result, or to null if a newer job took its place. */
function ask(kind, job = {}) {
  const id = ++lastJob;
  worker.postMessage({ id, kind, ...job });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

function problem(sentence) {
  element("problem").textContent = sentence;
}

/** Runs `task` with the page marked as busy; what goes wrong becomes one sentence on the page. */
async function attempt(task) {
  problem("");
  element("progress").removeAttribute("value");
  document.body.dataset.busy = String(Number(document.body.dataset.busy ?? 0) + 1);
  try {
    await task();
  } catch (error) {
    problem(error.message);
  } finally {
    document.body.dataset.busy = String(Number(document.body.dataset.busy) - 1);
  }
}

async function take(file) {
  if (!file) return;
  if (isVideo(file)) return video.take(file);
  const bytes = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  if (isTflite(bytes) || file.name.endsWith(".tflite")) {
    await openNetwork(file.name, new Uint8Array(await file.arrayBuffer()));
    networks.add(file.name, file);
  } else {
    const image = await openPicture(file);
    checkSize({ width: image.naturalWidth, height: image.naturalHeight }, state.network?.scale ?? 1);
    state.picture = pixelsOf(image);
    state.pictureName = file.name;
  }
  await show();
}

async function chooseNetwork(name) {
  return openNetwork(name, new Uint8Array(await (await networks.open(name)).arrayBuffer()));
}

async function openNetwork(name, bytes) {
  element("verdicts").replaceChildren();
  const shape = await ask("open", { bytes, values: element("values").value });
  if (!shape) return;
  state.network = { name, ...shape };
  const size = shape.size ? `tiles of ${shape.size[1]}×${shape.size[0]}` : "any size";
  const [down, across] = shape.radius;
  const reach = down === across ? `${down}` : `${across}×${down}`;
  const colour = shape.channels === 1 ? "luma" : "RGB";
  const [taken, given] = [shape.taken, shape.given].map((ends) => ends.join(" to ").replace("-", "−"));
  const values = taken === given ? taken : `${taken} in and ${given} out`;
  element("about").textContent =
    `×${shape.scale}, ${colour}, ${size}, values from ${values}, looks ${reach} pixels to each side`;
}

async function upscale() {
  const { picture, network } = state;
  checkSize(picture, network.scale);
  return ask("upscale", { picture, processor: element("processor").value });
}

/** Puts the picture on the page. Resolves to what `upscale` did, null if there is nothing to show. */
async function show() {
  if (!state.picture || !state.network) return null;
  const { picture, pictureName } = state;
  const result = await upscale();
  if (!result) return null;
  paint(element("before"), picture);
  paint(element("after"), result.picture);
  const name = state.network.name.replace(/\.tflite$/, "");
  describe(element("stack"), result.picture.width, result.picture.height, name);
  element("result").hidden = false;
  state.savedName = `${pictureName.replace(/\.[^.]*$/, "")}_${name}.png`;
  report(result, [result.milliseconds], picture);
  return result;
}

function report({ picture: after, processor, why, tiles, mirrored, finite }, times, before) {
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const milliseconds = (name) => {
    const value = median(times.map((each) => each[name]));
    return value < 100 ? value.toFixed(1) : value.toFixed(0);
  };
  const threads = processor === "WebAssembly" && state.runtime.threads > 1 ? `, ${state.runtime.threads} threads` : "";
  const tiling = tiles > 1 ? `, ${tiles} tiles` : "";
  element("size").textContent = `${before.width}×${before.height} → ${after.width}×${after.height}${tiling}`;
  element("with").textContent = `${processor}${threads}`;
  element("network-time").textContent = `${milliseconds("network")} ms`;
  element("frame-time").textContent = `${milliseconds("frame")} ms`;
  element("frames").textContent = times.length > 1 ? `median of ${times.length}` : "first run";
  const border = "This file's tile is no larger than twice the network's reach: the picture's border may be darker.";
  const infinite = "This network gives NaN or infinity: those pixels mean nothing.";
  const { name, remark, scale } = state.network;
  const other = networks.forJpeg(scale);
  const blocks = `If the blocks of JPEG show, take ${other}, which is for such files.`;
  const jpeg = /\.jpe?g$/i.test(state.pictureName) && other && !name.startsWith(other) ? blocks : null;
  const notes = [why, remark, mirrored ? null : border, finite ? null : infinite, jpeg];
  element("note").textContent = notes.filter(Boolean).join(" ");
}

/** Both verdicts on WebGPU, each a line. */
async function check() {
  const sentences = (await ask("check")) ?? [];
  element("verdicts").replaceChildren(
    ...sentences.map((sentence) => {
      const line = document.createElement("li");
      line.textContent = `${sentence}.`;
      return line;
    }),
  );
}

async function measure() {
  const { picture, network } = state;
  const times = [];
  // It stops the picture that is being computed, if there is one, so the first frame is shown.
  let result = await show();
  while (result) {
    times.push(result.milliseconds);
    element("progress").value = times.length / MEASURED_FRAMES;
    if (times.length === MEASURED_FRAMES) return report(result, times, picture);
    // Another picture or network is not measured in its place, and not stopped.
    if (state.picture !== picture || state.network !== network) return;
    result = await upscale();
  }
}

async function begin() {
  state.runtime = await ask("start");
  for (const option of element("processor").options) {
    if (option.value.startsWith("webgpu")) option.disabled = !state.runtime.webgpu;
  }
  const first = await networks.list();
  // A network or a picture may have been dropped while the runtime was on its way.
  if (!state.network && !waiting.size) {
    element("network").value = first;
    if (first) await chooseNetwork(first);
    else element("about").textContent = "none yet: drop a .tflite file";
  }
  await show();
}

element("file").addEventListener("change", ({ target }) => {
  attempt(() => take(target.files[0])).then(() => (target.value = ""));
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  attempt(() => take(event.dataTransfer.files[0]));
});
element("network").addEventListener("change", ({ target }) => {
  attempt(async () => {
    await chooseNetwork(target.value);
    await show();
  });
});
element("processor").addEventListener("change", () => attempt(show));
for (const values of choices()) {
  const words = values.includes(":") ? `${inWords(values)} out` : inWords(values);
  element("values").add(new Option(words, values));
}
element("values").addEventListener("change", () =>
  attempt(async () => {
    await chooseNetwork(element("network").value);
    await show();
  }),
);
element("check").addEventListener("click", () => attempt(check));
element("measure").addEventListener("click", () => attempt(measure));
element("save").addEventListener("click", () => attempt(() => save(element("after"), state.savedName)));
comparison(element("view"), element("split"), element("zoom"));
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () =>
    attempt(async () => {
      const address = button.dataset.sample;
      const response = await fetch(address);
      if (!response.ok) throw new Error(`Expected ${address} beside this page. Received: status ${response.status}.`);
      await take(new File([await response.blob()], address.split("/").pop()));
    }),
  );
}

attempt(begin);
