// Puts what the page needs beside it: the LiteRT runtime out of node_modules, the model files out of zoo/presets,
// and the lists of networks.
// After this the folder web/ is a complete static site that asks nothing of any other host.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const packages = join(web, "node_modules", "@litertjs");
const presets = join(web, "..", "zoo", "presets");

function copyRuntime(to) {
  if (!existsSync(packages)) throw new Error("Expected node_modules/@litertjs. Received nothing: run `npm ci` first.");
  mkdirSync(join(to, "wasm"), { recursive: true });
  for (const name of readdirSync(join(packages, "core", "wasm"))) {
    // The JSPI build serves WebNN and graphs split between processors; the page uses neither.
    if (!name.includes("jspi")) copyFileSync(join(packages, "core", "wasm", name), join(to, "wasm", name));
  }
  // A worker has no import map, so the one bare import becomes a relative one.
  const runtime = readFileSync(join(packages, "core", "dist", "index.js"), "utf8");
  const bare = '"@litertjs/wasm-utils"';
  if (!runtime.includes(bare)) throw new Error(`Expected ${bare} in @litertjs/core. Received a build without it.`);
  const withoutMap = (source) => source.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  writeFileSync(join(to, "litert.js"), withoutMap(runtime.replace(bare, '"./wasm-utils.js"')));
  writeFileSync(
    join(to, "wasm-utils.js"),
    withoutMap(readFileSync(join(packages, "wasm-utils", "dist", "index.js"), "utf8")),
  );
}

/** The cards of the presets that have a file in this folder, the advised network of the smallest scale first. */
function writeIndex(folder, suffix) {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(suffix)) : [];
  const cards = files.map((file) => {
    const card = JSON.parse(readFileSync(join(presets, `${file.slice(0, -suffix.length)}.json`), "utf8"));
    return { ...card, file, quality: card.results.Set5.psnr, compressed: "compressed" in card };
  });
  cards.sort((a, b) => a.scale - b.scale || a.compressed - b.compressed || b.quality - a.quality);
  const entries = cards.map((card) => ({ file: card.file, scale: card.scale, label: label(card, cards) }));
  if (files.length) writeFileSync(join(folder, "index.json"), `${JSON.stringify(entries)}\n`);
  return files.length;
}

/** A preset's name, and what speaks for it among those of its scale. */
function label({ name, scale, channels, compressed, quality, macs_720p: macs }, cards) {
  const same = cards.filter((card) => card.scale === scale && !card.compressed);
  const words = [`×${scale} ${name}`];
  if (compressed) words.push("for JPEG files");
  else if (quality === Math.max(...same.map((card) => card.quality))) words.push("best");
  else if (macs === Math.min(...same.map((card) => card.macs_720p))) words.push("fastest");
  if (channels === 3) words.push("all three colours");
  return words.join(" · ");
}

function copyModels(to) {
  mkdirSync(to, { recursive: true });
  const names = existsSync(presets) ? readdirSync(presets).filter((name) => name.endsWith(".tflite")) : [];
  for (const name of names) copyFileSync(join(presets, name), join(to, name));
  return writeIndex(to, ".tflite");
}

rmSync(join(web, "vendor"), { recursive: true, force: true });
rmSync(join(web, "models"), { recursive: true, force: true });
copyRuntime(join(web, "vendor"));
const models = copyModels(join(web, "models"));
const shaders = writeIndex(join(web, "shaders"), ".wgsl");
console.log(`vendor/ holds the runtime, models/ ${models} networks for pictures, shaders/ ${shaders} for videos.`);
