// A classic worker, as the LiteRT runtime wants one; the engine itself is a module. Jobs run one after the other.
const ready = import("./engine.js").then(async (engine) => ({ engine, runtime: await engine.start() }));
let queue = Promise.resolve();
let newest = 0;

self.onmessage = ({ data: job }) => {
  // A check takes no picture's place.
  if (job.kind === "open" || job.kind === "upscale") newest = job.id;
  queue = queue.then(() => answer(job));
};

async function answer({ id, kind, ...job }) {
  try {
    const { engine, runtime } = await ready;
    if (kind === "upscale") stopIfStale(id);
    if (kind === "start") {
      postMessage({ id, result: runtime });
    } else if (kind === "open") {
      postMessage({ id, result: await engine.open(job.bytes, job.values) });
    } else if (kind === "check") {
      postMessage({ id, result: await engine.check() });
    } else {
      const result = await engine.upscale(job.picture, job.processor, (done, tiles) => report(id, done, tiles));
      postMessage({ id, result }, [result.picture.data.buffer]);
    }
  } catch (error) {
    postMessage({ id, stopped: id < newest, error: error instanceof Error ? error.message : String(error) });
  }
}

async function report(id, done, tiles) {
  if (tiles === 1) return;
  postMessage({ id, progress: done / tiles });
  // Lets messages in: whatever comes next makes this picture superfluous.
  await new Promise((resume) => setTimeout(resume));
  stopIfStale(id);
}

function stopIfStale(id) {
  if (id < newest) throw new Error("Stopped for a newer job.");
}
