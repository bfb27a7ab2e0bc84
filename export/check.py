"""`python -m export.check FILE.tflite`: what a GPU delegate, or a target, makes of a TFLite file, without TensorFlow.

Exit code 0: nothing speaks against the file; 1: a rule is broken that makes the target refuse it or compute something
else, or the delegate did so in one of three runs with different inputs, or NaN or infinity came out, in half precision
too; 2: no such file. Of the targets only the GPU delegate and the CPU are run.
"""

import argparse
import sys
from pathlib import Path

from export import delegate, described, inputs, measure
from export.arm import emulator
from export.arm.verdicts import verdicts, worst
from export.report import environment
from zoo.engines.ranges import RANGES
from zoo.errors import UsageError, exit_on_usage_error, one_of
from zoo.files import write_json
from zoo.graphs import tflite
from zoo.program import program
from zoo.targets import records
from zoo.targets.record import Finding, summarized

# What a run may say that speaks against a file.
_BAD = {"refused", "wrong", "crashed", "not finite"}


def inspect(
    path: str | Path,
    run: bool = True,
    seconds: float = 1.0,
    target: str = "gpu_delegate",
    limits: tuple[float, float] | None = None,
    picture: str | Path | None = None,
    arm: bool = False,
) -> dict:
    """A report on one TFLite file.

    Args:
        path: the file.
        run: whether it is run too, at its own size (free sizes at 32): on XNNPACK and on the GPU delegate.
        seconds: about how long its latency is measured.
        target: whose rules it is held against; only the GPU delegate and XNNPACK can be run.
        limits: what the values of its float inputs lie between; default: what its metadata say, else [0, 1].
        picture: what it is run on; default: noise.
        arm: whether it is run on emulated ARM64 too.
    Returns:
        `name`, `bytes`, `inputs`, `outputs`, `operations`, `macs`, `target` and `findings`, and with `run` `latency`,
        `half`, `cpu` and `gpu` of `export.delegate.run`; with `arm` what `export.arm.verdicts` says.
    Raises:
        UsageError: no TFLite file, or no such target.
    """
    record = records.named(target)
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"Expected a .tflite file. Received: {str(path)!r}, which is not there")
    file = tflite.read(path)
    try:
        graph = measure.describe(file, record)
    # Rules read what a damaged file does not have.
    except Exception as error:
        raise UsageError(f"Expected a whole TFLite file. Received: {path.name}: {error}") from error
    entry = {"name": path.name, **graph, "target": str(record)}
    tasks = {"gpu_delegate": ("latency", "half", "gpu"), "xnnpack": ("latency", "half")}.get(target)
    if not run and not arm:
        return entry
    limits = limits or described.limits(file) or inputs.UNIT
    images = inputs.picture(file, picture, limits) if picture else inputs.noise(file, limits)
    if run and tasks:
        entry |= {**delegate.run(path, images, tasks, seconds=seconds, file=file), "environment": environment()}
    if arm:
        entry["arm"] = verdicts([path], [images])[0] if emulator.installed() else {"sentence": emulator.MISSING}
    return entry


def speaks_against(entry: dict) -> bool:
    """Whether something that `inspect` found does."""
    found = {finding["severity"] for finding in entry["findings"]} | {_verdict(entry, name) for name in ("gpu", "half")}
    if "sentence" not in entry.get("arm", {"sentence": ""}):
        found.add(worst(entry["arm"]))
    return bool(found & _BAD) or not entry.get("cpu", {}).get("finite", True)


def _verdict(entry: dict, name: str) -> str | None:
    return entry.get(name, {}).get("verdict")


def _print(entry: dict) -> None:
    macs = f"{entry['macs'] / 1e9:.3g} GMAC" if entry["macs"] is not None else "multiplications depend on the size"
    print(f"{entry['name']}: {entry['bytes'] / 1000:.1f} kB, {macs}")
    print(f"  {', '.join(entry['inputs'])} → {', '.join(entry['outputs'])}")
    print(f"  {', '.join(f'{count} × {name}' for name, count in entry['operations'].items())}")
    latency, half, arm = (entry.get(name, {}) for name in ("latency", "half", "arm"))
    if "median_ms" in latency:
        print(f"  XNNPACK, {latency['threads']} threads: {latency['median_ms']:.1f} ms (best {latency['best_ms']:.1f})")
    if not entry.get("cpu", {}).get("finite", True):
        print("  NaN or infinity on the CPU, in the file's own precision")
    parts = [latency, half, arm]
    if "sentence" not in arm:
        parts += [part for cpu in arm.values() for part in (cpu, cpu.get("half", {}))]
    for part in parts:
        if "sentence" in part:
            print(f"  {part['sentence']}")
    for line in summarized([Finding(**each) for each in entry["findings"]]):
        print(f"  {line}")
    if not entry["findings"]:
        print("  rules: nothing found; only a run can tell whether the file is taken")
    print(f"  {entry['target']}")
    print(f"  {entry['gpu']['sentence']}" if "gpu" in entry else "  Not run on an accelerator.")


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=program("export.check"), description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.tflite")
    parser.add_argument(
        "--target", default="gpu_delegate", help=f"whose rules: {', '.join(records.TARGETS)} (default gpu_delegate)"
    )
    parser.add_argument("--json", type=Path, help="where to write all of it")
    parser.add_argument("--rules_only", action="store_true", help="run nothing; the rules need no driver")
    parser.add_argument("--input", metavar="PICTURE", help="what the files are run on; default: noise")
    parser.add_argument(
        "--range", help=f"values of float inputs: one of {', '.join(RANGES)}; default: by a file's metadata, else 0..1"
    )
    parser.add_argument(
        "--arm", action="store_true", help="run on emulated ARM64 too: `python -m export.arm --install`"
    )
    flags = parser.parse_args(arguments)
    limits = None
    if flags.range:
        span, low = RANGES[one_of("--range", flags.range, RANGES)]
        limits = low, low + span
    options = {"target": flags.target, "limits": limits, "picture": flags.input, "arm": flags.arm}
    entries = [inspect(path, not flags.rules_only, **options) for path in flags.files]
    for entry in entries:
        _print(entry)
    if flags.json:
        write_json(flags.json, entries)
    return int(any(speaks_against(entry) for entry in entries))


if __name__ == "__main__":
    sys.exit(main())
