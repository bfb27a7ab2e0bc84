// A video, from a file or the camera, enlarged frame by frame on a canvas by WebGPU.
import { openDevice, openShader } from "./shader.js";

const CAMERA = { video: { width: { ideal: 640 }, height: { ideal: 360 }, facingMode: "environment" } };
const SECOND = 1000;

export class Player {
  /** `watch({ frames, milliseconds, width, height, size })` is called about once a second, `fail(error)` if it ends. */
  constructor(video, canvas, watch, fail) {
    Object.assign(this, { video, canvas, watch, fail, device: null, network: null, frames: 0, opened: 0 });
  }

  /** Opens the graphics card, once. Throws an Error with one sentence where there is none. */
  async ready() {
    if (this.device) return;
    const device = await openDevice();
    device.lost.then(({ message }) => {
      this.device = this.network = null;
      this.fail(new Error(`Expected a graphics card that goes on. Received: ${message || "none any more"}.`));
    });
    this.device = device;
    this.format = navigator.gpu.getPreferredCanvasFormat();
    this.context = this.canvas.getContext("webgpu");
    this.context.configure({ device, format: this.format, alphaMode: "opaque" });
  }

  /** Takes a .wgsl file's text as the network. Returns its plan. */
  async openNetwork(text) {
    await this.ready();
    const network = await openShader(this.device, text, this.format);
    this.network?.release();
    this.network = network;
    return network.plan;
  }

  async openFile(file) {
    this.stop();
    this.video.src = URL.createObjectURL(file);
    await this.begin(`Expected a video that this browser can play (MP4, WebM, …). Received: ${file.name}.`);
  }

  async openCamera() {
    this.stop();
    if (!navigator.mediaDevices) {
      throw new Error("Expected a page served by https: or from this machine for the camera. Received: another address.");
    }
    try {
      this.video.srcObject = await navigator.mediaDevices.getUserMedia(CAMERA);
    } catch (error) {
      throw new Error(`Expected a camera that this page may use. Received: ${error.name ?? "none"}.`);
    }
    await this.begin("Expected a camera that gives pictures. Received: one that does not.");
  }

  async begin(otherwise) {
    const { video } = this;
    await new Promise((resolve, reject) => {
      video.onloadeddata = () => (video.videoWidth ? resolve() : reject(new Error(otherwise)));
      video.onerror = () => reject(new Error(otherwise));
    });
    const shown = this.nextFrame();
    await video.play();
    // Before that there is nothing to copy.
    await shown;
    this.loop(++this.opened);
  }

  stop() {
    this.opened++;
    const { video } = this;
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    if (video.src) URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
  }

  /** Draws each frame as it comes; the next one only when the graphics card has done the last. */
  async loop(number) {
    let [since, frames, busy] = [performance.now(), 0, 0];
    try {
      while (number === this.opened) {
        await this.nextFrame();
        if (number !== this.opened || !this.network) continue;
        const begun = performance.now();
        await this.draw();
        await this.device.queue.onSubmittedWorkDone();
        const now = performance.now();
        frames++;
        busy += now - begun;
        if (now - since < SECOND) continue;
        this.report((SECOND * frames) / (now - since), busy / frames);
        [since, frames, busy] = [now, 0, 0];
      }
    } catch (error) {
      this.fail(error);
    }
  }

  nextFrame() {
    return new Promise((resume) => this.video.requestVideoFrameCallback(resume));
  }

  report(frames, milliseconds) {
    const { videoWidth: width, videoHeight: height } = this.video;
    this.watch({ frames, milliseconds, width, height, size: this.network.size });
  }

  /** The frame that the video shows now. */
  async draw() {
    // Not every browser lets WebGPU copy from the video itself.
    const frame = await createImageBitmap(this.video);
    const { canvas, network, device } = this;
    const { width, height } = frame;
    network.resize(width, height);
    if (canvas.width !== network.size[0]) canvas.width = network.size[0];
    if (canvas.height !== network.size[1]) canvas.height = network.size[1];
    device.queue.copyExternalImageToTexture({ source: frame }, { texture: network.picture }, [width, height]);
    frame.close();
    network.run(this.context.getCurrentTexture());
  }

  /** The same as a canvas whose pixels can be read: until this task ends, the one on the page can be copied from. */
  async snapshot() {
    const copy = document.createElement("canvas");
    await this.draw();
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    copy.getContext("2d").drawImage(this.canvas, 0, 0);
    return copy;
  }
}
