// Drives the page in a real Chromium: node tests/browser.js JOB.json   (tests/test_web.py writes the job)
// The job: { address, chromium, gpu, viewport, steps: [{ network, picture, video, … }] }, each step dropping files on the
// page, choosing a processor, moving the slider, pressing a button, waiting until an element says something, saving or
// taking a screenshot, as named; `frame` pauses the video and writes what it shows to this file, as RGBA bytes.
// Prints what the page then says, one object per step, and writes its pixels as RGBA bytes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const swiftshader = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  // What draws a WebGPU canvas and a video's frames has to be the same driver.
  "--use-angle=swiftshader",
  "--use-vulkan=swiftshader",
  "--ignore-gpu-blocklist",
];
const quiet = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  // Nothing but the page's own host has an address: as good as no network.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

async function drop(page, path) {
  const file = { name: basename(path), base64: readFileSync(path).toString("base64") };
  await page.evaluate(({ name, base64 }) => {
    const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([content], name));
    const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
    document.querySelector(".drop").dispatchEvent(event);
  }, file);
  await idle(page);
}

const idle = (page) => page.waitForFunction(() => document.body.dataset.busy === "0", null, { timeout: 120_000 });

const saw = (page) =>
  page.evaluate(() => {
    const ids = ["problem", "note", "about", "with", "size", "network-time", "frame-time", "frames"];
    ids.push("about-shader", "frame-rate", "video-time", "video-size", "verdicts");
    const texts = Object.fromEntries(ids.map((id) => [id, document.getElementById(id).textContent]));
    const camera = document.getElementById("video").srcObject?.active ?? false;
    const tags = [...document.querySelectorAll("#stack .tag")].map((tag) => tag.textContent);
    const shown = document.getElementById("after").getBoundingClientRect().width;
    const options = [...document.querySelectorAll("#network option")].map((option) => option.textContent);
    return { ...texts, camera, tags, shown, options, clip: getComputedStyle(document.getElementById("before")).clipPath };
  });

async function pixels(page, path, id) {
  const { width, height, base64 } = await page.evaluate((id) => {
    const shown = document.getElementById(id);
    const [width, height] = [shown.videoWidth ?? shown.width, shown.videoHeight ?? shown.height];
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(shown, 0, 0);
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
    return { width, height, base64: btoa(text) };
  }, id);
  writeFileSync(path, Buffer.from(base64, "base64"));
  return { width, height };
}

const profile = mkdtempSync(join(tmpdir(), "zoo-web-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: job.chromium,
  headless: true,
  ignoreDefaultArgs: ["--disable-gpu"],
  args: [...quiet, ...(job.gpu ? swiftshader : [])],
  viewport: job.viewport ?? { width: 1100, height: 900 },
});
try {
  const page = await context.newPage();
  const report = { steps: [], foreign: [], errors: [] };
  const own = (address) => address.startsWith(job.address) || /^(blob|data):/.test(address);
  context.on("request", (request) => own(request.url()) || report.foreign.push(request.url()));
  page.on("pageerror", (error) => report.errors.push(error.message));
  await page.goto(job.address);
  await idle(page);
  report.links = await page.evaluate(() =>
    Promise.all(
      [...document.querySelectorAll("a")]
        .filter(({ origin }) => origin === location.origin)
        .map(async ({ href }) => [href, (await fetch(href)).status]),
    ),
  );
  report.isolated = await page.evaluate(() => crossOriginIsolated);
  for (const step of job.steps) {
    if (step.processor) await page.selectOption("#processor", step.processor).then(() => idle(page));
    if (step.values) await page.selectOption("#values", step.values).then(() => idle(page));
    if (step.network) await drop(page, step.network);
    if (step.picture) await drop(page, step.picture);
    if (step.video) await drop(page, step.video);
    if (step.press) await page.click(step.press).then(() => idle(page));
    if (step.zoom) await page.selectOption("#zoom", step.zoom);
    if (step.double) await page.dblclick(step.double);
    if (step.split) await page.fill("#split", String(step.split));
    if (step.wait) {
      const said = (id) => document.querySelector(id).textContent !== "" || document.querySelector("#problem").textContent;
      await page.waitForFunction(said, step.wait, { timeout: 60_000 });
    }
    if (step.frame) {
      const paused = await page.evaluate(() => document.getElementById("video").paused);
      if (!paused) await page.click("#pause").then(() => idle(page));
    }
    if (step.save) {
      const button = step.frame ? "#save-frame" : "#save";
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      await download.saveAs(join(step.save, download.suggestedFilename()));
    }
    const result = await saw(page);
    if (step.frame) result.frame = await pixels(page, step.frame, "video");
    if (step.pixels && !result.problem) Object.assign(result, await pixels(page, step.pixels, "after"));
    if (step.screenshot) await page.screenshot({ path: step.screenshot, fullPage: true });
    report.steps.push(result);
  }
  console.log(JSON.stringify(report));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
