// Serves web/ on this machine: node scripts/serve.js [port]   (0 takes a free port)
// Any static server will do. This one adds the two headers that let WebAssembly use several threads.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const types = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".jpg": "image/jpeg",
  ".json": "application/json",
  ".md": "text/plain; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".tflite": "application/octet-stream",
  ".wasm": "application/wasm",
  ".wgsl": "text/plain; charset=utf-8",
};

function fileFor(url) {
  const path = decodeURIComponent(new URL(url, "http://localhost").pathname);
  const file = normalize(join(root, path.endsWith("/") ? `${path}index.html` : path));
  const inside = file.startsWith(root + sep) && !file.slice(root.length).includes(`${sep}.`);
  return inside && statSync(file, { throwIfNoEntry: false })?.isFile() ? file : null;
}

const server = createServer((request, response) => {
  let file = null;
  try {
    file = fileFor(request.url);
  } catch {
    // A malformed address is a page that is not there.
  }
  if (!file) {
    response.writeHead(404, { "Content-Type": "text/plain" }).end("Not found\n");
    return;
  }
  response.writeHead(200, {
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
  createReadStream(file).pipe(response);
});

server.on("error", (error) => {
  const taken = error.code === "EADDRINUSE";
  console.error(taken ? `Expected a free port. Received: ${error.port}, which is taken.` : error.message);
  process.exitCode = 2;
});
server.listen(Number(process.argv[2] ?? 8000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
