"""Every file that is asked for, written, checked and reported on."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from export import int8, measure
from export.onnx import write_onnx
from export.prepare import prepare
from export.report import environment, write_report
from export.saved_model import write_saved_model
from export.tflite import write_dynamic, write_tflite
from zoo.data import Source, benchmark, sample
from zoo.engines.keras import KerasEngine
from zoo.errors import UsageError
from zoo.graphs import tflite
from zoo.models import scale_of

STATIC = ("tflite_fp32", "tflite_fp16", "tflite_int8")
FORMATS = ("saved_model", *STATIC, "tflite_dynamic", "onnx")
GATES = ("full", "small", "off")
# LR px: where a file has no size of its own, it is compared with Keras at this one.
_ANY_SIZE = (120, 152)


def export_model(
    model: keras.Model,
    output: str | Path,
    sizes: Sequence[tuple[int, int]] = ((360, 640),),
    formats: Sequence[str] = ("saved_model", "tflite_fp32"),
    color: str | None = None,
    io: str = "float",
    clip: bool = False,
    keep_form: bool = False,
    calibration: Source | None = None,
    data: Sequence[str] = (),
    check: bool = True,
    gate: str = "full",
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Writes a model to files, checks each, and writes `report.json` and `report.md` beside them.

    Args:
        model: a super-resolution model (N, H, W, C) in [0, 1] → (N, scale·H, scale·W, C), from the zoo or not.
        output: the folder; made if it is not there. Files of the same name are replaced.
        sizes: LR heights and widths in px, one TFLite file of each static format for each.
        formats: any of `FORMATS`.
        color: `"rgb"` wraps a luma model so that it takes and gives RGB; `"y"` insists on luma in and out.
        io: what an int8 file takes and gives: `"float"` in [0, 1] or `"uint8"` levels. It clips its output either way.
        clip: the output is clipped to [0, 1]; always with `color="rgb"`.
        keep_form: leaves the upsampling as it is instead of moving it into LR space.
        calibration: whose LR pictures int8 is fitted to; by default the sample photographs.
        data: folders of test sets to measure PSNR on.
        check: whether the files are run at all; False writes them, and no report.
        gate: `"full"` runs each static TFLite file on the GPU delegate at its own size and re-exported at small ones,
            `"small"` leaves out its own size (minutes, without a GPU), `"off"` runs nothing.
        progress: called with a line for each file.
    Returns:
        The report: `files`, one entry a file with `name`, `format`, `size` and `bytes`, and with `check` the rest of
        what docs/export.md lists; `claim`, one sentence on all of them.
    Raises:
        UsageError: a model, size, format or option that cannot be served.
    """
    formats, sizes = check_formats(formats), check_sizes(sizes)
    for name, value, valid in (("io", io, int8.IO), ("gate", gate, GATES)):
        if value not in valid:
            raise UsageError(f"Expected {name} to be one of {', '.join(valid)}. Received: {value!r}")
    sets = {_set_name(folder): benchmark(folder) for folder in data}
    job = _Job(model, color, io, clip, keep_form, calibration, sets, gate)
    output = Path(output)
    files = []
    for form in formats:
        for size in sizes if form in STATIC else [None]:
            path = output / file_name(job.ready.name, form, size)
            job.write(path, form, size)
            files.append({"name": path.name, "format": form, "size": size, "bytes": total_bytes(path)})
            progress(f"{path}: {files[-1]['bytes']:,} bytes")
            if check:
                files[-1] |= job.check(path, form, size)
                progress(f"  {_summary(files[-1])}")
    if not check:
        return {"model": model.name, "files": files, "claim": "Not checked."}
    report = {
        "model": model.name,
        "claim": claim(files),
        "scale": job.scale,
        "channels": job.channels,
        "color": color,
        "clip": clip or color == "rgb",
        "keep_form": keep_form,
        "pictures": 2,
        "data": ", ".join(sets),
        "files": files,
        "environment": environment(),
    }
    write_report(report, output)
    return report


class _Job:
    """One model with all that its files have in common."""

    def __init__(self, model, color, io, clip, keep_form, calibration, sets, gate):
        self.scale = scale_of(model)
        self.ready = prepare(model, color, clip, keep_form)
        self.reference = KerasEngine(prepare(model, color, clip, keep_form=True)).run
        self.channels = self.ready.input_shape[-1]
        self.io, self.sets, self.gate, self.calibration = io, sets, gate, calibration
        self.tuning: int8.Tuning | None = None
        self.crops: np.ndarray | None = None
        # What the sets lose is counted from here.
        self.best = {name: self._psnr(self.reference, pictures) for name, pictures in sets.items()}

    def write(self, path: Path, form: str, size: tuple[int, int] | None) -> None:
        if form == "saved_model":
            write_saved_model(self.ready, path)
        elif form == "onnx":
            write_onnx(self.ready, path)
        elif form == "tflite_int8":
            if self.crops is None:
                source = self.calibration or sample(self.scale, self.channels)
                self.crops = int8.crops(source.pictures())
                self.tuning = int8.tune(self.ready, self.crops)
            int8.write_int8(self.ready, path, size, self.tuning, self.crops, self.io)
        elif form == "tflite_dynamic":
            write_dynamic(self.ready, path)
        else:
            write_tflite(self.ready, path, size, half=form == "tflite_fp16")

    def check(self, path: Path, form: str, size: tuple[int, int] | None) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if form == "tflite_int8":
            entry["note"] = self.tuning.note if self.tuning else "calibrated by the converter alone"
        images = measure.photographs(self.channels, size or _ANY_SIZE)
        try:
            function = measure.opened(path, form)
        except ImportError as error:
            return {**entry, "keras": {"sentence": f"Not run: {error.name} is not installed."}}
        # An int8 file clips; that is no difference from the network.
        reference = _clipped(self.reference) if form == "tflite_int8" else self.reference
        entry["keras"] = measure.difference(function, reference, images)
        entry["psnr"] = {name: self._loss(name, self._psnr(function, self.sets[name])) for name in self.sets}
        if form.startswith("tflite"):
            file = tflite.read(path)
            entry |= measure.describe(file)
        if form in STATIC:
            entry |= measure.run(path, file, [images[0][None]], ("latency", "half"))
            entry["gpu"] = {"verdict": "not run", "sentence": f"Not run at its own size: the gate is {self.gate}."}
            if self.gate == "full":
                entry["gpu"] = measure.run(path, file, [images[0][None]], ("gpu",))["gpu"]
            entry["remainders"] = self._remainders(path.name, form) if self.gate != "off" else []
        return entry

    def _remainders(self, name: str, form: str) -> list[dict[str, Any]]:
        """The delegate's verdicts on small files of the same kind, LR sides of every remainder modulo the scale.

        A delegate that shifts a layer does so at some sizes only; the size asked for may be one of the lucky ones.
        """
        runs = []
        with tempfile.TemporaryDirectory(prefix="export-") as folder:
            for size in measure.small_sizes(self.scale):
                path = Path(folder) / name
                self.write(path, form, size)
                image = measure.photographs(self.channels, size)[0]
                runs.append({"size": size, **measure.run(path, tflite.read(path), [image[None]], ("gpu",))["gpu"]})
                if runs[-1]["verdict"] == "not run":
                    break
        return runs

    def _psnr(self, function, pictures) -> float | str:
        return measure.psnr(function, self.channels, self.scale, pictures)

    def _loss(self, name: str, value: float | str) -> dict[str, Any]:
        if isinstance(value, str):
            return {"sentence": value}
        return {"psnr": value, "loss": self.best[name] - value}


def tflite_dynamic(model: keras.Model, path: str | Path, keep_form: bool = False) -> None:
    """Writes one TFLite file for every size: float32, (1, H, W, C) with H and W free, upsampling in LR space.

    For CPUs: convolutions are shaped to fit their vectors, `Interpreter.resize_tensor_input` sets H and W. GPU
    delegates want static shapes.
    """
    write_dynamic(prepare(model, keep_form=keep_form), Path(path))


def file_name(name: str, form: str, size: tuple[int, int] | None) -> str:
    """`espcn_x3_360x640_fp32.tflite` for a static file, `espcn_x3.tflite` for the dynamic one."""
    if form in STATIC:
        return f"{name}_{size[0]}x{size[1]}_{form.removeprefix('tflite_')}.tflite"
    return name + {"saved_model": "_saved_model", "tflite_dynamic": ".tflite", "onnx": ".onnx"}[form]


def check_formats(formats: Sequence[str]) -> list[str]:
    """The formats, each once; UsageError for an unknown one or none."""
    formats = list(dict.fromkeys(formats))
    unknown = [form for form in formats if form not in FORMATS]
    if unknown or not formats:
        raise UsageError(f"Expected formats out of {', '.join(FORMATS)}. Received: {', '.join(unknown) or 'none'}")
    return formats


def check_sizes(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sizes, each once; UsageError unless all are pairs of positive integers."""
    for size in sizes:
        if len(size) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in size):
            raise UsageError(f"Expected sizes as pairs of LR height and width in px. Received: {tuple(size)!r}")
    if not sizes:
        raise UsageError("Expected at least one size, LR height and width in px. Received: none")
    return list(dict.fromkeys(tuple(size) for size in sizes))


def total_bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _clipped(function):
    return lambda image: np.clip(function(image), 0, 1)


def _set_name(folder: str) -> str:
    path = Path(folder).resolve()
    return path.parent.name if path.name == "HR" else path.name


def _summary(entry: dict[str, Any]) -> str:
    keras = entry["keras"]
    words = []
    if "max_difference" in keras:
        words.append(f"at most {keras['max_difference']:.1e} from Keras")
    words += [f"{name} {value['psnr']:.2f} dB" for name, value in entry.get("psnr", {}).items() if "psnr" in value]
    if "gpu" in entry:
        words.append(f"GPU delegate: {measure.verdict(entry)}")
    return ", ".join(words) or keras["sentence"]


def claim(files: list[dict[str, Any]]) -> str:
    """One sentence on what was run and on what; "compatible" is not said of what was not."""
    static = [entry for entry in files if "gpu" in entry]
    runs = [(entry["name"], run) for entry in static for run in (entry["gpu"], *entry["remainders"])]
    ran = [(name, run) for name, run in runs if run["verdict"] != "not run"]
    bad = next(((name, run) for name, run in ran if run["verdict"] != "right"), None)
    if bad:
        return f"NOT fit for a GPU delegate: {bad[0]}: {bad[1]['sentence']}"
    if not static:
        return "No file for a GPU delegate was asked for."
    if not ran:
        return runs[0][1]["sentence"]
    return f"Right and fully accelerated on the {ran[0][1]['device']}, at every remainder modulo the scale."
