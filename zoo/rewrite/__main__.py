"""Moves a Keras network's upsampling into LR space, explains what moved, and compares both networks."""

import argparse
import sys
from pathlib import Path

from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole
from zoo.program import program

# float32 rounds each of two ways to the same sum; mixed_float16 more.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command; returns 0, 2 after a usage error, 1 if the models differ by more than rounding (OUT is written)."""
    parser = argparse.ArgumentParser(prog=program("zoo.rewrite"), description=__doc__)
    parser.add_argument("input", metavar="IN.keras", type=Path, help="any functional Keras network")
    parser.add_argument("output", metavar="OUT.keras", type=Path, help="the file to write; its folder has to be there")
    parser.add_argument(
        "--border",
        default="exact",
        choices=("exact", "interior"),
        help="exact (default), or also what is the same inside the picture and differs at its border",
    )
    parser.add_argument(
        "--whole", action="store_true", help="HR convolutions into LR space too: for proof, not for speed"
    )
    parser.add_argument("--only_if_cheaper", action="store_true", help="leave what would not be faster")
    flags = parser.parse_args(arguments)
    _check(flags.input, flags.output)

    from zoo import rewrite
    from zoo.registry import open_model
    from zoo.rewrite.difference import largest_differences

    options = {"border": flags.border, "whole": flags.whole, "only_if_cheaper": flags.only_if_cheaper}
    model = open_model(str(flags.input))
    rewritten = rewrite.to_lr_space(model, **options)
    explanation = rewrite.explain(model, **options)
    print(explanation)
    with whole(flags.output) as unfinished:
        rewritten.save(unfinished)
    differences = largest_differences(model, rewritten)
    for (height, width), difference in differences.items():
        print(f"largest difference on a random input of {height}×{width}: {difference:.1e} of the largest output")
    if not differences:
        print("difference not measured: none of the sizes tried fits the model's inputs")
    print(f"wrote {flags.output}")
    inexact = any(row.inexact or "bicubic" in row.found for row in explanation.rows)
    bound = TOLERANCE.get(model.compute_dtype, 1e-2)
    if max(differences.values(), default=0) > bound and not inexact:
        print(
            f"error: Expected a difference of at most {bound}. Received: {max(differences.values()):.1e}",
            file=sys.stderr,
        )
        return 1
    return 0


def _check(source: Path, target: Path) -> None:
    for path in (source, target):
        if path.suffix != ".keras":
            raise UsageError(f"Expected two .keras files. Received: {str(path)!r}")
    if target.resolve() == source.resolve():
        raise UsageError(f"Expected another file to write to than {str(source)!r}. Received: the same one")
    if not target.parent.is_dir():
        raise UsageError(f"Expected a folder that is there to write to. Received: {str(target)!r}")


if __name__ == "__main__":
    sys.exit(main())
