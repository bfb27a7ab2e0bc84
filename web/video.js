// The page's part for videos: what is dropped goes to the player, what it reports is said.
import { comparison, describe } from "./compare.js";
import { Networks } from "./networks.js";
import { save } from "./picture.js";
import { Player } from "./player.js";

const element = (id) => document.getElementById(id);
const networks = new Networks(element("shader"), "shaders/index.json");

/** Whether a file is for this part. Not every system knows the type of each. */
export const isVideo = ({ name, type }) => type.startsWith("video/") || /\.(wgsl|mp4|m4v|mov|mkv|webm|ogv)$/i.test(name);

/** Wires the part; `attempt` runs a task and says what goes wrong, `problem` says a sentence. */
export function videos(attempt, problem) {
  const player = new Player(element("video"), element("enlarged"), report, (error) => problem(error.message));
  const opened = { network: null, video: "" };
  const listed = networks.list().catch(() => undefined);

  async function openNetwork(name, text) {
    const { scale, channels } = await player.openNetwork(text);
    opened.network = name.replace(/\.wgsl$/, "");
    element("about-shader").textContent = `×${scale}, ${channels === 1 ? "luma" : "RGB"}, as WebGPU passes`;
    if (element("video").readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) await show();
  }

  const chooseNetwork = async (name) => openNetwork(name, await (await networks.open(name)).text());

  /** A network is there before a video is: the first one, or the one that a lost graphics card had. */
  async function prepare() {
    element("film").hidden = false;
    if (player.network) return;
    // What the browser lacks is said before what the page lacks.
    await player.ready();
    const first = await listed;
    if (!first) throw new Error("Expected a network for videos: drop a .wgsl file, or serve this page by `make web`.");
    if (!opened.network) element("shader").value = first;
    await chooseNetwork(element("shader").value);
  }

  async function take(file) {
    element("film").hidden = false;
    if (file.name.endsWith(".wgsl")) {
      await openNetwork(file.name, await file.text());
      return networks.add(file.name, file);
    }
    await prepare();
    if (await player.openFile(file)) await begun(file.name.replace(/\.[^.]*$/, ""));
  }

  async function begun(name) {
    opened.video = name;
    for (const id of ["pause", "save-frame"]) element(id).disabled = false;
    await show();
  }

  async function show() {
    await player.draw();
    const { width, height } = element("enlarged");
    describe(element("screen"), width, height, opened.network);
    element("pause").textContent = element("video").paused ? "Play" : "Pause";
  }

  function report({ frames, milliseconds, width, height, size }) {
    describe(element("screen"), ...size, opened.network);
    element("frame-rate").textContent = frames.toFixed(frames < 10 ? 1 : 0);
    element("video-time").textContent = `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
    element("video-size").textContent = `${width}×${height} → ${size.join("×")}`;
  }

  element("camera").addEventListener("click", () =>
    attempt(async () => {
      await prepare();
      if (await player.openCamera()) await begun("camera");
    }),
  );
  element("shader").addEventListener("change", ({ target }) => attempt(() => chooseNetwork(target.value)));
  element("pause").addEventListener("click", () =>
    attempt(async () => {
      const video = element("video");
      if (video.paused) await video.play();
      else video.pause();
      await show();
    }),
  );
  // A camera is then off, too.
  element("close").addEventListener("click", () => {
    player.stop();
    element("film").hidden = true;
    for (const id of ["pause", "save-frame"]) element(id).disabled = true;
    for (const id of ["frame-rate", "video-time", "video-size"]) element(id).textContent = "";
  });
  element("save-frame").addEventListener("click", () =>
    attempt(async () => save(await player.snapshot(), `${opened.video}_${opened.network}.png`)),
  );
  comparison(element("view-video"), element("split-video"), element("zoom-video"));
  return { take };
}
