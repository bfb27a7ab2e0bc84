"""Videos on the page: WebGPU passes in a real Chromium, over SwiftShader, beside what Python computes."""

import subprocess

import numpy as np
import pytest
from PIL import Image
from test_export_shaders import beside, home_made, scaled
from web_cases import installed, own_server, photo, plain_server, run_browser

import zoo
from export.prepare import prepare
from export.shaders.wgsl import write_wgsl
from zoo.upscale import upscale

__all__ = ["installed", "own_server", "plain_server"]

pytestmark = pytest.mark.slow

# (height, width), odd.
SIZE = 43, 61


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A second of a picture that moves to the right, as WebM."""
    path = tmp_path_factory.mktemp("video") / "film.webm"
    image = photo(*SIZE)
    frames = b"".join(np.roll(image, 3 * number, axis=1).tobytes() for number in range(12))
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[1]}x{SIZE[0]}", "-r", "12"]
    command += ["-i", "-", "-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=frames, check=True, timeout=60)
    return path


def shown(report, steps, models):
    """For each network of `models`, by its step: how far the frame's PNG is from what Python makes of that frame."""
    found = {}
    for (name, model), step, result in zip(models.items(), steps, report["steps"], strict=False):
        assert result["problem"] == "", name
        height, width = result["frame"]["height"], result["frame"]["width"]
        assert (height, width) == SIZE
        frame = np.fromfile(step["frame"], np.uint8).reshape(height, width, 4)[..., :3]
        saved = np.asarray(Image.open(f"{step['save']}/film_{name}.png"))
        wanted = upscale(frame, model)
        assert saved.shape[:2] == wanted.shape[:2]
        found[name] = np.abs(saved[..., :3].astype(float) - wanted).max() / 255, np.ptp(frame)
    return found


def test_videos_are_enlarged_as_python_does(own_server, video, tmp_path):
    presets = "fsrcnn_s_x2", "gecko_x2", "gecko_rgb_x3", "fsrcnn_s_x4"
    models = {name: prepare(zoo.load(name)) for name in presets}
    models["espcn_residual"] = scaled(zoo.create_model("espcn_residual", 3))
    models["beside_bilinear"] = scaled(beside("bilinear", channels=3))
    for name, model in models.items():
        write_wgsl(model, tmp_path / f"{name}.wgsl")
    # The control: two phases change places.
    text = (tmp_path / "fsrcnn_s_x2.wgsl").read_text(encoding="utf-8")
    first, second = (f"(group + at) * vec2i(2, 2) + vec2i({place})," for place in ("1, 0", "0, 1"))
    last = text.rindex("@compute")
    swapped = text[:last] + text[last:].replace(first, "X").replace(second, first).replace("X", second)
    assert swapped != text
    (tmp_path / "swapped.wgsl").write_text(swapped, encoding="utf-8")
    models["swapped"] = models["fsrcnn_s_x2"]

    steps = [
        {"network": str(tmp_path / f"{name}.wgsl"), "frame": str(tmp_path / f"{name}.frame"), "save": str(tmp_path)}
        for name in models
    ]
    steps[0] |= {"video": str(video), "wait": "#frame-rate"}
    steps.append({"press": "#pause", "screenshot": str(tmp_path / "page.png")})
    report = run_browser({"address": own_server, "gpu": True, "steps": steps}, tmp_path)
    found = shown(report, steps, models)
    control, _ = found.pop("swapped")
    assert {name: off for name, (off, _) in found.items() if off >= 0.01} == {}
    assert min(spread for _, spread in found.values()) > 150
    assert control > 0.03
    first = report["steps"][0]
    assert first["about-shader"].startswith("×2, luma")
    assert float(first["frame-rate"]) > 0 and first["video-time"].endswith(" ms")
    assert first["video-size"] == f"{SIZE[1]}×{SIZE[0]} → {2 * SIZE[1]}×{2 * SIZE[0]}"


def test_the_camera_is_enlarged(plain_server, tmp_path):
    write_wgsl(scaled(home_made()), tmp_path / "small.wgsl")
    steps = [
        {"network": str(tmp_path / "small.wgsl"), "press": "#camera", "wait": "#frame-rate"},
        {"frame": str(tmp_path / "camera.rgba"), "save": str(tmp_path)},
        {"press": "#close"},
        {"press": "#camera", "wait": "#frame-rate"},
    ]
    report = run_browser({"address": plain_server, "gpu": True, "steps": steps}, tmp_path)
    playing, paused, closed, again = report["steps"]
    assert [step["camera"] for step in report["steps"]] == [True, True, False, True]
    assert closed["frame-rate"] == closed["problem"] == "" and float(again["frame-rate"]) > 0
    assert playing["problem"] == "" and float(playing["frame-rate"]) > 0
    frame = paused["frame"]
    assert playing["video-size"] == f"{frame['width']}×{frame['height']} → {2 * frame['width']}×{2 * frame['height']}"
    assert Image.open(tmp_path / "camera_small.png").size == (2 * frame["width"], 2 * frame["height"])


def test_what_cannot_be_enlarged_gets_a_sentence(own_server, video, tmp_path):
    write_wgsl(scaled(home_made()), tmp_path / "good.wgsl")
    text = (tmp_path / "good.wgsl").read_text(encoding="utf-8")
    (tmp_path / "text.wgsl").write_text("fn main() {}", encoding="utf-8")
    (tmp_path / "broken.wgsl").write_text(text.replace("var a0", "var b9", 1), encoding="utf-8")
    (tmp_path / "cut.webm").write_bytes(video.read_bytes()[:100])
    steps = [
        {"network": str(tmp_path / "text.wgsl")},
        {"network": str(tmp_path / "broken.wgsl")},
        {"network": str(tmp_path / "good.wgsl"), "video": str(tmp_path / "cut.webm")},
        {"video": str(video), "wait": "#frame-rate"},
    ]
    results = run_browser({"address": own_server, "gpu": True, "steps": steps}, tmp_path)["steps"]
    assert results[0]["problem"] == "Expected a .wgsl file of `zoo export --formats=wgsl`. Received: another file."
    assert results[1]["problem"].startswith("Expected passes that this browser compiles. Received: ")
    assert "a0" in results[1]["problem"]
    assert results[2]["problem"] == "Expected a video that this browser can play (MP4, WebM, …). Received: cut.webm."
    # After all that the page still works.
    assert results[3]["problem"] == "" and float(results[3]["frame-rate"]) > 0


def test_without_webgpu_the_page_says_so(plain_server, video, tmp_path):
    write_wgsl(scaled(home_made()), tmp_path / "small.wgsl")
    Image.fromarray(photo(20, 31)).save(tmp_path / "photo.png")
    steps = [
        {"network": str(tmp_path / "small.wgsl"), "video": str(video)},
        {"picture": str(tmp_path / "photo.png")},
    ]
    film, picture = run_browser({"address": plain_server, "steps": steps}, tmp_path)["steps"]
    assert film["problem"].startswith("Expected a browser with WebGPU for videos: Chrome or Edge")
    assert (picture["problem"], picture["width"]) == ("", 62)
