// Puts what the page needs beside it: the LiteRT runtime out of node_modules, the model files out of zoo/presets, the
// lists of networks, the pages that it links to. After this the folder web/ is a complete static site that asks nothing of
// any other host.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const packages = join(web, "node_modules", "@litertjs");
// What the page links to.
const PAGES = ["limits.md", "presets.md", "export.md", "player.md"];
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

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The list of the presets that have a file in this folder: by scale, the advised one first, those for JPEG files last. */
function writeIndex(folder, suffix) {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(suffix)) : [];
  const cards = files.map((file) => {
    const card = JSON.parse(readFileSync(join(presets, `${file.slice(0, -suffix.length)}.json`), "utf8"));
    const quality = mean(Object.values(card.results).map(({ psnr }) => psnr));
    const free = card.redistribution === "free pictures only";
    return { ...card, file, quality, free, compressed: "compressed" in card };
  });
  // What zoo.registry.best_presets has: for luma, for pictures that were no JPEG files, with weights that may be shipped.
  const may = (card) => card.channels === 1 && !card.compressed && card.free;
  cards.sort((a, b) => a.scale - b.scale || a.compressed - b.compressed || may(b) - may(a) || b.quality - a.quality);
  const entries = cards.map((card) => {
    const same = cards.filter(({ scale, compressed }) => scale === card.scale && !compressed);
    const { file, name, scale, compressed } = card;
    return { file, name, scale, compressed, label: label(card, same) };
  });
  if (files.length) writeFileSync(join(folder, "index.json"), `${JSON.stringify(entries)}\n`);
  return files.length;
}

/** A preset's scale and name, and what speaks for it and against it among those of its scale. */
function label(card, same) {
  const words = [`×${card.scale} ${card.name}`];
  if (card === same[0]) words.push("best");
  if (card.compressed) words.push("for JPEG files");
  if (card.macs_720p === Math.min(...same.map((each) => each.macs_720p))) words.push("fastest");
  if (card.channels === 3) words.push("all three colours");
  if (!card.free) words.push("research only");
  return words.join(" · ");
}

function copyModels(to) {
  mkdirSync(to, { recursive: true });
  const names = existsSync(presets) ? readdirSync(presets).filter((name) => name.endsWith(".tflite")) : [];
  for (const name of names) copyFileSync(join(presets, name), join(to, name));
  return writeIndex(to, ".tflite");
}

function copyPages(to) {
  mkdirSync(to, { recursive: true });
  const docs = join(web, "..", "docs");
  const there = PAGES.filter((name) => existsSync(join(docs, name)));
  for (const name of there) copyFileSync(join(docs, name), join(to, name));
}

for (const folder of ["docs", "models"]) rmSync(join(web, folder), { recursive: true, force: true });
copyPages(join(web, "docs"));
rmSync(join(web, "vendor"), { recursive: true, force: true });
copyRuntime(join(web, "vendor"));
const models = copyModels(join(web, "models"));
const shaders = writeIndex(join(web, "shaders"), ".wgsl");
console.log(`vendor/ holds the runtime, models/ ${models} networks for pictures, shaders/ ${shaders} for videos.`);
