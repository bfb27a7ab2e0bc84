// A video, from a file or the camera, enlarged frame by frame on a canvas by WebGPU.
import { openDevice, openShader } from "./shader.js";

const CAMERA = { video: { width: { ideal: 640 }, height: { ideal: 360 }, facingMode: "environment" } };
const SECOND = 1000;

export class Player {
  /** `watch({ frames, milliseconds, width, height, size })` is called about once a second, `fail(error)` if it ends. */
  constructor(video, canvas, watch, fail) {
    Object.assign(this, { video, canvas, watch, fail, device: null, network: null, opened: 0, abandon: () => {} });
  }

  /** Opens the graphics card, once. Throws an Error with one sentence where there is none. */
  async ready() {
    if (this.device) return;
    const device = await openDevice();
    device.lost.then(({ message }) => {
      this.device = this.network = null;
      this.fail(new Error(`Expected a graphics card that goes on. Received: ${message || "none any more"}.`));
    });
    // What does not fit into its memory is an error of the device, not of the call.
    device.onuncapturederror = ({ error }) =>
      this.fail(new Error(`Expected a graphics card with room for this video and network. Received: ${error.message}`));
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

  /** Plays a file. Resolves to whether it does: false if something newer took its place. */
  async openFile(file) {
    const number = this.stop();
    this.video.src = URL.createObjectURL(file);
    return this.begin(number, `Expected a video that this browser can play (MP4, WebM, …). Received: ${file.name}.`);
  }

  /** Plays the camera's pictures. Resolves as `openFile` does. */
  async openCamera() {
    const number = this.stop();
    if (!navigator.mediaDevices) {
      throw new Error("Expected a page served by https: or from this machine for the camera. Received: another address.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(CAMERA);
    } catch (error) {
      throw new Error(`Expected a camera that this page may use. Received: ${error.name ?? "none"}.`);
    }
    // Whoever is asked for the camera may have closed the film meanwhile, or opened another one.
    if (number !== this.opened) {
      stream.getTracks().forEach((track) => track.stop());
      return false;
    }
    this.video.srcObject = stream;
    return this.begin(number, "Expected a camera that gives pictures. Received: one that does not.");
  }

  async begin(number, otherwise) {
    const { video } = this;
    const abandoned = new Promise((resolve) => (this.abandon = resolve));
    const loaded = new Promise((resolve, reject) => {
      video.onloadeddata = () => (video.videoWidth ? resolve() : reject(new Error(otherwise)));
      video.onerror = () => reject(new Error(otherwise));
    });
    await Promise.race([loaded, abandoned]);
    if (number !== this.opened) return false;
    const shown = this.nextFrame();
    try {
      await video.play();
    } catch (error) {
      // What took its place has ended it.
      if (number === this.opened) throw error;
    }
    // Before that there is nothing to copy.
    await Promise.race([shown, abandoned]);
    if (number !== this.opened) return false;
    this.loop(number);
    return true;
  }

  /** Ends what plays, or is about to. Returns the number of what comes next. */
  stop() {
    this.opened++;
    this.abandon();
    const { video } = this;
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    if (video.src) URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
    return this.opened;
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
        // The graphics card may be lost meanwhile.
        await this.device?.queue.onSubmittedWorkDone();
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
    if (!this.network?.size) return;
    this.watch({ frames, milliseconds, width, height, size: this.network.size });
  }

  /** The frame that the video shows now. */
  async draw() {
    // Not every browser lets WebGPU copy from the video itself.
    const frame = await createImageBitmap(this.video);
    const { canvas, network, device } = this;
    if (!network) return frame.close();
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
