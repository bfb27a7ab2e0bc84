"""Files of any Keras network, whatever it takes and gives: a U-Net, a decoder, heads for poses; written, run, reported.

What is about pictures that become larger (colour, PSNR, a fitted int8, sizes modulo the scale) is in `export.write`; a
network is compared here at the one size of each file, on a photograph where it reads one, else on noise.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from export import measure, network_files
from export.claim import claim
from export.delegate import QUANTIZED_TOLERANCE, in_software
from export.network_files import FORMATS, Format, Size, is_picture, reads_a_photograph
from export.options import Options
from export.prepare import in_form
from export.report import environment, total_bytes, write_report
from zoo.errors import UsageError
from zoo.files import in_place_of
from zoo.graphs import tflite
from zoo.graphs.apart import share_of_range
from zoo.models import scale_of
from zoo.rewrite.difference import outputs
from zoo.rewrite.graph import has_graph, inputs_of, outputs_of

# What only a super-resolution network has.
_PICTURES = ("layer_errors", "drawn", "copies", "color", "io", "clip", "data", "border")
Progress = Callable[[str], None]


def enlarges_pictures(model: keras.Model) -> bool:
    """Whether a model is what `export.write` is about: luma or RGB of any size in, the same larger out.

    Whole numbers and names, of inputs and outputs, are kept in the files of another network alone.
    """
    if has_graph(model):
        dtypes = [keras.backend.standardize_dtype(end.dtype) for end in (*model.inputs, *model.outputs)]
        named = any(isinstance(each, dict) for each in (inputs_of(model), outputs_of(model)))
        if named or not all(map(keras.backend.is_float_dtype, dtypes)):
            return False
    shape = model.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 4 and shape[1:3] == (None, None) and shape[3] in (1, 3)):
        return False
    try:
        return scale_of(model) >= 2
    except Exception:  # A network that does not take the size tried, or is none of this kind.
        return False


def export_network(
    model: keras.Model,
    output: Path,
    sizes: Sequence[Size] | None,
    formats: Sequence[str],
    progress: Progress,
    options: Options,
) -> dict[str, Any]:
    """Writes a network to files, checks each, and writes `report.json` and `report.md` beside them.

    Args:
        model: any functional or Sequential network; several inputs and outputs, fixed sizes or free ones.
        sizes: heights and widths of every input whose size is free, in px; None: its own, where that is fixed.
    Returns:
        The report, as `export.write.export_model` does.
    Raises:
        UsageError: a format or option that is for super-resolution alone, or a size that the network does not take.
    """
    _check(model, formats, options)
    prepared = model if options.keep_form else in_form(model, options.record.enlargement)
    files: list[dict[str, Any]] = []
    for name in formats:
        for size in _sizes(model, sizes) if FORMATS[name].static else [None]:
            at = size or (_sizes(model, sizes) or [None])[0]
            inputs = network_files.inputs(model, at)
            expected = _run(model, inputs, at)
            replaced = in_place_of(output / FORMATS[name].file_name(prepared.name, size))
            entry = _written(prepared, output, name, size, options)
            progress(f"{output / entry['name']}: {entry['bytes']:,} bytes{replaced}")
            if options.check:
                if options.gate != "off" and FORMATS[name].static and in_software():
                    progress(
                        "  on the GPU delegate in software, which may take minutes; --gate=off runs nothing on it …"
                    )
                entry |= _checked(output / entry["name"], FORMATS[name], inputs, expected, options)
                progress(f"  {_summary(entry)}")
            files.append(entry)
    if not options.check:
        return write_report({"model": model.name, "files": files, "claim": "Not checked."}, output)
    report = {
        "model": model.name,
        "claim": claim(files, levels=False),
        "takes": _shapes(model.inputs),
        "gives": _shapes(model.outputs),
        "keep_form": options.keep_form,
        "form": options.record.enlargement,
        "target": str(options.record),
        "files": files,
        "environment": environment(),
    }
    return write_report(report, output)


def _check(model: keras.Model, formats: Sequence[str], options: Options) -> None:
    unfit = [name for name in formats if name not in FORMATS]
    if unfit:
        raise UsageError(
            f"Expected formats out of {', '.join(FORMATS)} for a network that does not enlarge pictures of any size. "
            f"Received: {', '.join(unfit)}"
        )
    if "tflite_int8" in formats and not reads_a_photograph(model):
        raise UsageError(
            "Expected a network that reads pictures of 1 or 3 channels for tflite_int8, fitted to photographs. "
            f"Received: one that reads {_shapes(model.inputs)}; fit it to what it reads by TensorFlow's TFLiteConverter"
        )
    asked = [name for name in _PICTURES if getattr(options, name) not in (getattr(Options, name), [])]
    if asked:
        raise UsageError(
            "Expected a network that enlarges pictures of 1 or 3 channels and any size for "
            f"{', '.join(f'--{name}' for name in asked)}. Received: another one"
        )


def _sizes(model: keras.Model, sizes: Sequence[Size] | None) -> list[Size | None]:
    """The sizes of the files; None stands for the network's own."""
    free = [tensor for tensor in model.inputs if None in tensor.shape[1:]]
    if any(not is_picture(tensor) or tensor.shape[3] is None for tensor in free):
        raise UsageError(f"Expected inputs of which only height and width are free. Received: {_shapes(model.inputs)}")
    if free:
        return list(sizes or [(360, 640)])
    own = {tuple(tensor.shape[1:3]) for tensor in model.inputs if is_picture(tensor)}
    if sizes and any(size not in own for size in sizes):
        raise UsageError(f"Expected no size, or the network's own: {_shapes(model.inputs)}. Received: {list(sizes)}")
    return [None]


def _run(model: keras.Model, inputs: dict[str, np.ndarray], size: Size | None) -> list[np.ndarray]:
    try:
        return outputs(model, keras.tree.pack_sequence_as(inputs_of(model), list(inputs.values())))
    except Exception as error:  # What a size does to a network it says in its own way.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"Expected sizes that {model.name!r} takes. Received: {size}: {reason}") from error


def _written(model: keras.Model, output: Path, name: str, size: Size | None, options: Options) -> dict[str, Any]:
    if not has_graph(model):
        raise UsageError(f"Expected a functional Keras model. Received: {model.name!r}, a {type(model).__name__}")
    path = output / FORMATS[name].file_name(model.name, size)
    FORMATS[name].write(model, path, size, options)
    return {"name": path.name, "format": name, "size": size, "bytes": total_bytes(path)}


def _checked(
    path: Path, form: Format, inputs: dict[str, np.ndarray], expected: list[np.ndarray], options: Options
) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = {"keras": difference(expected, form.run(path, inputs))}
    except ImportError as error:
        return {"keras": {"sentence": measure.not_run(error)}}
    if path.suffix != ".tflite":
        return entry
    file = tflite.read(path)
    entry |= measure.describe(file, options.record)
    entry |= measure.run(path, file, None, ("latency", "half"))
    entry["gpu"] = {"verdict": "not run", "sentence": f"Not run: the gate is {options.gate}."}
    if options.gate != "off":
        entry["gpu"] = _on_the_delegate(path, file, inputs, entry["keras"]["max_difference"])
    return {**entry, "remainders": []}


def _on_the_delegate(path: Path, file: tflite.File, inputs: dict[str, np.ndarray], lost: float) -> dict[str, Any]:
    """The verdict; of int8 on what it is fitted to, and where it is no farther off than int8 itself it is right."""
    if not path.stem.endswith("_int8"):
        return measure.run(path, file, None, ("gpu",))["gpu"]
    tolerance = max(lost, QUANTIZED_TOLERANCE)
    return measure.run(path, file, list(inputs.values()), ("gpu",), tolerance=tolerance)["gpu"]


def difference(expected: list[np.ndarray], received: dict[str, np.ndarray]) -> dict[str, float]:
    """Of all outputs, as shares of the range of each; the file names them by number or by the network's own keys."""
    # By length first: output_2 before output_10, in ONNX files Identity_2:0 before Identity_10:0.
    numbered = all(re.fullmatch(r"output_\d+|Identity(_\d+)?(:0)?", name) for name in received)
    names = sorted(received, key=(lambda name: (len(name), name)) if numbered else None)
    every = np.concatenate(
        [share_of_range(one, received[name]).ravel() for one, name in zip(expected, names, strict=True)]
    )
    return {"max_difference": float(every.max()), "mean_difference": float(every.mean())}


def _summary(entry: dict[str, Any]) -> str:
    if "sentence" in entry["keras"]:
        return entry["keras"]["sentence"]
    words = f"at most {entry['keras']['max_difference']:.1e} of the range from Keras"
    return words + (f", GPU delegate: {measure.verdict(entry)}" if "gpu" in entry else "")


def _shapes(tensors) -> str:
    return ", ".join("×".join("free" if side is None else str(side) for side in each.shape[1:]) for each in tensors)
