"""Where the time goes, layer by layer: each one's milliseconds and its share of the peak, in ncnn and in OpenVINO.

One thread. In ncnn the network is run up to each of its maps, on a cell inside the picture as `zoo.upscale` has it: the
difference of two of them is a layer, with what it costs to read and write its maps there. OpenVINO tells its own times
for a window of 200×640, SRCNN's, which ncnn does not take, for its enlargement of 400×1280. The peak is a matrix
product's in NumPy; operations are the convolution's own, so that Winograd's algorithm, which saves some, may come above
it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import record
from zoo.engines.ncnn import CELL, NcnnEngine
from zoo.engines.ncnn_files import Borders, in_blocks
from zoo.engines.openvino import SETTINGS
from zoo.engines.openvino_rows import Row, gathered, network_of, read_row
from zoo.engines.tflite import TFLiteEngine
from zoo.graphs.operations import Convolution

NETWORKS = ("espcn_x3", "fsrcnn_x3", "srcnn_x3", "espcn_x2", "fsrcnn_x2", "srcnn_x2")
WINDOW = (200, 640)


def words(layer: Convolution) -> str:
    """A layer's kernel and maps: "3×3, 64 → 32, tanh"."""
    side, _, inputs, outputs = layer.kernel.shape
    if layer.depthwise:
        outputs = inputs
    return f"{side}×{side}{' by map' * layer.depthwise}, {inputs} → {outputs}" + (
        "" if layer.activation == "linear" else f", {layer.activation}"
    )


def least(run: Callable[[], Any], rounds: int) -> float:
    """The least time of some runs, s."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def peak_of_one_thread() -> float:
    """GFLOP/s of a matrix product on one thread, in a process of its own: NumPy counts its threads when it comes."""
    program = "from benchmarks.inference import sgemm_peak; print(sgemm_peak())"
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return float(subprocess.run([sys.executable, "-c", program], env=one, check=True, stdout=subprocess.PIPE).stdout)


def differences(reached: list[float]) -> list[float]:
    """What each step adds to the time of all before it, which is at most that of any more of them."""
    least = np.minimum.accumulate(reached[::-1])[::-1]
    return np.diff(least, prepend=0.0).tolist()


def in_ncnn(engine: NcnnEngine, layers: list[Convolution], rounds: int) -> list[dict[str, float]]:
    """Seconds and operations of each layer, its activation and what else stands before the next one with it."""
    import ncnn

    margin = sum(len(layer.kernel) // 2 for layer in layers)
    window = np.random.default_rng(0).random((1, *(side + 2 * margin for side in engine.cell)), np.float32)
    network = engine.network(Borders(False, False, False, False), (False, False))
    reached, found = [], []
    for step in network.layers()[1:]:
        result = network.blobs()[step.tops[0]].name

        def run(result: str = result):
            extractor = network.create_extractor()
            extractor.input("maps0", ncnn.Mat(window))
            # 1: as the next layer would read it.
            return extractor.extract(result, 1)[1]

        maps = run()
        reached.append(least(run, rounds))
        found.append((step.type, maps.w * maps.h))
    times = differences(reached)
    merged: list[dict[str, float]] = []
    pending, waiting = 0.0, iter(layers)
    for (kind, pixels), seconds in zip(found, times):
        if kind.startswith("Convolution"):
            kernel = next(waiting).kernel
            # In blocks of 2×2 a pixel of the maps stands for four.
            several = 4 if in_blocks(layers) and len(merged) == len(layers) - 1 else 1
            merged.append({"seconds": pending + seconds, "operations": 2.0 * kernel.size * pixels * several})
            pending = 0.0
        elif kind in ("Padding", "Reorg"):
            pending += seconds
        else:
            merged[-1]["seconds"] += seconds
    return merged


def in_openvino(row: Row, rounds: int) -> list[dict[str, Any]]:
    """Seconds, operations and kernel of each layer as OpenVINO's own counters have them, in the fitted network."""
    from openvino import Core

    # Layers behind an enlargement have more pixels.
    height, width = (side * (1 + bool(row.enlargement)) for side in WINDOW)
    channels = row.layers[0].kernel.shape[2]
    settings = {**SETTINGS, "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    network = network_of(row, True, (height, width))
    request = Core().compile_model(network, "CPU", settings).create_infer_request()
    noise = np.random.default_rng(0).random((1, height, width, channels), np.float32)
    best: dict[str, tuple[str, str, float]] = {}
    for _ in range(rounds + 1):
        request.infer([noise])
        for node in request.get_profiling_info():
            seconds = node.real_time.total_seconds()
            if seconds and (node.node_name not in best or seconds < best[node.node_name][2]):
                best[node.node_name] = node.node_type, node.exec_type, seconds
    merged: list[dict[str, Any]] = []
    # What gathers neighbours belongs to the convolution behind it.
    pending, waiting, gathers = 0.0, iter(row.layers), [gathered(layer) for layer in row.layers]
    for kind, kernel_name, seconds in best.values():
        if kind == "Convolution" and gathers[0]:
            gathers[0], pending = False, pending + seconds
        elif kind == "Convolution":
            operations = 2.0 * next(waiting).kernel.size * height * width
            merged.append({"seconds": pending + seconds, "operations": operations, "kernel": kernel_name})
            gathers, pending = gathers[1:], 0.0
        elif merged:
            merged[-1]["seconds"] += seconds
        else:
            pending += seconds
    return merged


def rows(results: list[dict]) -> list[list[str]]:
    """The table: a line a layer, its share of the network's time and of the peak in each engine."""
    lines = []
    for each in results:
        peak = each["peak_gflops"] * 1e9
        ours, theirs = (sum(layer["seconds"] for layer in each[name]) for name in ("ncnn", "openvino"))
        for number, (text, other) in enumerate(zip(each["layers"], each["openvino"])):
            own = ["–", "–"]
            if each["ncnn"]:
                layer = each["ncnn"][number]
                own = [f"{layer['seconds'] / ours:.0%}", _of(layer, peak)]
            lines.append(
                [f"{each['network']}: {text}", *own, f"{other['seconds'] / theirs:.0%}", _of(other, peak),
                 other["kernel"]]
            )  # fmt: skip
    return lines


def _of(layer: dict[str, float], peak: float) -> str:
    """A layer's share of the peak; "–" where it took too little time to be told from its neighbours."""
    # F(4×4, 3×3) needs a quarter of the products.
    possible = layer["operations"] <= 4 * peak * layer["seconds"]
    return f"{layer['operations'] / layer['seconds'] / peak:.0%}" if possible else "–"


HEADINGS = ["layer", "ncnn: of its time", "of the peak", "OpenVINO: of its time", "of the peak", "its kernel"]


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.layers`."""
    from zoo import registry

    flags = record.parser("layers", __doc__).parse_args(arguments)
    written = record.start("layers")
    written["results"] = []
    peak = peak_of_one_thread()
    rounds = 3 if flags.quick else 100
    for name in NETWORKS[:1] if flags.quick else NETWORKS:
        path = registry.preset_file(name, ".tflite")
        file = TFLiteEngine(path.read_bytes(), name, 1)
        row = read_row(file)
        layers = row.layers
        written["results"].append(
            {
                "network": name,
                "layers": [words(layer) for layer in layers],
                "peak_gflops": peak,
                "cell": CELL,
                "ncnn": [] if row.enlargement else in_ncnn(NcnnEngine(file), layers, rounds),
                "openvino": in_openvino(row, rounds if flags.quick else 20),
            }
        )
    record.table("Layer by layer, 1 thread", HEADINGS, rows(written["results"]))
    shown = [
        (f"{each['network']}, {text}", 100 * layer["operations"] / layer["seconds"] / each["peak_gflops"] / 1e9)
        for each in written["results"]
        for text, layer in zip(each["layers"], each["ncnn"])
        if layer["seconds"]
    ]
    written["chart"] = record.chart("Share of the peak in ncnn, 1 thread", shown, "%", [])
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
