"""Every file that is asked for, written, checked and reported on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from export import report as reports
from export.prepare import prepare
from export.saved_model import write_saved_model
from export.tflite import write_tflite
from zoo.errors import UsageError
from zoo.models import scale_of

FORMATS = ("saved_model", "tflite_fp32", "tflite_fp16", "tflite_int8", "tflite_dynamic", "onnx")


def export_model(
    model: keras.Model,
    output: str | Path,
    sizes: Sequence[tuple[int, int]] = ((360, 640),),
    formats: Sequence[str] = ("saved_model", "tflite_fp32"),
    color: str | None = None,
    clip: bool = False,
    keep_form: bool = False,
    check: bool = True,
    data: str | None = None,
) -> dict[str, Any]:
    """Writes a model to files and a report beside them.

    Args:
        model: a super-resolution model (N, H, W, C) in [0, 1] → (N, scale·H, scale·W, C), from the zoo or not.
        output: the folder; made if it is not there. Files of the same name are replaced.
        sizes: LR heights and widths in px, one TFLite file of each static format for each.
        formats: any of `FORMATS`.
        color: `"rgb"` wraps a luma model so that it takes and gives RGB; `"y"` insists on luma in and out.
        clip: the output is clipped to [0, 1]; always with `color="rgb"`.
        keep_form: leaves the upsampling as it is instead of moving it into LR space.
        check: whether each TFLite file is run: compared with Keras, timed, given to the GPU delegate.
        data: folder of a public test set on which the float TFLite files are measured.
    Returns:
        The report, also in `report.json` and `report.md`: `files`, one entry a file with its `name`, `format` and
        `bytes`, and with `check` what `export.report` found; `remainders`; `claim`, one sentence.
    Raises:
        UsageError: a model, size, format or option that cannot be served.
    """
    formats = check_formats(formats)
    sizes = check_sizes(sizes)
    output = Path(output)
    ready = prepare(model, color, clip, keep_form)
    files = []
    for form in formats:
        for size in sizes if form in STATIC else [None]:
            path = output / file_name(ready.name, form, size)
            _WRITERS[form](ready, path, size)
            files.append({"name": path.name, "format": form, "size": size, "bytes": _bytes(path)})
    report = {"model": model.name, "files": files, "remainders": []}
    if check:
        scale = scale_of(model)
        for file in files:
            file.update(reports.describe(ready, scale, output / file["name"], file["size"], data))
        if "tflite_fp32" in formats:
            report["remainders"] = reports.remainders(ready, scale)
        report["claim"] = reports.claim(report)
        reports.write_report(report, output)
    return report


def tflite_dynamic(model: keras.Model, path: str | Path, keep_form: bool = False) -> None:
    """Writes one TFLite file for every size: float32, (1, H, W, C) with H and W free, upsampling in LR space.

    For CPUs: `Interpreter.resize_tensor_input` sets H and W. GPU delegates take static shapes only.
    """
    write_tflite(prepare(model, keep_form=keep_form), Path(path), None)


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


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


STATIC = ("tflite_fp32", "tflite_fp16", "tflite_int8")
_WRITERS = {
    "saved_model": lambda model, path, _: write_saved_model(model, path),
    "tflite_fp32": write_tflite,
    "tflite_fp16": lambda model, path, size: write_tflite(model, path, size, half=True),
    "tflite_dynamic": write_tflite,
}
