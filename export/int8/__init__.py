"""int8 TFLite files that lose little: sums and PReLU folded away, channels equalized, ranges chosen, channels that
reach beyond them computed once more, the loudest several times, weights fitted, and the image handed to the last layer.

All of it is done after training, on LR crops of photographs, drawn graphics and noise, without HR originals: the float
network is what the int8 one is fitted to. The converter's quantizer then writes the file; `simulation` says what it
will compute.
"""

import dataclasses
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from export.int8 import copies, errors, overflow
from export.int8.fitting import before_activation, fit, plain
from export.int8.pictures import SIDE, Crops
from export.int8.prelu import fold, matters
from export.int8.ranges import choose_ranges, equalize
from export.int8.simulation import Ranges, Simulation, Unsupported
from export.int8.skip import insert, place
from export.int8.sums import unfold
from export.tflite import convert
from zoo.files import whole_file
from zoo.program import quiet

IO = {"float": tf.float32, "uint8": tf.uint8}
_NOTE = "PReLU folded into ReLU, channels equalized, the image joined to the last layer's input, weights fitted"
_COPIES = "{} channels more, copies of {} a part of a level apart"
_REACHING = "{} channels more for what lies beyond the range of {}"


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What was found on the crops, for files of every size of one model.

    Attributes:
        mirrored: PReLU by operation → its channels that are computed a second time, negated.
        reaching: convolution by operation → how many ranges high its channels are.
        repeated: convolution by operation → how many times its channels are computed, parts of a level apart.
        constants: tensor → what it holds in the changed graph.
        ranges: of the tensors' groups in the changed graph.
        note: in a sentence, how the file is quantized.
    """

    mirrored: dict[int, np.ndarray]
    reaching: dict[int, np.ndarray]
    repeated: dict[int, np.ndarray]
    constants: dict[int, np.ndarray]
    ranges: Ranges
    note: str


def tune(model: keras.Model, crops: Crops, more: float = copies.MORE) -> Tuning | None:
    """Finds out how to quantize a model; None where its graph has an operation that `simulation` does not know.

    Args:
        model: as `export.prepare.prepare` returns it.
        crops: LR crops, as `pictures.mixed` gives them.
        more: how many multiplications may be added for copies of channels, as a part of those that there are.
    """
    try:
        content = float_file(model, (SIDE, SIDE))
        original = Simulation(unfold(Simulation(content)))
    except Unsupported:
        return None
    mirrored = matters(original, crops.images)
    # What the hardest pictures alone reach is left to further channels.
    usual = crops.only("photographs", "drawn", "noise")
    simulation, skip, divisors = _changed(content, mirrored, {}, {}, usual.images)
    ranges = choose_ranges(simulation, usual, skip.tensors if skip else ())
    if skip:
        simulation.constants |= skip.constants(ranges, simulation.groups)
    wanted = _teacher(original, simulation, mirrored, divisors, crops.images, skip)
    reaching = overflow.choose(simulation, ranges, crops.only("hardest").images, wanted, more * overflow.PART)
    before = copies.total(simulation)
    simulation = overflow.insert(simulation, reaching, ranges)
    for number, counts in reaching.items():
        further = overflow.below(simulation, ranges, number, counts)
        wanted[number] = copies.repeated(wanted[number], counts) + further
    after = copies.total(simulation)
    repeated = copies.choose(simulation, ranges, crops, wanted, more=(more * before + before - after) / after)
    simulation = Simulation(copies.insert(simulation, repeated))
    for number, counts in repeated.items():
        low, high = ranges[simulation.groups[simulation.operations[number][2][0]]]
        wanted[number] = copies.repeated(wanted[number], counts) + copies.shifts(counts, (high - low) / 255)
    constants = fit(simulation, ranges, crops, wanted)
    held = {index: constants[index] for _, *pair, _ in simulation.weighted() for index in pair if index >= 0}
    note = _NOTE
    for words, added in ((_REACHING, reaching), (_COPIES, repeated)):
        extra = np.concatenate([counts - 1 for counts in added.values()] or [np.zeros(0, int)])
        note += f"; {words.format(extra.sum(), np.count_nonzero(extra))}" if extra.any() else ""
    return Tuning(mirrored, reaching, repeated, held, ranges, note)


def _changed(content: bytes, mirrored: dict, reaching: dict, repeated: dict, images: np.ndarray | None = None):
    """The graph without PReLU and with the image handed to the last convolution; equalized if there are images.

    Returns the simulation, where the image comes in, and what the channels were divided by.
    """
    folded = Simulation(fold(Simulation(unfold(Simulation(content))), mirrored))
    divisors = {} if images is None else equalize(folded, images)
    skip = place(folded)
    simulation = Simulation(insert(folded, skip) if skip else folded.content())
    for added, shared in ((reaching, False), (repeated, True)):
        if added:
            simulation = Simulation(copies.insert(simulation, added, shared))
    return simulation, skip, divisors


def _teacher(original, simulation, mirrored, divisors, images, skip) -> dict[int, np.ndarray]:
    """What each convolution of the changed graph should compute: the original's values, mirrored and divided."""
    tensors = original.run(images)
    behind = {original.operations[number][1][0]: channels for number, channels in mirrored.items()}
    added = skip.scale_weights if skip else -1
    numbers = [number for number, weights, *_ in simulation.weighted() if weights != added]
    wanted = {}
    for (number, *_), new in zip(original.weighted(), numbers, strict=True):
        if plain(original, number):
            values = before_activation(original, tensors, number)
            channels = behind.get(original.operations[number][2][0], [])
            values = np.concatenate([values, -values[..., channels]], axis=-1)
            wanted[new] = values / divisors.get(simulation.operations[new][2][0], np.float32(1))
    return wanted


def float_file(model: keras.Model, size: tuple[int, int]) -> bytes:
    """The bytes of a model's float TFLite file."""
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        path = Path(folder) / "float.tflite"
        convert(model, path, size, target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]})
        return path.read_bytes()


def layer_errors(model: keras.Model, crops: Crops, tuning: Tuning, kind: int) -> dict[str, float]:
    """Where the int8 file of a tuned model loses on the crops of a kind: `export.int8.errors.layer_errors`."""
    changed = simulated(float_file(model, (SIDE, SIDE)), tuning)
    return errors.layer_errors(changed, tuning.ranges, tuning.constants, crops.images[crops.kinds == kind])


def simulated(content: bytes, tuning: Tuning) -> Simulation:
    """A float file of the tuned model as `quantized` makes it, to be run with the tuning's ranges and constants."""
    changed, *_ = _changed(content, tuning.mirrored, tuning.reaching, tuning.repeated)
    changed.ceilings = overflow.ceilings(changed, tuning.reaching, tuning.ranges)
    return changed


def quantized(content: bytes, tuning: Tuning, io: str) -> bytes:
    """A float file of any size of the tuned model, quantized."""
    changed, *_ = _changed(content, tuning.mirrored, tuning.reaching, tuning.repeated)
    ready = changed.content(tuning.ranges, tuning.constants)
    with quiet():  # it notes its settings, past Python
        return mlir_quantize(ready, input_data_type=IO[io], output_data_type=IO[io])


def write_int8(model: keras.Model, path: Path, size: tuple[int, int], tuning: Tuning | None, images, io: str) -> None:
    """Writes an int8 file with weights per channel; input and output float32 or uint8 (level 255 is 1.0).

    Without a tuning the converter calibrates on the images by itself.
    """
    with whole_file(path) as unfinished:
        if tuning is not None:
            unfinished.write_bytes(quantized(float_file(model, size), tuning, io))
        else:
            convert(
                model,
                unfinished,
                size,
                optimizations=[tf.lite.Optimize.DEFAULT],
                representative_dataset=lambda: ([image[None]] for image in images),
                target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
                inference_input_type=IO[io],
                inference_output_type=IO[io],
            )
