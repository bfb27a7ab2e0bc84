"""TFLite and ONNX files as others make them, before and after `zoo rewrite`: exactness, bytes, the delegate, time.

    python -m benchmarks.rewrite_files --json=FILE [--rounds=20] [--folder=DIR]

`--folder` adds every .tflite and .onnx file below a folder: other people's, such as those of MediaPipe's wheel. Two
minutes and a half with `--rounds=0`, which measures no time; 20 rounds take one or two more, on two quiet cores.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError

# s that pairs of rounds take at most, for each file.
SECONDS = 10.0


def rewritten(content: bytes, suffix: str, way: str) -> tuple[list, bytes, list]:
    """The rows, the new file's bytes, and how far it is from the original."""
    return (_tflite if suffix == ".tflite" else _onnx)(content, way)


def _tflite(content: bytes, way: str):
    from zoo.graphs import tflite
    from zoo.rewrite import tflite_collapse, tflite_difference, tflite_target, tflite_transposed
    from zoo.targets import records

    file, original = tflite.parse(content, "in"), tflite.parse(content, "in")
    if way == "collapse":
        rows = tflite_collapse.collapsed(file)
    elif way in tflite_target.TO_FORM:
        rows = tflite_target.TO_FORM[way](file)
    else:
        rows = tflite_target.for_target(file, records.named(way))
    if not file.changed:
        return rows, content, []
    new = file.packed()
    if tflite_transposed.in_builtins(original):
        original = tflite.parse(original.packed(), "in")
    return rows, new, tflite_difference.differences(original, tflite.parse(new, "out"))


def _onnx(content: bytes, way: str):
    from zoo.graphs.onnx_graph import package
    from zoo.rewrite import onnx_collapse, onnx_difference, onnx_file

    model = package().load_model_from_string(content)
    rows = onnx_collapse.collapsed(model) if way == "collapse" else onnx_file.to_lr_space(model)
    new = model.SerializeToString()
    return rows, new, onnx_difference.differences(content, new) if new != content else []


def measure(name: str, content: bytes, suffix: str, source: str, way: str, folder: Path, rounds: int) -> dict[str, Any]:
    """One file: what became of it, how exact, how large, the delegate's verdicts, and times where they are wanted."""
    entry = {"name": name, "format": suffix[1:], "source": source, "way": way}
    try:
        rows, new, found = rewritten(content, suffix, way)
    except UsageError as reason:
        return {**entry, "became": f"refused: {reason}"}
    moved = [row for row in rows if row.action == "moved"]
    stays = [row for row in rows if row.action == "stays"]
    entry |= {
        "became": f"{len(moved)} moved" + (f", {len(stays)} stayed" if stays else "") if rows else "nothing to move",
        "operations": sorted({row.becomes for row in moved}),
        "notes": sorted({row.note for row in rows if row.note}),
        "differences": [str(each) for each in found],
        "exact": all(each.value == 0 for each in found[:1]) if found else None,
        "largest": max((each.value for each in found), default=None),
        "within": all(each.value <= each.allowed for each in found),
        "bytes": [len(content), len(new)],
    }
    paths = [folder / f"{form}{suffix}" for form in ("before", "after")]
    for path, each in zip(paths, (content, new)):
        path.write_bytes(each)
    if suffix == ".tflite":
        from export import delegate

        verdicts = [delegate.run(path)["gpu"]["verdict"] for path in (paths if moved else paths[:1])]
        entry["delegate"] = [verdicts[0], verdicts[-1]]
    if rounds and moved:
        entry["times"] = _times(paths, suffix, rounds)
    return entry


def _times(paths: list[Path], suffix: str, rounds: int) -> dict[str, Any] | None:
    """Paired, alternating rounds on two threads; None where the engine does not run the original."""
    from benchmarks.timing import paired, summarise

    try:
        jobs = {form: _job(path, suffix) for form, path in zip(("before", "after"), paths)}
    except (ValueError, RuntimeError):
        return None
    return summarise(paired(jobs, rounds=rounds, seconds=SECONDS), "before")


def _job(path: Path, suffix: str) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    if suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feed = {each.name: rng.random(each.shape, np.float32) for each in session.get_inputs()}
        return lambda: session.run(None, feed)
    from ai_edge_litert.interpreter import Interpreter

    from zoo.graphs import tflite
    from zoo.graphs.run import noise

    interpreter = Interpreter(str(path), num_threads=2)
    interpreter.allocate_tensors()
    for detail, image in zip(interpreter.get_input_details(), noise(tflite.read(path)), strict=True):
        interpreter.set_tensor(detail["index"], image)
    return interpreter.invoke


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.rewrite_files`."""
    from zoo.program import quiet_tensorflow

    quiet_tensorflow()
    from benchmarks import record
    from benchmarks.file_cases import CASES

    parser = record.parser("rewrite_files", __doc__)
    parser.add_argument("--rounds", type=int, default=20, help="pairs of runs that are timed; 0: no times")
    parser.add_argument("--folder", type=Path, help="other people's files, looked at besides")
    flags = parser.parse_args(arguments)
    written = record.start("rewrite_files")
    files = [(name, case.make, case.suffix, case.source, case.way) for name, case in CASES.items()]
    if flags.quick:
        files = files[6:14:7]
    for path in sorted((flags.folder or Path("/nowhere")).rglob("*.*")):
        if path.suffix in (".tflite", ".onnx"):
            files.append((path.name, path.read_bytes, path.suffix, flags.folder.name, "subpixel"))
    results = []
    for name, make, suffix, source, way in files:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(name, make(), suffix, source, way, Path(folder), 0 if flags.quick else flags.rounds))
        print(json.dumps(results[-1], ensure_ascii=False))
    written["files"] = results
    record.finish(written, flags.json)


if __name__ == "__main__":
    main()
