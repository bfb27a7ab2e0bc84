"""Where an int8 file loses: how far the rounding of each operation alone moves the picture, as Model Explorer reads it.

Model Explorer (google-ai-edge/model-explorer) colours a graph's nodes by a JSON file of "node data": for each graph, by
its name, `results`, an output tensor's name → `value`, and a `gradient` from the least value (stop 0) to the largest
(1); `src/server/package/src/model_explorer/node_data_builder.py` there is the format.
"""

import json

import numpy as np
import tensorflow as tf

from export.int8.simulation import Ranges, Simulation, fake_quantize
from zoo.graphs import tflite

_GRADIENT = [{"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": "#d03020"}]


def layer_errors(simulation: Simulation, ranges: Ranges, constants: dict, images: np.ndarray) -> dict[str, float]:
    """Output tensor of each operation → how far the picture moves where this tensor alone is rounded.

    Args:
        simulation: the graph that is quantized.
        ranges, constants: its tuning.
        images: (N, h, w, C) float32 in [0, 1].
    Returns:
        The root mean square of the differences, in levels of 255; 0 where the operation only moves values.
    """
    exact = simulation.run(images, None, constants)
    known, errors = {simulation.input: exact[simulation.input]}, {}
    for _, _, (after, *_), _ in simulation.operations:
        error = 0.0
        if after in simulation.rounded:
            rounded = fake_quantize(exact[after], *ranges[simulation.groups[after]])
            error = moved(simulation, constants, {**known, after: rounded}, exact)
        known[after] = exact[after]
        errors[simulation.graph.tensors[after].name] = error
    return errors


def moved(simulation: Simulation, constants: dict, known: dict, exact: dict) -> float:
    """How far the picture moves where the tensors in `known`, the input among them, are not those of the run `exact`.

    Returns:
        The root mean square of the differences, in levels of 255.
    """
    received = simulation.run(known[simulation.input], None, constants, known=known)[simulation.output]
    off = [tf.clip_by_value(picture, 0.0, 1.0) for picture in (received, exact[simulation.output])]
    return 255 * float(tf.sqrt(tf.reduce_mean((off[0] - off[1]) ** 2)))


def node_data(errors: dict[str, float], file: tflite.File) -> str:
    """The errors as Model Explorer's JSON, for the written file: of its tensors those that it still has."""
    names = {tensor.name for operation in file.operations for tensor in operation.outputs}
    results = {name: {"value": round(value, 5)} for name, value in errors.items() if name in names}
    graph = (file.raw.subgraphs[0].name or b"main").decode()
    return json.dumps({graph: {"results": results, "gradient": _GRADIENT}}, indent=2) + "\n"
