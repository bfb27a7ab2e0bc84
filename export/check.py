"""`zoo check FILE.tflite`: what a GPU delegate, or a target, makes of a TFLite file, without TensorFlow.

It is run on noise and, where it reads pictures, on photographs, and each output has a verdict by its name: right, right
but for rounding, wrong, or inconclusive where it hardly changes. Each deconvolution is run alone too.

Exit code 0: nothing speaks against the file; 1: a rule is broken that makes the target refuse it or compute something
else, or the delegate did so in one of the runs or in a deconvolution alone, or NaN or infinity came out, in half
precision too; 2: no such file; 3: it could not be told: an output is inconclusive, or the file cannot be run at all. Of
the targets only the GPU delegate and the CPU are run.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from export import delegate, described, inputs, measure, probes
from export.arm import emulator
from export.arm.verdicts import verdicts, worst
from export.report import environment
from zoo.engines.ranges import RANGES
from zoo.errors import UsageError, exit_on_usage_error, one_of
from zoo.files import file_to_write, in_place_of, write_json
from zoo.graphs import tflite
from zoo.program import Parser, program
from zoo.registry import family_presets, list_presets
from zoo.targets import records
from zoo.targets.record import Finding, summarized

UNTOLD = 3
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
    progress: Callable[[str], None] = lambda line: None,
) -> dict:
    """A report on one TFLite file.

    Args:
        path: the file.
        run: whether it is run too, at its own size (free sizes at 32): on XNNPACK and on the GPU delegate.
        seconds: about how long its latency is measured.
        target: whose rules it is held against; only the GPU delegate and XNNPACK can be run.
        limits: what the values of its float inputs lie between; default: what its metadata say, else [0, 1].
        picture: what it is run on, mirrored or cut to its size, and scaled; default: noise and photographs.
        arm: whether it is run on emulated ARM64 too.
        progress: called with a line before what takes long.
    Returns:
        `name`, `bytes`, `inputs`, `outputs`, `operations`, `macs`, `target` and `findings`, and with `run` `latency`,
        `half`, `cpu` and `gpu` of `export.delegate.run`, `ran_on` in words and `probes` of `export.probes.probed`;
        with `arm` what `export.arm.verdicts` says.
    Raises:
        UsageError: no TFLite file, or no such target.
    """
    record = records.named(target)
    path = Path(path)
    if not path.exists() and (presets := list_presets(str(path)) or family_presets(str(path))):
        raise UsageError(
            f"Expected a .tflite file. Received: {str(path)!r}, the name of {', '.join(presets)}; `zoo export "
            f"--model={presets[0]} --formats=tflite_fp32 --output=files` writes one"
        )
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
    if picture:
        (images, *others), ran_on = inputs.picture(file, picture, limits), Path(picture).name
    else:
        images, others = inputs.noise(file, limits), inputs.photographs(file, limits)
        ran_on = "noise and photographs" if others else "noise"
    if run and tasks:
        how = "in software, which takes up to minutes (--rules_only runs nothing)" if delegate.in_software() else "here"
        if "gpu" in tasks:
            progress(f"{path.name}: on the GPU delegate {how}")
        entry |= delegate.run(path, images, tasks, seconds=seconds, file=file, others=others)
        entry |= {"ran_on": ran_on, "environment": environment()}
        if entry.get("gpu", {}).get("verdict", "not run") != "not run":
            entry["probes"] = probes.probed(file, lambda line: progress(f"{path.name}: {line}"))
    if arm:
        entry["arm"] = verdicts([path], [images])[0] if emulator.installed() else {"sentence": emulator.MISSING}
    return entry


def speaks_against(entry: dict) -> bool:
    """Whether something that `inspect` found does."""
    found = {finding["severity"] for finding in entry["findings"]} | {_verdict(entry, name) for name in ("gpu", "half")}
    found |= {probe["verdict"] for probe in entry.get("probes", [])}
    if "sentence" not in entry.get("arm", {"sentence": ""}):
        found.add(worst(entry["arm"]))
    return bool(found & _BAD) or not entry.get("cpu", {}).get("finite", True)


def untold(entry: dict) -> bool:
    """Whether what was run leaves it open: an output that hardly changes, or a file that nothing here can run."""
    ran = "latency" not in entry or "median_ms" in entry["latency"]
    return _verdict(entry, "gpu") == "inconclusive" or not ran


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
    for probe in entry.get("probes", []):
        print(f"  {probes.line(probe)}")
    if "gpu" not in entry:
        print("  Not run on an accelerator.")
        return
    for line in delegate.outputs_of(entry["gpu"]):
        print(f"  {line}")
    runs = f" ({len(entry['gpu']['runs'])} runs, on {entry['ran_on']})" if "runs" in entry["gpu"] else ""
    print(f"  {entry['name']}{runs}: {entry['gpu']['sentence']}")


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = Parser(prog=program("export.check"), description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.tflite")
    parser.add_argument(
        "--target", default="gpu_delegate", help=f"whose rules: {', '.join(records.TARGETS)} (default gpu_delegate)"
    )
    parser.add_argument("--json", type=Path, help="the file to write all of it to")
    parser.add_argument("--rules_only", action="store_true", help="run nothing; the rules need no driver")
    parser.add_argument("--input", metavar="PICTURE", help="what the files are run on; default: noise and photographs")
    parser.add_argument(
        "--range", help=f"values of float inputs: one of {', '.join(RANGES)}; default: by a file's metadata, else 0..1"
    )
    parser.add_argument(
        "--arm", action="store_true", help="run on emulated ARM64 too: `python -m export.arm --install`"
    )
    flags = parser.parse_args(arguments)
    if flags.json:
        file_to_write(flags.json)
    limits = None
    if flags.range:
        span, low = RANGES[one_of("--range", flags.range, RANGES)]
        limits = low, low + span
    options = {"target": flags.target, "limits": limits, "picture": flags.input, "arm": flags.arm}
    options["progress"] = lambda line: print(line, file=sys.stderr, flush=True)
    entries = [inspect(path, not flags.rules_only, **options) for path in flags.files]
    for entry in entries:
        _print(entry)
    if flags.json:
        replaced = in_place_of(flags.json)
        write_json(flags.json, entries)
        print(f"wrote {flags.json}{replaced}")
    if any(speaks_against(entry) for entry in entries):
        return 1
    return UNTOLD if any(untold(entry) for entry in entries) else 0


if __name__ == "__main__":
    sys.exit(main())
