"""A shader in mpv itself, in a window of a virtual display over Mesa's llvmpipe: what is seen is what Keras computes.

mpv's Vulkan takes no driver on the CPU; its OpenGL does (`--gpu-sw`).
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import zoo
from export import measure
from export.shaders.mpv import write_shader

pytestmark = pytest.mark.slow
WAIT = 90.0


@contextlib.contextmanager
def process(command, **options):
    """A program that is ended when it is no longer needed."""
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def film(levels, path):
    """One frame of luma in full range, without colour."""
    height, width = levels.shape
    head = f"YUV4MPEG2 W{width} H{height} F1:1 Ip A1:1 C444 XCOLORRANGE=FULL\nFRAME\n"
    path.write_bytes(head.encode() + levels.tobytes() + bytes([128]) * (2 * levels.size))


def seen(levels, shader, scale, folder):
    """What mpv shows of a frame in a window as large as the enlarged frame: (scale·h, scale·w) in [0, 1]."""
    film(levels, folder / "film.y4m")
    height, width = (scale * side for side in levels.shape)
    picture, server = folder / "seen.png", folder / "mpv.socket"
    read, write = os.pipe()
    display = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"]
    with process(display, stdout=subprocess.DEVNULL, pass_fds=[write]):
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        command = ["mpv", "--no-config", "--load-scripts=no", "--osc=no", "--vo=gpu-next", "--gpu-api=opengl"]
        command += ["--gpu-context=x11egl", "--gpu-sw=yes", "--no-border", "--no-keepaspect", "--dither-depth=no"]
        command += ["--pause", "--keep-open", f"--geometry={width}x{height}", f"--input-ipc-server={server}"]
        command += [f"--glsl-shaders={shader}"] if shader else []
        environment = {**os.environ, "DISPLAY": f":{number}", "XDG_RUNTIME_DIR": str(folder)}
        with process([*command, str(folder / "film.y4m")], env=environment, stdout=subprocess.DEVNULL):
            ask_for(picture, server)
    return np.asarray(Image.open(picture).convert("RGB"), np.float64)[..., 1] / 255


def ask_for(picture, server):
    """Asks mpv for what is in its window until it has something there."""
    end = time.monotonic() + WAIT
    request = json.dumps({"command": ["screenshot-to-file", str(picture), "window"], "request_id": 7})
    while time.monotonic() < end:
        time.sleep(0.5)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as pipe:
            pipe.settimeout(WAIT)
            pipe.connect(str(server))
            pipe.sendall(f"{request}\n".encode())
            for line in pipe.makefile():
                answer = json.loads(line)
                if answer.get("request_id") == 7:
                    if answer["error"] == "success":
                        return
                    break
    raise AssertionError("mpv showed nothing")


def test_mpv_shows_what_keras_computes(tmp_path):
    lacking = [name for name in ("mpv", "Xvfb") if not shutil.which(name)]
    if lacking:
        pytest.skip(f"shaders in a player need {lacking[0]}")
    model = zoo.load("fsrcnn_s_x2")
    levels = np.round(measure.photographs(1, (45, 67))[0][..., 0] * 255).astype(np.uint8)
    write_shader(model, tmp_path / "shader.glsl")
    expected = zoo.upscale.upscale(levels.astype(np.float32) / 255, model)
    received = seen(levels, tmp_path / "shader.glsl", 2, tmp_path)
    assert received.shape == expected.shape
    # Half floats within 0.003, and the 8 bits of a screenshot.
    assert np.abs(received - expected).max() < 0.006
    # Control: mpv's own scaler.
    assert np.abs(seen(levels, None, 2, tmp_path) - expected).max() > 0.02
