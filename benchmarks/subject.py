"""What the benchmarks of `zoo.upscale` run: a trained preset where there is one, a picture of any size."""

import subprocess
import sys
from pathlib import Path

import numpy as np


def network_file(folder: Path, name: str = "espcn", scale: int = 2) -> Path:
    """A TFLite file of any size: the shipped preset's, or an untrained network's. In a process of its own, so that
    the one that is measured has never imported TensorFlow."""
    from zoo import registry

    preset = f"{name}_x{scale}"
    if preset in registry.list_presets():
        return registry.preset_file(preset, ".tflite")
    path = folder / f"{preset}.tflite"
    program = (
        "import sys; from export import tflite_dynamic; from zoo.registry import create_model;"
        "tflite_dynamic(create_model(sys.argv[1], scale=int(sys.argv[2])), sys.argv[3])"
    )
    command = [sys.executable, "-c", program, name, str(scale), str(path)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An RGB picture (height, width, 3) uint8: a photograph that comes with scikit-image, mirrored on and on."""
    from skimage import data

    photograph = data.astronaut()
    corner = np.random.default_rng(seed).integers(0, 256, 2)
    rows, columns = (
        np.abs((np.arange(length) + start) % (2 * side - 2) - (side - 1))
        for length, start, side in zip((height, width), corner, photograph.shape)
    )
    return photograph[rows[:, None], columns]
