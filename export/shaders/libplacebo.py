"""A shader run on the real thing: libplacebo, by FFmpeg's filter, on whatever Vulkan driver there is."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from zoo.errors import UsageError


def missing() -> str | None:
    """What keeps a shader from being run here, or None: FFmpeg with libplacebo, or a Vulkan driver."""
    if not shutil.which("ffmpeg"):
        return "ffmpeg"
    filters = subprocess.run(["ffmpeg", "-v", "error", "-filters"], capture_output=True, text=True)
    if " libplacebo " not in filters.stdout:
        return "ffmpeg with libplacebo"
    command = ["ffmpeg", "-v", "error", "-init_hw_device", "vulkan=v", "-f", "lavfi", "-i", "color=s=16x16:d=0.04"]
    tried = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True)
    return "a Vulkan driver" if tried.returncode else None


def run(shader: Path, image: np.ndarray, scale: int) -> np.ndarray:
    """One picture through a shader.

    Args:
        shader: the file.
        image: (h, w, C) in [0, 1], C being 1 or 3; 8-bit levels come through as they are.
        scale: the enlargement.
    Returns:
        (scale·h, scale·w, C) float64, clipped to [0, 1].
    Raises:
        UsageError: FFmpeg does not take the shader; with its words.
    """
    height, width, channels = image.shape
    levels = np.round(np.asarray(image) * 255).clip(0, 255).astype(np.uint8)
    if channels == 1:
        # Full range and no colour: luma comes through unchanged.
        planes = np.concatenate([levels, np.full((height, width, 2), 128, np.uint8)], axis=-1)
        kinds, content = ("yuv444p", "yuv444p16le"), planes.transpose(2, 0, 1)
    else:
        alpha = np.full((height, width, 1), 255, np.uint8)
        kinds, content = ("rgba", "rgba64le"), np.concatenate([levels, alpha], axis=-1)
    # The filter's options are split at colons and quotes: the shader lies under a plain name where FFmpeg runs.
    with tempfile.TemporaryDirectory(prefix="shader-") as folder:
        shutil.copy(shader, Path(folder) / "shader.glsl")
        placebo = f"libplacebo=w={width * scale}:h={height * scale}:custom_shader_path=shader.glsl:format={kinds[1]}"
        filters = f"setparams=range=full,hwupload,{placebo}:range=full:dithering=-1,hwdownload,format={kinds[1]}"
        command = ["ffmpeg", "-v", "error", "-init_hw_device", "vulkan=v", "-filter_hw_device", "v"]
        command += ["-f", "rawvideo", "-pix_fmt", kinds[0], "-s", f"{width}x{height}", "-i", "-", "-vf", filters]
        command += ["-f", "rawvideo", "-pix_fmt", kinds[1], "-"]
        done = subprocess.run(command, input=content.tobytes(), capture_output=True, cwd=folder)
    expected = height * width * scale**2 * (3 if channels == 1 else 4) * 2
    words = done.stderr.decode(errors="replace").strip().splitlines()
    # FFmpeg goes on without a shader that does not compile, its own scaling in its place: only the words tell.
    if done.returncode or len(done.stdout) != expected or any("libplacebo" in line for line in words):
        raise UsageError(f"Expected a shader that libplacebo runs. Received: {shader.name}: {' '.join(words[:2])}")
    values = np.frombuffer(done.stdout, "<u2").astype(np.float64)
    if channels == 1:
        return values.reshape(3, height * scale, width * scale)[0, :, :, None] / 65535
    return values.reshape(height * scale, width * scale, 4)[:, :, :3] / 65535


def open_shader(path: Path):
    """A written shader as a function (h, w, C) → (scale·h, scale·w, C); its last pass says the scale.

    Raises:
        ImportError: what it takes is not installed.
    """
    lacking = missing()
    if lacking:
        raise ImportError(name=lacking)
    scale = int(re.findall(r"^//!WIDTH HOOKED\.w (\d+) \*$", path.read_text(encoding="utf-8"), re.MULTILINE)[-1])
    return lambda image: run(path, image, scale)
