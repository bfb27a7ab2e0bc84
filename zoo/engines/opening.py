"""Opens an engine: the fastest of those that compute a network right.

`python -m benchmarks.inference` measures them against each other and against what else runs such networks.
"""

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from zoo import registry
from zoo.engines.engine import Engine, Unfit
from zoo.engines.keras import KerasEngine, to_tflite
from zoo.engines.ncnn import NcnnEngine
from zoo.engines.openvino import OpenVINOEngine
from zoo.engines.tflite import TFLiteEngine
from zoo.errors import UsageError, did_you_mean
from zoo.graphs import trial

if TYPE_CHECKING:
    import keras

Model = Union[str, Path, "keras.Model", Engine]
# Of the range of TFLite's result.
TOLERANCE = 1e-5
# The others were measured on these only.
MACHINES = ("x86_64", "amd64")


def open_engine(model: Model, threads: int | None = None, *, radius: int | None = None) -> Engine:
    """The engine of a preset's name, a `.tflite` or `.keras` file, a Keras model, or an engine itself.

    Args:
        model: a preset runs from its TFLite file, without TensorFlow, once the file's hash is the one in its card. A
            Keras model is converted to TFLite with its upsampling in LR space, where its layers allow it. TFLite files
            run in ncnn or OpenVINO where the extra `fast` is installed, else in TFLite's own engine.
        threads: default as many as the process may use. Keras' backend has settings of its own.
        radius: the receptive field's radius, LR px, where neither card, metadata nor graph tell it.

    Raises:
        UsageError: none of these, or a network of another kind.

    Example:
        >>> engine = open_engine("fsrcnn_x3")
        >>> engine.run(np.zeros((20, 31, 1), np.float32)).shape
        (60, 93, 1)
    """
    if isinstance(model, Engine):
        return model
    if not isinstance(model, (str, Path)) or Path(model).suffix == ".keras":
        return _of_keras(registry.open_model(str(model)) if isinstance(model, (str, Path)) else model, threads, radius)
    name = str(model)
    if Path(model).suffix == ".tflite":
        if not Path(model).is_file():
            raise UsageError(f"Expected a .tflite file. Received: {name!r}, which is not there")
        content = Path(model).read_bytes()
        trial.survive(content, Path(model).name)
        return fastest(content, Path(model).name, threads, radius)
    if name not in registry.list_presets():
        presets = registry.list_presets()
        near = did_you_mean(name, presets)
        raise UsageError(
            f"Expected a preset ({', '.join(presets)}), a .tflite or a .keras file. Received: {name!r}{near}"
        )
    card = registry.card(name)
    content = registry.preset_file(name, ".tflite").read_bytes()
    engine = fastest(content, name, threads, card.get("radius", radius))
    if engine.scale != card["scale"]:
        raise UsageError(f"Expected scale {card['scale']} as the card of {name} has it. Received: {engine.scale}")
    return engine


def _of_keras(model: "keras.Model", threads: int | None, radius: int | None) -> Engine:
    """The fastest exact engine of a model: TFLite with the upsampling in LR space, else `KerasEngine`."""
    engine = KerasEngine(model, radius)
    content = to_tflite(model)
    if content is None:
        return engine
    return fastest(content, model.name, threads, engine.radius, engine.unbounded, engine.step)


def fastest(
    content: bytes,
    name: str,
    threads: int | None = None,
    radius: int | None = None,
    unbounded: str = "",
    step: int = 1,
) -> Engine:
    """The engine of a TFLite file: ncnn, then OpenVINO, where it is installed and computes the same, else TFLite.

    Args and errors: those of `TFLiteEngine`, which says what the file is in any case.
    """
    return _first((NcnnEngine, OpenVINOEngine), TFLiteEngine(content, name, threads, radius, unbounded, step=step))


def without_cells(engine: Engine) -> Engine:
    """The same network in the fastest engine whose tiles may meet anywhere."""
    return _first((OpenVINOEngine,), engine.original) if isinstance(engine, NcnnEngine) else engine


def _first(kinds: tuple[type, ...], engine: TFLiteEngine) -> Engine:
    if platform.machine().lower() in MACHINES:
        for kind in kinds:
            try:
                faster = kind(engine)
                _check(faster, engine)
            # Another engine, fed with a stranger's file, fails in any way.
            except Exception:
                continue
            return faster
    return engine


def _check(engine: Engine, expected: Engine) -> None:
    """Compares two engines on a picture of noise, larger than a cell.

    Raises:
        Unfit: the results differ.
    """
    height, width = expected.size or (engine.cell[0] + 18, engine.cell[1] + 25)
    noise = np.random.default_rng(0).random((height, width, expected.channels), np.float32)
    theirs, ours = expected.run(noise), engine.run(noise)
    if ours.shape != theirs.shape or not np.abs(ours - theirs).max() <= TOLERANCE * np.ptp(theirs):
        raise Unfit("another result than TFLite's")
