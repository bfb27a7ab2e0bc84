"""The report beside exported files: what each is, how far from Keras, and what the GPU delegate makes of it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from export import check, delegate
from export.files import whole
from export.tflite import write_tflite
from zoo import complexity, evaluate
from zoo.data import benchmark, sample

# Of the remainders' LR sides: enough for every kernel, small enough for a delegate in software.
SMALL = 24


def real_image(scale: int, channels: int, height: int, width: int) -> np.ndarray:
    """A photograph's LR image, (1, height, width, channels) float32 in [0, 1], mirrored on where it is too small."""
    _, lr_image, _ = next(iter(sample(scale, channels=channels, split="heldout").pictures()))
    beyond = [(0, max(0, side - there)) for side, there in zip((height, width), lr_image.shape)]
    tiled = np.pad(lr_image, [*beyond, (0, 0)], mode="symmetric")[:height, :width]
    return tiled[None].astype(np.float32) / 255


def remainders(model: keras.Model, scale: int) -> list[dict[str, Any]]:
    """The delegate's verdict on small exports whose LR height and width take every remainder modulo the scale.

    A delegate that shifts a layer does so at some sizes only; the size asked for may be one of the lucky ones.
    """
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        for remainder in range(scale):
            size = (SMALL + remainder, SMALL + (remainder + 1) % scale)
            path = Path(folder) / f"{size[0]}x{size[1]}.tflite"
            write_tflite(model, path, size)
            result = delegate.measure(path, [real_image(scale, model.input_shape[-1], *size)])["gpu"]
            verdicts.append({"size": size, **result})
            if result["verdict"] == "not run":
                break
    return verdicts


def differences(model: keras.Model, path: Path, image: np.ndarray) -> dict[str, float]:
    """Largest and mean difference of a TFLite file from the Keras model on one LR image, in [0, 1]."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    if tuple(given["shape"]) != image.shape:
        interpreter.resize_tensor_input(given["index"], image.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], to_input(image, given))
    interpreter.invoke()
    output = from_output(interpreter.get_tensor(result["index"]), result)
    error = np.abs(output - np.asarray(model(image), np.float64))
    return {"max_difference": float(error.max()), "mean_difference": float(error.mean())}


def to_input(image: np.ndarray, detail: dict) -> np.ndarray:
    """An image in [0, 1] in a file's input type; integers by the file's own scale and zero point."""
    dtype = np.dtype(detail["dtype"])
    if not np.issubdtype(dtype, np.integer):
        return image.astype(dtype)
    scale, zero = detail["quantization"]
    limits = np.iinfo(dtype)
    return np.clip(np.rint(image / scale) + zero, limits.min, limits.max).astype(dtype)


def from_output(output: np.ndarray, detail: dict) -> np.ndarray:
    """A file's output in [0, 1], float64."""
    scale, zero = detail["quantization"]
    return (output.astype(np.float64) - zero) * scale if np.issubdtype(output.dtype, np.integer) else output


def describe(model: keras.Model, scale: int, path: Path, size: tuple[int, int] | None, data: str | None) -> dict:
    """One file's entry in the report; SavedModels and ONNX files are not run here."""
    if path.suffix != ".tflite":
        return {}
    height, width = size or (SMALL + 13, SMALL + 6)
    image = real_image(scale, model.input_shape[-1], height, width)
    integers = check.read(path).inputs[0].dtype != "float32"
    entry = check.inspect(path, None if integers else [image])
    entry["keras"] = differences(model, path, image)
    entry["macs"] = complexity.count(model, height * scale, width * scale)["macs"]
    if data and not integers:
        pictures = benchmark(Path(data))
        upscaler = evaluate.open_upscaler(str(path))
        entry["psnr"] = evaluate.mean(evaluate.evaluate(upscaler, pictures, scale)).psnr
        entry["psnr_loss"] = evaluate.mean(evaluate.evaluate(model, pictures, scale)).psnr - entry["psnr"]
    return entry


def to_markdown(report: dict[str, Any]) -> str:
    """The report for a person."""
    lines = [f"# {report['model']}, exported", "", report["claim"], ""]
    for file in report["files"]:
        lines.append(f"## {file['name']}")
        lines.append("")
        if "operations" not in file:
            lines += [f"- {file['bytes']:,} bytes", ""]
            continue
        lines += check.lines_of(file)
        keras_ = file["keras"]
        lines.append(
            f"- from Keras on a photograph: largest difference {keras_['max_difference']:.1e}, "
            f"mean {keras_['mean_difference']:.1e}"
        )
        lines.append(f"- {file['macs'] / 1e9:.3f} G multiplications a picture")
        if "psnr" in file:
            lines.append(f"- {file['psnr']:.3f} dB on the test set, {file['psnr_loss']:+.4f} dB below Keras")
        lines.append("")
    if report["remainders"]:
        lines += ["## The same network at other sizes", ""]
        lines += [f"- LR {r['size'][0]}×{r['size'][1]}: {r['sentence']}" for r in report["remainders"]]
    return "\n".join(lines).rstrip() + "\n"


def claim(report: dict[str, Any]) -> str:
    """One sentence that says what was run and on what; "compatible" is not said of what was not."""
    verdicts = [file["gpu"] for file in report["files"] if "gpu" in file and file["size"]] + report["remainders"]
    if not verdicts:
        return "No file for a GPU delegate was asked for."
    if any(verdict["verdict"] == "not run" for verdict in verdicts):
        return next(verdict["sentence"] for verdict in verdicts if verdict["verdict"] == "not run")
    bad = [verdict for verdict in verdicts if verdict["verdict"] != "right"]
    if bad:
        return f"NOT fit for a GPU delegate: {bad[0]['sentence']}"
    return f"Right and fully accelerated on the {verdicts[0]['device']}, at every remainder modulo the scale."


def write_report(report: dict[str, Any], output: Path) -> None:
    """Writes report.json and report.md, each whole or not at all."""
    with whole(output / "report.json") as unfinished:
        unfinished.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with whole(output / "report.md") as unfinished:
        unfinished.write_text(to_markdown(report), encoding="utf-8")
