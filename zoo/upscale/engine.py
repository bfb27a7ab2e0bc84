"""Engines: a network behind one call, be it a preset, a `.tflite` or `.keras` file, or a model in memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from zoo import registry
from zoo.errors import UsageError

if TYPE_CHECKING:
    import keras


class Engine:
    """A network (h, w, channels) float32 in [0, 1] → (scale·h, scale·w, channels) float32, unclipped.

    Attributes:
        name: what to call it in a sentence.
        scale, channels: of the network; channels is 1 (luma) or 3 (RGB).
        radius: an output pixel reads nothing farther than this from its LR pixel, LR px; None where there is no bound.
        unbounded: where `radius` is None, the reason.
        size: the only (height, width) that the network takes, LR px; None if any.
    """

    name: str
    scale: int
    channels: int
    radius: int | None
    unbounded: str = ""
    size: tuple[int, int] | None = None

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        """One picture or tile through the network."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """What tells one network from another, for work that goes on later."""
        return self.name


Model = Union[str, Path, "keras.Model", Engine]


def open_engine(model: Model, threads: int | None = None, radius: int | None = None) -> Engine:
    """The engine of a preset's name, a `.tflite` or `.keras` file, a Keras model, or an engine itself.

    Args:
        model: a preset runs from its TFLite file, without TensorFlow, once the file's hash is the one in its card. A
            Keras model is converted to TFLite with its upsampling in LR space, where its layers allow it. TFLite files
            run in OpenVINO where the extra `fast` is installed, else in TFLite's own engine.
        threads: of TFLite or OpenVINO; default as many as the process may use. Keras' backend has settings of its own.
        radius: the receptive field's radius, LR px, where neither card, metadata nor graph tell it.

    Raises:
        UsageError: none of these, or a network of another kind.
    """
    if isinstance(model, Engine):
        return model
    if not isinstance(model, (str, Path)) or Path(model).suffix == ".keras":
        from zoo.upscale.keras_models import engine_of

        return engine_of(registry.open_model(str(model)) if isinstance(model, (str, Path)) else model, threads, radius)
    from zoo.upscale.openvino import fastest

    name = str(model)
    if Path(model).suffix == ".tflite":
        if not Path(model).is_file():
            raise UsageError(f"Expected a .tflite file. Received: {name!r}, which is not there")
        return fastest(Path(model).read_bytes(), Path(model).name, threads, radius)
    if name not in registry.list_presets():
        valid = ", ".join(registry.list_presets()) or "(none)"
        raise UsageError(f"Expected a preset ({valid}), a .tflite or a .keras file. Received: {name!r}")
    card = registry.card(name)
    content = registry.preset_file(name, ".tflite").read_bytes()
    engine = fastest(content, name, threads, card.get("radius", radius))
    if engine.scale != card["scale"]:
        raise UsageError(f"Expected scale {card['scale']} as the card of {name} has it. Received: {engine.scale}")
    return engine
