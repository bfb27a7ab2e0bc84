"""The formats that a model is written in, a record each: a new one is a record in `FORMATS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from export import int8
from export.int8.pictures import KINDS, Crops, mixed
from export.onnx import open_onnx, write_onnx
from export.options import Options
from export.saved_model import open_saved_model, write_saved_model
from export.shaders.libplacebo import open_shader
from export.shaders.mpv import write_shader
from export.shaders.row import read_row
from export.shaders.wgsl import write_wgsl
from export.tflite import open_tflite, write_dynamic, write_tflite
from zoo.data import sample
from zoo.errors import UsageError, one_of
from zoo.models import scale_of

Size = tuple[int, int] | None
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Content:
    """What goes into a file.

    Attributes:
        model: as `export.prepare.prepare` returns it, its upsampling in the target's form.
        quantizable: the same function in the form that loses least in int8: in LR space each phase has a scale of its
            own, where all phases of a transposed convolution share one.
        options: as they were asked for.
    """

    model: keras.Model
    quantizable: keras.Model
    options: Options

    @cached_property
    def calibration(self) -> tuple[Crops, int8.Tuning | None]:
        """The crops that int8 is fitted to and what was found on them: once for the files of every size."""
        channels = self.model.input_shape[-1]
        source = self.options.calibration or sample(scale_of(self.model), channels)
        crops = mixed(source.pictures(), channels, counts=self.options.drawn)
        return crops, int8.tune(self.quantizable, crops, self.options.copies)

    @cached_property
    def layer_errors(self) -> dict[str, dict[str, float]]:
        """Kind of picture → where int8 loses on it; empty where int8 was not fitted."""
        crops, tuning = self.calibration
        if tuning is None:
            return {}
        return {name: int8.layer_errors(self.quantizable, crops, tuning, kind) for kind, name in enumerate(KINDS)}


def _as_it_is(function: Function, content: Content) -> Function:
    return function


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        suffix: what a file's name has after the model's; `{size}` stands for the LR height x width.
        write: writes the content to a path, at a size where the format is static.
        open: a written file as a function (h, w, C) float32 → (scale·h, scale·w, C); raises ImportError where what
            runs it is not installed, or with the reason where nothing here runs it.
        describe: what the file takes and gives, where no TFLite graph tells it.
        note: a sentence on how the content was made fit for the format.
        reference: what the file ought to compute, given the network as a function.
    """

    suffix: str
    write: Callable[[Content, Path, Size], None]
    open: Callable[[Path], Function]
    describe: str = ""
    note: Callable[[Content], str] | None = None
    reference: Callable[[Function, Content], Function] = _as_it_is

    @property
    def static(self) -> bool:
        """Whether a file is for one size of picture."""
        return "{size}" in self.suffix

    @property
    def tflite(self) -> bool:
        """Whether a file is a TFLite graph, which the delegate's rules and runs are for."""
        return self.suffix.endswith(".tflite")

    def file_name(self, name: str, size: Size) -> str:
        """`espcn_x3_360x640_fp32.tflite` for a static file, `espcn_x3.tflite` for the dynamic one."""
        return name + self.suffix.format(size="x".join(map(str, size or ())))


def _write_int8(content: Content, path: Path, size: Size) -> None:
    crops, tuning = content.calibration
    assert size is not None, "the format is static"
    int8.write_int8(content.quantizable, path, size, tuning, crops.images, content.options.io)


def _note_int8(content: Content) -> str:
    tuning = content.calibration[1]
    note = tuning.note if tuning else "calibrated by the converter alone"
    if content.options.layer_errors and not tuning:
        note += ", so nothing tells where it loses: no file for Model Explorer"
    if content.quantizable is content.model:
        return note
    return f"{note}; quantized in LR space, its shuffle then spelt as RESHAPE, TRANSPOSE, RESHAPE: the same bits"


def _clipped(function: Function, content: Content) -> Function:
    """What clips its output does not differ from the network in that."""
    return lambda image: np.clip(function(image), 0, 1)


def _shown(function: Function, content: Content) -> Function:
    """A player shows [0, 1]; what a shader takes to lie outside the picture is its border."""
    if content.options.border == "zeros":
        return _clipped(function, content)
    row = read_row(content.model)
    cut = slice(row.radius * row.scale, -row.radius * row.scale or None)

    def mirrored(image: np.ndarray) -> np.ndarray:
        around = [(row.radius, row.radius)] * 2 + [(0, 0)]
        return np.clip(function(np.pad(image, around, mode="symmetric"))[cut, cut], 0, 1)

    return mirrored


def _open_in_browser(path: Path) -> Function:
    raise ImportError(
        "only a browser runs WGSL, as the page of `make web` does on videos; its sums are those of the .glsl file, "
        "which --formats=glsl writes and runs"
    )


FORMATS = {
    "saved_model": Format(
        "_saved_model",
        lambda content, path, size: write_saved_model(content.model, path),
        open_saved_model,
        "Signatures `serving_default` (float32 in [0, 1]) and `upscale_uint8` (uint8), both `lr_image` (N, H, W, C) → "
        "`sr_image`; any batch and size",
    ),
    "tflite_fp32": Format(
        "_{size}_fp32.tflite", lambda content, path, size: write_tflite(content.model, path, size), open_tflite
    ),
    "tflite_fp16": Format(
        "_{size}_fp16.tflite",
        lambda content, path, size: write_tflite(content.model, path, size, half=True),
        open_tflite,
    ),
    "tflite_int8": Format("_{size}_int8.tflite", _write_int8, open_tflite, note=_note_int8, reference=_clipped),
    "tflite_dynamic": Format(".tflite", lambda content, path, size: write_dynamic(content.model, path), open_tflite),
    "onnx": Format(
        ".onnx",
        lambda content, path, size: write_onnx(content.model, path),
        open_onnx,
        "`lr_image` float32 (N, C, H, W) in [0, 1] → `sr_image`; any batch and size",
    ),
    "glsl": Format(
        ".glsl",
        lambda content, path, size: write_shader(content.model, path, content.options.border),
        open_shader,
        "`mpv --glsl-shaders`; any size; acts where the picture is enlarged by more than 1.2",
        reference=_shown,
    ),
    "wgsl": Format(
        ".wgsl",
        lambda content, path, size: write_wgsl(content.model, path, content.options.border),
        _open_in_browser,
        "WebGPU, as the page in web/ runs it on videos; any size",
        reference=_shown,
    ),
}


# Options that are for some of the formats only.
_OWN = {
    "io": ("tflite_int8",),
    "calibration": ("tflite_int8",),
    "layer_errors": ("tflite_int8",),
    "border": ("glsl", "wgsl"),
}


def check_used(options: Options, formats: Sequence[str]) -> None:
    """Sees that every option has a format that it changes.

    Raises:
        UsageError: one has none.
    """
    for name, own in _OWN.items():
        if getattr(options, name) != getattr(Options, name) and not set(own) & set(formats):
            raise UsageError(
                f"Expected {' or '.join(own)} among the formats for --{name}, which changes no other. "
                f"Received: {', '.join(formats)}"
            )


def check_formats(formats: Sequence[str]) -> list[str]:
    """The formats, each once; UsageError for an unknown one or none."""
    if not formats:
        raise UsageError(f"Expected formats out of {', '.join(FORMATS)}. Received: none")
    return list(dict.fromkeys(one_of("a format", form.strip(), FORMATS) for form in formats))
