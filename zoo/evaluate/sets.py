"""Networks by name or file, and every one of them on every set of pictures."""

import hashlib
from pathlib import Path

from zoo.data import benchmark
from zoo.engines import ranges
from zoo.engines.engine import Engine
from zoo.engines.keras import KerasEngine
from zoo.evaluate.protocol import evaluate, left_out, mean
from zoo.files import existing_file
from zoo.registry import a_preset, is_shipped, open_model


def open_network(name_or_file: str, values: str = "") -> Engine:
    """A preset by name, a `.keras` file or a `.tflite` file, ready to be evaluated.

    What is judged runs as it is, on every machine alike: a Keras model by Keras, a file in TFLite's own engine, resized
    to every picture. `values` are those that a file's network takes and gives, as `zoo.engines.ranges` has them.

    Raises:
        UsageError: none of these, or a network of another kind.

    Example:
        >>> engine = open_network("fsrcnn_s_x2")
        >>> engine.scale, engine.channels
        (2, 1)
    """
    path = Path(name_or_file)
    if path.suffix not in (".tflite", ".keras"):
        ranges.for_files(values, [a_preset(name_or_file, "a .tflite or .keras file")])
    if path.suffix != ".tflite":
        return ranges.ranged(KerasEngine(open_model(name_or_file)), values)
    content = existing_file(path, "a .tflite file").read_bytes()
    # A Keras model is measured where no LiteRT is installed.
    from zoo.engines.tflite import TFLiteEngine
    from zoo.graphs import trial

    if not is_shipped(hashlib.sha256(content).hexdigest()):
        trial.survive(content, path.name)
    return ranges.ranged(TFLiteEngine(content, path.name, unbounded="it gets whole pictures", any_size=True), values)


def tables(models: dict[str, Engine], folders: list[str], protocol: str) -> list[dict]:
    """Every network on every set, bicubic first: dicts with set, scale, model, psnr, ssim, pictures, of
    how many of them the means are (counted) and which are left_out, with the reason: the same for every network.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> import numpy as np
        >>> pixels = np.random.default_rng(0).integers(0, 256, (36, 45, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.fromarray(pixels).save(f"{folder}/noise.png")
        ...     rows = tables({"fsrcnn_s_x2": open_network("fsrcnn_s_x2")}, [folder], "y")
        >>> [(row["model"], row["scale"], row["counted"]) for row in rows]
        [('bicubic', 2, 1), ('fsrcnn_s_x2', 2, 1)]
    """
    results = []
    # A picture that cannot be read is named before the first network runs, not after hours.
    for folder, pictures in [(folder, benchmark(folder)) for folder in folders]:
        path = Path(folder)
        for scale in sorted({engine.scale for engine in models.values()}):
            of_scale = {name: engine for name, engine in models.items() if engine.scale == scale}
            rows_of = {
                name: evaluate(model, pictures, scale, protocol)
                for name, model in {"bicubic": "bicubic", **of_scale}.items()
            }
            without = left_out(rows_of.values())
            for name, rows in rows_of.items():
                average = mean(rows, without)
                results.append(
                    {
                        "set": path.resolve().parent.name if path.name == "HR" else path.resolve().name,
                        "scale": scale,
                        "model": Path(name).name,
                        "psnr": average.psnr,
                        "ssim": average.ssim,
                        "counted": len(rows) - len(without),
                        "left_out": without,
                        "pictures": [row._asdict() for row in rows],
                    }
                )
    return results
