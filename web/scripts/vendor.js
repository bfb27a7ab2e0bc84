// Puts what the page needs beside it: the LiteRT runtime out of node_modules, the model files out of zoo/presets.
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

function copyModels(to) {
  mkdirSync(to, { recursive: true });
  const names = existsSync(presets) ? readdirSync(presets).filter((name) => name.endsWith(".tflite")).sort() : [];
  for (const name of names) copyFileSync(join(presets, name), join(to, name));
  writeFileSync(join(to, "index.json"), `${JSON.stringify(names)}\n`);
  return names;
}

rmSync(join(web, "vendor"), { recursive: true, force: true });
rmSync(join(web, "models"), { recursive: true, force: true });
copyRuntime(join(web, "vendor"));
console.log(`vendor/ holds the runtime, models/ ${copyModels(join(web, "models")).length} model files.`);
