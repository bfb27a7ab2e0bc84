"""Opens an engine: the fastest of those that compute a network right.

Which one that is depends on the machine. Where it was measured here, that counts; else the best guess does, which
`zoo.engines.kinds` has. `python -m benchmarks.inference` measures engines against each other and against what else runs
such networks.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union

from zoo import machine, registry
from zoo.engines import choices, measuring, ranges
from zoo.engines.choices import Choice
from zoo.engines.engine import Engine, Unfit
from zoo.engines.keras import KerasEngine, to_tflite
from zoo.engines.kinds import KINDS, guess, open_as
from zoo.engines.tflite import TFLiteEngine
from zoo.errors import UsageError, whole_number
from zoo.files import existing_file
from zoo.graphs import trial

if TYPE_CHECKING:
    import keras

# The share of the processors' time that others may take while engines are measured.
BUSY = 0.2
LOGGER = logging.getLogger("zoo.engines")
Model = Union[str, Path, "keras.Model", Engine]


def open_engine(
    model: Model,
    threads: int | None = None,
    measure: bool = False,
    *,
    radius: int | None = None,
    kinds: Mapping[str, str] | None = None,
    sizes: bool = False,
    values: str = "",
) -> Engine:
    """The engine of a preset's name, a `.tflite` or `.keras` file, a Keras model, or an engine itself.

    Args:
        model: a preset runs from its TFLite file, without TensorFlow, once the file's hash is the one in its card. A
            Keras model is converted to TFLite with its upsampling in LR space, where its layers allow it. TFLite files
            run in the fastest of the installed engines (extra `fast`) that compute the same as TFLite's own.
        threads: default as many as the process may use. Keras' backend has settings of its own.
        measure: find out which engine is the fastest for this network on this machine, which takes about a second; it
            is kept in the user's cache, and known when three processes have measured it. Else, and while other
            programs keep the processors busy, what was measured so far is taken, or the best guess.
        radius: the receptive field's radius, LR px, where neither card, metadata nor graph tell it.
        kinds: `Engine.kinds` of work that goes on: networks among them get that engine again, if it is here.
        sizes: pictures of many sizes will come, so that what an engine takes to get ready for each counts.
        values: which a file's network, or a model, takes and gives, if not [0, 1]: "0..255" or "-1..1", or
            "0..255:0..1" where they differ. Presets have their own, and refuse others.

    Raises:
        UsageError: none of these, or a network of another kind.

    Example:
        >>> import numpy as np
        >>> engine = open_engine("fsrcnn_x3")
        >>> engine.run(np.zeros((20, 31, 1), np.float32)).shape
        (60, 93, 1)
    """
    if threads is not None:
        whole_number("threads", threads, 1)
    if isinstance(model, Engine):
        return ranges.ranged(model, values)
    if not isinstance(model, (str, Path)) or Path(model).suffix == ".keras":
        opened = registry.open_model(str(model)) if isinstance(model, (str, Path)) else model
        if not hasattr(opened, "input_shape"):
            raise UsageError(f"Expected a Keras model, a file or a preset's name. Received: {opened!r:.100}")
        return ranges.ranged(_of_keras(opened, threads, radius, Choosing(measure, kinds, sizes)), values)
    name = str(model)
    if Path(model).suffix == ".tflite":
        content = existing_file(model, "a .tflite file").read_bytes()
        if not registry.is_shipped(hashlib.sha256(content).hexdigest()):
            trial.survive(content, Path(model).name)
        engine = TFLiteEngine(content, Path(model).name, threads)
        if engine.radius is None and radius is not None:
            engine = TFLiteEngine(content, Path(model).name, threads, radius)
        return ranges.ranged(fastest(engine, Choosing(measure, kinds, sizes)), values)
    registry.a_preset(name, "a .tflite or .keras file")
    ranges.for_files(values, [name])
    return fastest(of_preset(name, threads, radius), Choosing(measure, kinds, sizes))


def of_preset(name: str, threads: int | None = None, radius: int | None = None) -> TFLiteEngine:
    """A preset's file in TFLite's own engine."""
    card = registry.card(name)
    content = registry.preset_file(name, ".tflite").read_bytes()
    engine = TFLiteEngine(content, name, threads, card.get("radius", radius))
    if engine.scale != card["scale"]:
        raise UsageError(f"Expected scale {card['scale']} as the card of {name} has it. Received: {engine.scale}")
    return engine


def _of_keras(model: "keras.Model", threads: int | None, radius: int | None, choosing: "Choosing") -> Engine:
    """The fastest exact engine of a model: TFLite with the upsampling in LR space, else `KerasEngine`."""
    engine = KerasEngine(model, radius)
    content = to_tflite(model)
    if content is None:
        return engine
    file = TFLiteEngine(content, model.name, threads, engine.radius, engine.unbounded, step=engine.step)
    return fastest(file, choosing)


class Choosing(NamedTuple):
    """How the engine of a file is chosen: `open_engine`'s arguments of these names.

    Attributes:
        cells: whether tiles may have to meet on the lines of a grid.
    """

    measure: bool = False
    kinds: Mapping[str, str] | None = None
    sizes: bool = False
    cells: bool = True


_AS_KNOWN = Choosing()


def fastest(engine: TFLiteEngine, choosing: Choosing = _AS_KNOWN) -> Engine:
    """A TFLite file in the engine that computes it fastest here, as far as is known, and computes the same.

    Args:
        engine: the file in TFLite's own engine, which is taken where no other one does it.
    """
    order = guess()
    kept = (choosing.kinds or {}).get(engine.fingerprint())
    if known := _known(engine, choosing.measure and kept is None):
        order = [*known.order(choosing.sizes), *order]
    if kept is not None:
        order = [kept, *order]
    for name in order:
        if choosing.cells or not (name in KINDS and KINDS[name].cells):
            try:
                return open_as(name, engine)
            except Unfit as error:
                LOGGER.debug("%s does not run in %s: %s", engine.name, name, error)
    return engine


def without_cells(engine: Engine) -> Engine:
    """The same network in the fastest engine whose tiles may meet anywhere."""
    if isinstance(engine, ranges.Ranged):
        return ranges.Ranged(without_cells(engine.engine), engine.values)
    original = getattr(engine, "original", None)
    return engine if engine.cell == (1, 1) or original is None else fastest(original, Choosing(cells=False))


def _known(engine: TFLiteEngine, measure: bool) -> Choice | None:
    """What was measured of a network's engines here, now if that is asked for."""
    if not measure and not choices.kept(engine.fingerprint()):
        return None
    key = choices.of(engine.fingerprint(), engine.threads)
    known = choices.read(key)
    if not measure or choices.settled(key, known):
        return known
    # What would be found beside others' work would be kept, and be wrong.
    if machine.taken() > BUSY:
        LOGGER.info("%s: other programs are at work, no engine is measured now", engine.name)
        return known
    return measured(engine) or known


def measured(engine: TFLiteEngine) -> Choice | None:
    """Measures the engines of a network in about a second and keeps the least times; None where it is too slow."""
    engines, refused = candidates(engine)
    found = measuring.times(engines)
    if not found:
        LOGGER.info("%s is too slow to be measured", engine.name)
        return None
    runs = {kind: time.run for kind, time in found.items()}
    ready = {kind: time.ready for kind, time in found.items() if time.ready is not None}
    return choices.keep(choices.of(engine.fingerprint(), engine.threads), Choice(runs, ready, refused))


def candidates(engine: TFLiteEngine) -> tuple[dict[str, Engine], dict[str, str]]:
    """The engines that compute a file right, by their kinds; and of the other kinds, why they do not."""
    engines: dict[str, Engine] = {}
    refused: dict[str, str] = {}
    for name in KINDS:
        try:
            engines[name] = open_as(name, engine)
        except Unfit as error:
            refused[name] = str(error)
    return engines, refused
