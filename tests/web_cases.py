"""The page in a real Chromium: what starts it, drives it and compares its pixels."""

import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.upscale import upscale

WEB = Path(__file__).resolve().parent.parent / "web"
NODE, NPM, CHROMIUM = (shutil.which(name) for name in ("node", "npm", "chromium"))
SECONDS = 240


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The runtime beside the page, as `npm ci` and `npm run serve` leave it."""
    if not NODE or not NPM:
        pytest.skip("the page needs Node.js and npm: apt-get install nodejs npm")
    if not CHROMIUM:
        pytest.skip("the browser tests need Chromium: apt-get install chromium libvulkan1")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("web/node_modules is missing: npm ci --prefix web")
    subprocess.run([NPM, "run", "--silent", "vendor"], cwd=WEB, check=True, timeout=60)


def network(name, scale, channels=1, **options):
    """A network with random weights, whose output has a picture's range: levels around the middle, few clipped."""
    keras.utils.set_random_seed(7)
    model = zoo.create_model(name, scale=scale, channels=channels, **options)
    for weight in model.trainable_weights:
        if weight.name in ("bias", "alpha"):
            weight.assign(np.random.uniform(-0.1, 0.1, weight.shape))
    output = model(np.random.uniform(size=(1, 24, 31, channels)).astype("float32")).numpy()
    last = model.layers[-1]
    gain = 0.15 / output.std()
    last.kernel.assign(last.kernel * gain)
    last.bias.assign((last.bias - output.mean()) * gain + 0.5)
    return model


def tflite(model, path, size=(None, None), **options):
    signature = [tf.TensorSpec((1, *size, model.input_shape[-1]), tf.float32)]
    model.export(str(path), format="litert", verbose=False, input_signature=signature, **options)
    return path


def photo(height, width, channels=3):
    """Waves of many lengths in all colours, and noise: nothing that survives a shift or a swapped channel."""
    random = np.random.default_rng(height * width)
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    waves = np.sin(0.31 * y + 0.17 * x + c) + np.sin(0.023 * y * (c + 1) - 0.041 * x) + np.sin(0.9 * x * (2 - c) / 2)
    return (127 + 38 * waves + random.uniform(-12, 12, waves.shape)).clip(0, 255).astype(np.uint8)


def expected(image, model):
    """What Python makes of a picture: as RGB where it was grey, without tiles as the pictures here are small."""
    result = upscale(image, model)
    return np.dstack([result] * 3) if result.ndim == 2 else result


def run_browser(job, folder):
    """Runs the steps of a job in Chromium; returns its report, each step's pixels as an RGBA array."""
    for number, step in enumerate(job["steps"]):
        step["pixels"] = str(folder / f"{number}.rgba")
    (folder / "job.json").write_text(json.dumps({"chromium": CHROMIUM, **job}))
    process = subprocess.Popen(
        [NODE, "tests/browser.js", str(folder / "job.json")],
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaints = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, complaints
    report = json.loads(output)
    for step, result in zip(job["steps"], report["steps"]):
        if "width" in result:
            shape = (result["height"], result["width"], 4)
            result["pixels"] = np.fromfile(step["pixels"], np.uint8).reshape(shape)
    assert report["errors"] == []
    assert report["foreign"] == [], "the page asked another host"
    return report


@pytest.fixture
def own_server():
    """`node scripts/serve.js` on a free port: with the headers that allow threads."""
    process = subprocess.Popen([NODE, "scripts/serve.js", "0"], cwd=WEB, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def plain_server():
    """A static server that knows nothing of the page, and sends no special headers."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=WEB)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def difference(pixels, image):
    """Largest difference of the page's RGBA from a picture, in levels, weighed by opacity as a canvas stores it."""
    if image.shape[-1] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    assert pixels.shape == image.shape
    seen, wanted = (np.dstack([a[..., :3] * (a[..., 3:] / 255), a[..., 3]]) for a in (pixels, image))
    return np.abs(seen - wanted).max()
