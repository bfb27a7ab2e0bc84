"""Small networks as files, and an independent NumPy truth, for the tests of `zoo.upscale`."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image


def network(name: str):
    """A small Keras network with seeded weights, by the name that the tests use."""
    import keras

    import zoo
    from zoo.layers import FixedUpsampler

    if name in ("bicubic", "bicubic3", "nearest"):
        image = keras.Input((None, None, 1))
        scale = 3 if name == "bicubic3" else 2
        return keras.Model(image, FixedUpsampler(name.rstrip("3"), scale)(image), name=name)
    model = {
        "luma": lambda: zoo.create_model("espcn", scale=2),
        "luma3": lambda: zoo.create_model("espcn", scale=3),
        "rgb": lambda: zoo.create_model("espcn", scale=2, channels=3, upsampler="transposed"),
        "thin": lambda: zoo.create_model("fsrcnn", scale=3, d=8, s=4, m=2),
        "separable": lambda: zoo.create_model("gecko", scale=2, maps=12, depth=2, separable=True),
    }[name]()
    rng = np.random.default_rng(sum(map(ord, name)))
    for weights in model.weights:
        biases = len(weights.shape) == 1
        # A depthwise kernel has one input for each map.
        inputs = weights.shape[:2] if weights.name == "depthwise_kernel" else weights.shape[:-1]
        spread = 0.1 if biases else 1 / np.sqrt(np.prod(inputs))
        weights.assign(rng.normal(0.3 if biases else 0, spread, weights.shape))
    return model


@functools.cache
def _file(folder: Path, name: str, size: tuple[int, int] | None) -> Path:
    import export

    model, path = network(name), folder / f"{name}{'' if size is None else f'_{size[0]}x{size[1]}'}.tflite"
    if size is None:
        export.tflite_dynamic(model, path)
    else:
        export.export_model(model, folder / path.stem, [size], ["tflite_fp32"], check=False)
        (written,) = (folder / path.stem).glob("*.tflite")
        written.replace(path)
    return path


def files(folder: Path):
    """Gives the path of a network's TFLite file, of any size or of a fixed one; each is made once in a run."""
    folder = folder / "networks"
    folder.mkdir(exist_ok=True)
    return lambda name, size=None: _file(folder, name, size)


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic, a = -0.5."""
    t = np.abs(distance)
    return np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))


def bicubic(plane: np.ndarray, scale: int) -> np.ndarray:
    """(h, w) → (scale·h, scale·w) in float64: a dense matrix for each axis, border mirrored with the edge pixel."""
    for _ in range(2):
        length = plane.shape[0]
        centre = (np.arange(scale * length) + 0.5) / scale - 0.5
        matrix = np.zeros((scale * length, length))
        for offset in range(-2, 4):
            index = np.floor(centre).astype(int) + offset
            inside = index % (2 * length)
            inside = np.minimum(inside, 2 * length - 1 - inside)
            np.add.at(matrix, (np.arange(scale * length), inside), cubic(centre - index))
        plane = (matrix @ plane.astype(np.float64)).T
    return plane


def with_border(run, lr_image: np.ndarray, scale: int, mode: str = "symmetric", around: int = 24) -> np.ndarray:
    """What a network makes of a picture (h, w, c) that goes on beyond its border, as `np.pad` knows it."""
    sr_image = run(np.pad(lr_image, [(around, around), (around, around), (0, 0)], mode=mode))
    return sr_image[around * scale : -around * scale, around * scale : -around * scale]


def half_up(values: np.ndarray, dtype) -> np.ndarray:
    return np.clip(np.floor(values + 0.5), 0, np.iinfo(dtype).max).astype(dtype)


def photo(height: int, width: int, channels: int = 3, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    """Smooth shapes, hard edges and some noise, over the whole range."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(7 * (channel + 1) * rows + 11 * columns * rows + channel) for channel in range(channels)]
    image = 0.5 + 0.35 * np.stack(waves, -1) + 0.3 * (rows > columns)[..., None] - 0.15
    image += rng.normal(0, 0.08, image.shape)
    return half_up(np.clip(image, 0, 1) * np.iinfo(dtype).max, dtype)


def picture(path, height=12, width=17, channels=3, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = photo(height, width, channels, seed=seed)
    Image.fromarray(image[..., 0] if channels == 1 else image).save(path)
    return path


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
