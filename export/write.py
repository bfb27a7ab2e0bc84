"""Every file that is asked for, written, checked and reported on."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from export import delegate, measure
from export.claim import claim
from export.described import describe
from export.formats import FORMATS, Content, Format, check_formats, check_used
from export.int8.errors import node_data
from export.network import enlarges_pictures, export_network
from export.options import Options
from export.prepare import prepare
from export.report import earlier, environment, total_bytes, write_report
from export.tflite import write_dynamic
from zoo.data import benchmark
from zoo.engines.keras import KerasEngine
from zoo.errors import UsageError
from zoo.files import in_place_of, whole_file
from zoo.graphs import tflite
from zoo.models import scale_of
from zoo.program import quiet
from zoo.rewrite.tflite_target import for_target

# LR px: where a file has no size of its own, it is compared with Keras at this one.
ANY_SIZE = (120, 152)


def export_model(
    model: keras.Model,
    output: str | Path,
    sizes: Sequence[tuple[int, int]] | None = None,
    formats: Sequence[str] = ("saved_model", "tflite_fp32"),
    progress: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> dict[str, Any]:
    """Writes a model to files, checks each, and writes `report.json` and `report.md` beside them.

    Args:
        model: a super-resolution model (N, H, W, C) in [0, 1] → (N, scale·H, scale·W, C), from the zoo or not; or any
            other network, of which `export.network` writes the files.
        output: the folder; made if it is not there. Files of the same name are replaced, which `progress` says; of
            others that earlier exports left there the report goes on to tell.
        sizes: LR heights and widths in px, one TFLite file of each static format for each. Default: 360×640, or the
            network's own size.
        formats: any of `FORMATS`.
        progress: called with a line for each file.
        options: those of `export.options.Options`.
    Returns:
        The report: `files`, one entry a file with `name`, `format`, `size` and `bytes`, and with `check` the rest of
        what docs/export.md lists; `claim`, one sentence on all of them; `earlier`, where other exports left files in
        the folder, their reports.
    Raises:
        UsageError: a model, size, format or option that cannot be served; a report in the folder that no export wrote.

    Example:
        >>> import tempfile
        >>> import zoo
        >>> model = zoo.load("fsrcnn_s_x2")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = export_model(model, folder, [(24, 32)], ["tflite_fp32"], gate="off")
        >>> [entry] = report["files"]
        >>> entry["name"], entry["keras"]["max_difference"] < 1e-5
        ('fsrcnn_s_x2_24x32_fp32.tflite', True)
    """
    formats, sizes = check_formats(formats), None if sizes is None else check_sizes(sizes)
    if not isinstance(model, keras.Model):
        raise UsageError(f"Expected a Keras model; zoo.open_model opens presets and files. Received: {model!r:.100}")
    chosen = Options(**options)
    earlier(Path(output))
    if not enlarges_pictures(model):
        return export_network(model, Path(output), sizes, formats, progress, chosen)
    check_used(chosen, formats)
    sizes = sizes or [(360, 640)]
    job = _Job(model, chosen, progress)
    output = Path(output)
    files = []
    for name in formats:
        form = FORMATS[name]
        for size in sizes if form.static else [None]:
            path = output / form.file_name(job.content.model.name, size)
            replaced = in_place_of(path)
            job.write(form, path, size)
            files.append({"name": path.name, "format": name, "size": size, "bytes": total_bytes(path)})
            progress(f"{path}: {files[-1]['bytes']:,} bytes{replaced}")
            if chosen.check:
                files[-1] |= job.check(path, form, size)
                progress(f"  {_summary(files[-1])}")
    if not chosen.check:
        return write_report({"model": model.name, "files": files, "claim": "Not checked."}, output)
    report = {
        "model": model.name,
        "claim": claim(files, levels=True),
        "scale": job.scale,
        "channels": job.channels,
        "color": chosen.color,
        "clip": chosen.clip or chosen.color == "rgb",
        "keep_form": chosen.keep_form,
        "form": chosen.record.enlargement,
        "target": str(chosen.record),
        "pictures": 2,
        "data": ", ".join(job.sets),
        "files": files,
        "environment": environment(),
    }
    return write_report(report, output)


class _Job:
    """One model with all that its files have in common."""

    def __init__(self, model: keras.Model, options: Options, progress: Callable[[str], None]):
        self.progress = progress
        self.sets = {_set_name(folder): benchmark(folder) for folder in options.data}
        if len(self.sets) < len(options.data):
            raise UsageError(f"Expected test sets of different names. Received: {', '.join(map(str, options.data))}")
        self.scale = scale_of(model)
        wanted, form = (model, options.color, options.clip, options.keep_form), options.record.enlargement
        ready = prepare(*wanted, form)
        self.content = Content(ready, ready if form == "subpixel" else prepare(*wanted), options)
        self.reference = KerasEngine(prepare(model, options.color, options.clip, keep_form=True)).run
        self.channels = self.content.model.input_shape[-1]
        # What the sets lose is counted from here.
        self.best = {name: self._psnr(self.reference, pictures) for name, pictures in self.sets.items()}

    def write(self, form: Format, path: Path, size: tuple[int, int] | None) -> None:
        """A file; a TFLite file in what the target takes, also where Keras has no such layer, and with its metadata."""
        form.write(self.content, path, size)
        if form.tflite:
            options, file = self.content.options, tflite.read(path)
            if options.target and form.static:
                for_target(file, options.record)
            clipped = options.clip or options.color == "rgb" or "int8" in form.suffix
            _describe(file, path, self.content.model.name, self.scale, options.terms, clipped)
            if options.layer_errors and form is FORMATS["tflite_int8"]:
                for kind, errors in self.content.layer_errors.items():
                    with whole_file(path.with_suffix(f".{kind}.json")) as unfinished:
                        unfinished.write_text(node_data(errors, file), encoding="utf-8")

    def check(self, path: Path, form: Format, size: tuple[int, int] | None) -> dict[str, Any]:
        gate = self.content.options.gate
        entry: dict[str, Any] = {"describe": form.describe} if form.describe else {}
        if form.note:
            entry["note"] = form.note(self.content)
        images = measure.photographs(self.channels, size or ANY_SIZE)
        try:
            with quiet():  # LiteRT names the delegate that it has created
                function = form.open(path)
                function(images[0])
        except ImportError as error:
            return {**entry, "keras": {"sentence": measure.not_run(error)}}
        entry["keras"] = measure.difference(function, form.reference(self.reference, self.content), images)
        entry["psnr"] = {name: self._loss(name, self._psnr(function, self.sets[name])) for name in self.sets}
        if form.tflite:
            file = tflite.read(path)
            entry |= measure.describe(file, self.content.options.record)
            if form.static:
                entry |= measure.run(path, file, [images[0][None]], ("latency", "half"))
                entry["gpu"] = {"verdict": "not run", "sentence": f"Not run at its own size: the gate is {gate}."}
                if gate == "full":
                    self._wait("at its own size", "; --gate=small leaves it out")
                    entry["gpu"] = measure.run(path, file, [images[0][None]], ("gpu",))["gpu"]
                entry["remainders"] = self._remainders(path.name, form) if gate != "off" else []
        return entry

    def _wait(self, where: str, instead: str) -> None:
        """Says that a run follows which may take a while."""
        if delegate.in_software():
            self.progress(f"  on the GPU delegate in software {where}, which may take minutes{instead} …")

    def _remainders(self, name: str, form: Format) -> list[dict[str, Any]]:
        """The delegate's verdicts on small files of the same kind, LR sides of every remainder modulo the scale.

        A delegate that shifts a layer does so at some sizes only; the size asked for may be one of the lucky ones.
        """
        runs = []
        with tempfile.TemporaryDirectory(prefix="export-") as folder:
            self._wait(f"at {self.scale} small sizes", "; --gate=off leaves them out")
            for size in measure.small_sizes(self.scale):
                path = Path(folder) / name
                self.write(form, path, size)
                image = measure.photographs(self.channels, size)[0]
                runs.append({"size": size, **measure.run(path, tflite.read(path), [image[None]], ("gpu",))["gpu"]})
                if runs[-1]["verdict"] == "not run":
                    break
        return runs

    def _psnr(self, function, pictures) -> float | str:
        return measure.psnr(function, self.channels, self.scale, pictures)

    def _loss(self, name: str, value: float | str) -> dict[str, Any]:
        best = self.best[name]
        if isinstance(value, str) or isinstance(best, str):
            return {"sentence": value if isinstance(value, str) else best}
        return {"psnr": value, "loss": best - value}


def tflite_dynamic(model: keras.Model, path: str | Path, keep_form: bool = False, terms: str = "") -> None:
    """Writes one TFLite file for every size: float32, (1, H, W, C) with H and W free, upsampling in LR space.

    For CPUs: convolutions are shaped to fit their vectors, `Interpreter.resize_tensor_input` sets H and W. GPU
    delegates want static shapes. `terms` are the weights' licence and credits, for the file's metadata.

    Example:
        >>> import tempfile
        >>> import zoo
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tflite_dynamic(zoo.load("fsrcnn_s_x2"), f"{folder}/any_size.tflite")
        ...     zoo.engines.open_engine(f"{folder}/any_size.tflite").scale
        2
    """
    path = Path(path)
    write_dynamic(prepare(model, keep_form=keep_form), path)
    _describe(tflite.read(path), path, model.name, scale_of(model), terms, clipped=False)


def _describe(file: tflite.File, path: Path, name: str, scale: int, terms: str, clipped: bool) -> None:
    """Writes a file anew that says what it is."""
    describe(file, name, scale, terms, clipped)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(file.packed())


def check_sizes(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sizes, each once; UsageError unless all are pairs of positive integers."""
    for size in sizes:
        if len(size) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in size):
            raise UsageError(f"Expected sizes as pairs of LR height and width in px. Received: {tuple(size)!r}")
    if not sizes:
        raise UsageError("Expected at least one size, LR height and width in px. Received: none")
    return list(dict.fromkeys((height, width) for height, width in sizes))


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
