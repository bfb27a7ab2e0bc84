import assert from "node:assert/strict";
import { test } from "node:test";
import * as color from "../color.js";

const picture = (width, height, pixelAt) => {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(pixelAt(y, x), 4 * (y * width + x));
  return { width, height, data };
};
const whole = ({ width, height }) => ({ top: 0, bottom: height, left: 0, right: width });

test("BT.601 in studio range: white is 235, black 16, red's Cr 240", () => {
  const colours = picture(3, 1, (_, x) => [[255, 255, 255, 255], [0, 0, 0, 255], [255, 0, 0, 255]][x]);
  const close = (values, expected) => values.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-4));
  close(color.plane(colours, whole(colours), color.luma), [235, 16, 81.481]);
  close(color.plane(colours, whole(colours), color.chroma[0]), [128, 128, 90.203]);
  close(color.plane(colours, whole(colours), color.chroma[1]), [128, 128, 240]);
});

test("YCbCr comes back as the colour it was", () => {
  const source = picture(16, 16, (y, x) => [17 * y, 17 * x, (y * x) % 256, 255]);
  const planes = [color.luma, ...color.chroma].map((valueAt) => color.plane(source, whole(source), valueAt));
  const back = { ...source, data: new Uint8ClampedArray(source.data.length).fill(255) };
  color.writeYcbcr(back, whole(source), ...planes);
  assert.deepEqual(back.data, source.data);
});

test("bicubic keeps a flat picture flat and a ramp straight", () => {
  const flat = picture(5, 3, () => [90, 90, 90, 255]);
  color.enlarge(flat, whole(flat), 3, color.channel(0)).forEach((value) => assert.ok(Math.abs(value - 90) < 1e-4));
  const ramp = picture(9, 9, (y, x) => [10 * x, 10 * y, 0, 255]);
  const across = color.enlarge(ramp, whole(ramp), 2, color.channel(0));
  // Away from the border output pixel i lies at (i + 1/2) / 2 - 1/2.
  for (let i = 4; i < 14; i++) assert.ok(Math.abs(across[9 * 18 + i] - 10 * ((i + 0.5) / 2 - 0.5)) < 1e-4);
});

test("regions of an enlarged picture are the whole one's to the last bit", () => {
  const noise = picture(23, 17, (y, x) => [(y * 7919 + x * 104729) % 256, 0, 0, 255]);
  const all = color.enlarge(noise, whole(noise), 3, color.channel(0));
  const region = { top: 5, bottom: 11, left: 8, right: 23 };
  const part = color.enlarge(noise, region, 3, color.channel(0));
  part.forEach((value, i) => {
    const [y, x] = [3 * region.top + Math.floor(i / 45), 3 * region.left + (i % 45)];
    assert.equal(value, all[y * 69 + x]);
  });
});

test("a colour makes a picture not grey, a hole makes it not opaque", () => {
  const grey = picture(4, 4, (y, x) => [9 * y + x, 9 * y + x, 9 * y + x, 255]);
  assert.ok(color.isGrey(grey) && color.isOpaque(grey));
  const touched = { ...grey, data: grey.data.slice() };
  touched.data[4 * 15 + 2] ^= 1;
  touched.data[4 * 3 + 3] = 254;
  assert.ok(!color.isGrey(touched) && !color.isOpaque(touched));
});
