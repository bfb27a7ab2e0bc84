"""Gives a Keras network, TFLite or ONNX file the form that an accelerator takes, says what moved, and compares both.

  zoo rewrite decoder.keras fast.keras                  upsampling into LR space: convolutions and shuffles
  zoo rewrite model.tflite npu.tflite --target=mediatek --size=36x64      in the form that a target takes
  zoo rewrite net.onnx back.onnx --form=transposed           the way back
  zoo rewrite net.onnx small.onnx --collapse                 linear layers in a row as one

Exit code 0: written; 1: the result differs from the original, nothing is written; 2: wrong input.
"""

import argparse
import math
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import file_to_write, in_place_of, whole_file
from zoo.program import Parser, program, quiet_tensorflow
from zoo.registry import import_modules
from zoo.rewrite.linear import BORDERS
from zoo.targets import records
from zoo.targets.choice import CHOICES, named
from zoo.targets.record import FORMS, Target, summarized

# Pixels of a size that is given: the file is run at it.
_MOST = 1 << 26
SUFFIXES = (".keras", ".tflite", ".onnx")


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command; returns 0, 2 after a usage error, 1 if a file's result differs; then nothing is written."""
    parser = Parser(
        prog=program("zoo.rewrite"), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "input", metavar="IN", type=Path, help="any functional Keras network (.keras), TFLite or ONNX file"
    )
    parser.add_argument(
        "output", metavar="OUT", type=Path, help="the file to write, of the same kind; its folder is there"
    )
    parser.add_argument(
        "--border",
        default="exact",
        choices=("exact", "interior"),
        help="exact (default), or also what is the same inside the picture and differs at its border (Keras)",
    )
    parser.add_argument(
        "--whole", action="store_true", help="HR convolutions into LR space too: for proof, not for speed (Keras)"
    )
    parser.add_argument(
        "--form",
        choices=FORMS,
        help="subpixel (default): convolutions in LR space and shuffles; transposed: the way back",
    )
    parser.add_argument(
        "--target",
        help="the form that it takes, in place of --form, and of TFLite files the activations; of Keras networks what "
        "moves, by default for any: what LiteRT's GPU delegate does not compute right, and what a CPU is not slower "
        f"with. One of {', '.join(CHOICES)}; any is for Keras networks alone",
    )
    parser.add_argument(
        "--size",
        metavar="HxW",
        help="the size that the file has in place of a free one, which chips want; a free batch becomes 1 (TFLite)",
    )
    parser.add_argument(
        "--collapse",
        nargs="?",
        const="exact",
        choices=BORDERS,
        help="in place of moving upsampling join convolutions in a row without an activation, branches that are added "
        "and batch normalisation; interior: also what differs in a ring along the border",
    )
    parser.add_argument(
        "--import",
        dest="modules",
        default="",
        metavar="MODULE",
        help="modules that register layers of one's own, several with commas; their code is run (Keras)",
    )
    flags = parser.parse_args(arguments)
    quiet_tensorflow()
    _check(flags.input, flags.output)
    if flags.form and flags.target:
        raise UsageError(f"Expected --form or --target. Received: both; {flags.target} has its form")
    keras = flags.input.suffix == ".keras"
    target = records.named(flags.target) if flags.target and not (keras and flags.target == "any") else None
    form = flags.form or (target.enlargement if target else "subpixel")
    if flags.modules and not keras:
        raise UsageError("Expected --import for a Keras network. Received: it with a TFLite or ONNX file")
    import_modules(flags.modules)
    other_flags = flags.border != "exact" or flags.whole
    if flags.size is not None and flags.input.suffix != ".tflite":
        raise UsageError("Expected --size for a TFLite file. Received: it with another one")
    if flags.collapse:
        if other_flags or flags.form or flags.target or flags.size:
            raise UsageError("Expected --collapse alone. Received: a flag for upsampling beside it")
        return _COLLAPSE[flags.input.suffix](flags.input, flags.output, flags.collapse)
    if form == "transposed" and other_flags:
        raise UsageError("Expected --form=transposed alone. Received: a flag of the other way beside it")
    if keras:
        options = {"border": flags.border, "whole": flags.whole, "target": flags.target or "any"}
        return _keras(flags.input, flags.output, form, options)
    if other_flags:
        raise UsageError("Expected --form or --target for TFLite and ONNX files. Received: a flag for Keras networks")
    if flags.input.suffix == ".onnx":
        return _onnx(flags.input, flags.output, form)
    sides = None if flags.size is None else _sides(flags.size)
    return _tflite(flags.input, flags.output, form, target, sides)


def _sides(text: str) -> tuple[int, ...]:
    numbers = text.split("x")
    sides = tuple(int(each) if each.isdecimal() and len(each) < 9 else 0 for each in numbers)
    if not 0 < math.prod(sides) <= _MOST:
        raise UsageError(f"Expected --size as HEIGHTxWIDTH, of at most {_MOST:,} px. Received: {text!r}")
    return sides


def _tflite(source: Path, destination: Path, form: str, target: Target | None, sides: tuple[int, ...] | None) -> int:
    from zoo.graphs import tflite, trial
    from zoo.rewrite import Explanation, tflite_difference, tflite_size, tflite_target, tflite_transposed
    from zoo.rewrite.tflite_verdicts import judged

    file, original = tflite.read(source), tflite.read(source)
    trial.survive(file.content, source.name, runs=False)
    one_size = target.one_size if target else form == "transposed"
    if sides or one_size and tflite_size.has_free_batch_alone(file):
        file = tflite_size.of_one_size(file, source.name, sides or ())
        for each, given in zip(original.inputs, file.inputs):
            print(f"one size: {each.name} is {given}, of {each}")
    rows = tflite_target.for_target(file, target) if target else tflite_target.TO_FORM[form](file)
    content = file.packed() if file.changed else file.content
    result, record = tflite.parse(content, str(destination)), target or records.named("gpu_delegate")
    print(Explanation(source.name, judged(rows, original, result, record), runtime=named(record.name).runtime))
    if target:
        print("\n".join([str(target), *summarized(target.check(result))]))
    if not file.changed:
        print("the same file: nothing moves" if content == original.content else "nothing moves")
    if content == original.content:
        return _write(destination, content, [])
    if tflite_transposed.in_builtins(original):
        original = tflite.parse(original.packed(), source.name)
        print("compared with MediaPipe's deconvolutions as TRANSPOSE_CONV: LiteRT does not run them as they are")
    return _write(destination, content, tflite_difference.differences(original, result))


def _onnx(source: Path, target: Path, form: str) -> int:
    from zoo.graphs import onnx_graph, trial
    from zoo.rewrite import Explanation, onnx_difference, onnx_file, onnx_transposed

    model = onnx_graph.read(source)
    original = onnx_graph.packed(model)
    trial.survive_onnx(original, source.name)
    rows = onnx_transposed.to_transposed(model) if form == "transposed" else onnx_file.to_lr_space(model)
    print(Explanation(source.name, rows))
    content = onnx_graph.packed(model)
    if content == original:
        print("nothing moves")
        return _write(target, content, [])
    return _write(target, content, onnx_difference.differences(original, content))


def _collapse_tflite(source: Path, target: Path, border: str) -> int:
    from zoo.graphs import tflite, trial
    from zoo.rewrite import tflite_collapse, tflite_difference

    file = tflite.read(source)
    trial.survive(file.content, source.name, runs=False)
    explanation = _said(source, tflite_collapse.collapsed(file, border))
    content = file.packed() if file.changed else file.content

    def compare() -> list:
        return tflite_difference.differences(tflite.read(source), tflite.parse(content, str(target)))

    return _write_collapsed(target, content, compare if file.changed else list, explanation.inexact)


def _collapse_onnx(source: Path, target: Path, border: str) -> int:
    from zoo.graphs import onnx_graph, trial
    from zoo.rewrite import onnx_collapse, onnx_difference

    model = onnx_graph.read(source)
    original = onnx_graph.packed(model)
    trial.survive_onnx(original, source.name)
    explanation = _said(source, onnx_collapse.collapsed(model, border))
    content = onnx_graph.packed(model)

    def compare() -> list:
        return onnx_difference.differences(original, content)

    return _write_collapsed(target, content, compare if content != original else list, explanation.inexact)


def _said(source: Path, rows: list):
    """Prints what becomes of a file's linear operations, and returns that explanation."""
    from zoo.rewrite import Explanation

    explanation = Explanation(source.name, rows)
    print(explanation if rows else f"{source.name}: no linear operations to join")
    return explanation


def _write_collapsed(target: Path, content: bytes, compare: Callable[[], list], inexact: int) -> int:
    """Writes a file; where a border is allowed to differ, the largest difference is said and not judged."""
    differences = compare()
    if inexact:
        print("\n".join(f"{difference}, the border included" for difference in differences))
        differences = []
    return _write(target, content, differences)


def _collapse_keras(source: Path, target: Path, border: str) -> int:
    from zoo.registry import open_model
    from zoo.rewrite.collapsing import collapsed

    model = open_model(str(source))
    return _save(model, target, lambda: collapsed(model, border))


_COLLAPSE = {".keras": _collapse_keras, ".tflite": _collapse_tflite, ".onnx": _collapse_onnx}


def _write(target: Path, content: bytes, differences: list) -> int:
    """Writes what differs from the original by no more than it may; each difference is printed."""
    for difference in differences:
        print(difference)
    if wrong := next((each for each in differences if not each.value <= each.allowed), None):
        sentence = f"Expected a difference of at most {wrong.allowed}. Received: {wrong}; wrote nothing"
        print(f"error: {sentence}", file=sys.stderr)
        return 1
    replaced = in_place_of(target)
    with whole_file(target) as unfinished:
        unfinished.write_bytes(content)
    print(f"wrote {target}{replaced}")
    return 0


def _keras(source: Path, target: Path, form: str, options: dict) -> int:
    from zoo import rewrite
    from zoo.registry import open_model
    from zoo.rewrite.transposed import turned

    model = open_model(str(source))
    return _save(model, target, lambda: turned(model) if form == "transposed" else rewrite.rewritten(model, **options))


def _save(model, target: Path, make: Callable[[], tuple]) -> int:
    """Writes a network beside what became of its layers, and how far it is from the original.

    Args:
        make: gives the network and the explanation.
    """
    from zoo.rewrite.same import Different

    try:
        return _made(model, target, *make())
    except Different as error:
        print(f"error: {error}; wrote nothing", file=sys.stderr)
        return 1


def _made(model, target: Path, rewritten, explanation) -> int:
    from zoo.registry import open_model
    from zoo.rewrite.difference import largest_differences
    from zoo.rewrite.same import check_same

    print(explanation)
    replaced = in_place_of(target)
    with whole_file(target) as unfinished:
        try:
            rewritten.save(unfinished)
        except OSError:  # No room, say.
            raise
        except Exception as error:  # A layer of one's own raises what it likes.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"Expected a network that Keras can save. Received: {reason}; wrote nothing") from error
        try:
            loaded = open_model(str(unfinished), own=True)
        except UsageError as error:
            lost = f" (lost: {', '.join(explanation.lost)})" if explanation.lost else ""
            raise UsageError(
                f"Expected a network that Keras can load again{lost}. Received: {error}; wrote nothing. "
                "zoo.rewrite.to_lr_space gives the same network in Python, whose export() needs no loading"
            ) from error
        # A layer of one's own may come back from its configuration as another.
        check_same(rewritten, loaded)
        differences = largest_differences(model, loaded)
    for (height, width), difference in differences.items():
        print(f"largest difference on a random input of {height}×{width}: {difference:.1e} of the largest output")
    if not differences:
        print("difference not measured: none of the sizes tried fits the model's inputs")
    with zipfile.ZipFile(target) as file:
        ours = b'"zoo>' in file.read("config.json")
    print(f"wrote {target}{replaced}{'; `import zoo.layers` before keras.models.load_model reads it' if ours else ''}")
    return 0


def _check(source: Path, target: Path) -> None:
    if source.suffix not in SUFFIXES or target.suffix != source.suffix:
        raise UsageError(
            f"Expected two .keras, two .tflite or two .onnx files. Received: {str(source)!r} and {str(target)!r}"
        )
    if target.resolve() == source.resolve():
        raise UsageError(f"Expected another file to write to than {str(source)!r}. Received: the same one")
    file_to_write(target)


if __name__ == "__main__":
    sys.exit(main())
