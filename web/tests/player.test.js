import assert from "node:assert/strict";
import { test } from "node:test";
import { Player } from "../player.js";

URL.createObjectURL = () => "blob:film";
URL.revokeObjectURL = () => undefined;

/** A video element that plays once its data are said to be there; no network, so that nothing is drawn. */
class Video {
  srcObject = null;
  src = "";
  videoWidth = 4;
  removeAttribute() {
    this.src = "";
  }
  async play() {}
  requestVideoFrameCallback(resume) {
    setTimeout(resume);
  }
}

/** A camera whose permission is given by `allow()`, one call after the other. */
function camera() {
  const asked = [];
  const tracks = [];
  const getUserMedia = () => new Promise((resolve) => asked.push(resolve));
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { mediaDevices: { getUserMedia } } });
  const allow = () => {
    const track = { stopped: false, stop: () => (track.stopped = true) };
    tracks.push(track);
    asked.shift()({ getTracks: () => [track] });
  };
  return { allow, tracks };
}

const soon = () => new Promise((resume) => setTimeout(resume));
const player = () => new Player(new Video(), {}, () => undefined, assert.fail);

test("of two cameras asked for, the first is off and the second plays", async () => {
  const [{ allow, tracks }, film] = [camera(), player()];
  const calls = [film.openCamera(), film.openCamera()];
  allow();
  allow();
  await soon();
  film.video.onloadeddata();
  assert.deepEqual(await Promise.all(calls), [false, true]);
  assert.deepEqual(tracks.map((track) => track.stopped), [true, false]);
  film.stop();
  assert.ok(tracks[1].stopped);
});

test("a camera that is allowed after the film was closed is off", async () => {
  const [{ allow, tracks }, film] = [camera(), player()];
  const call = film.openCamera();
  film.stop();
  allow();
  assert.equal(await call, false);
  assert.ok(tracks[0].stopped && film.video.srcObject === null);
});

test("a second file takes the place of one that has not loaded, and what ends its playing is no problem", async () => {
  const film = player();
  const first = film.openFile({ name: "first.mp4" });
  const second = film.openFile({ name: "second.mp4" });
  film.video.onloadeddata();
  assert.deepEqual(await Promise.all([first, second]), [false, true]);
  let end;
  film.video.play = () => new Promise((_, reject) => (end = reject));
  const third = film.openFile({ name: "third.mp4" });
  film.video.onloadeddata();
  await soon();
  film.stop();
  end(new Error("AbortError"));
  assert.equal(await third, false);
});

test("a file that does not play is named", async () => {
  const film = player();
  const call = film.openFile({ name: "words.txt" });
  film.video.onerror();
  await assert.rejects(call, /Received: words.txt/);
});
