"""`python -m export.check FILE.tflite`: what a GPU delegate, or a target, makes of a TFLite file, without TensorFlow.

Exit code 0: nothing speaks against the file; 1: a rule is broken that makes the target refuse it or compute something
else, or the delegate did so when it was run; 2: no such file. Of the targets only the GPU delegate and the CPU are run.
"""

import argparse
import sys
from pathlib import Path

from export import measure
from export.report import environment
from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import write_json
from zoo.graphs import tflite
from zoo.program import program
from zoo.targets import records
from zoo.targets.record import Finding, summarized


def inspect(path: str | Path, run: bool = True, seconds: float = 1.0, target: str = "gpu_delegate") -> dict:
    """A report on one TFLite file.

    Args:
        path: the file.
        run: whether it is run too, on noise, at its own size (free sizes at 32): on XNNPACK and on the GPU delegate.
        seconds: about how long its latency is measured.
        target: whose rules it is held against; only the GPU delegate and XNNPACK can be run.
    Returns:
        `name`, `bytes`, `inputs`, `outputs`, `operations`, `macs`, `target` and `findings`, and with `run` `latency`,
        `half` and `gpu` of `export.delegate.run`.
    Raises:
        UsageError: no TFLite file, or no such target.
    """
    record = records.named(target)
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"Expected a .tflite file. Received: {str(path)!r}, which is not there")
    file = tflite.read(path)
    try:
        described = measure.describe(file, record)
    # Rules read what a damaged file does not have.
    except Exception as error:
        raise UsageError(f"Expected a whole TFLite file. Received: {path.name}: {error}") from error
    entry = {"name": path.name, **described, "target": str(record)}
    tasks = {"gpu_delegate": ("latency", "half", "gpu"), "xnnpack": ("latency", "half")}.get(target)
    if run and tasks:
        runs = measure.run(path, file, None, tasks, seconds=seconds)
        entry |= {**runs, "environment": environment()}
    return entry


def _print(entry: dict) -> None:
    macs = f"{entry['macs'] / 1e9:.3g} GMAC" if entry["macs"] is not None else "multiplications depend on the size"
    print(f"{entry['name']}: {entry['bytes'] / 1000:.1f} kB, {macs}")
    print(f"  {', '.join(entry['inputs'])} → {', '.join(entry['outputs'])}")
    print(f"  {', '.join(f'{count} × {name}' for name, count in entry['operations'].items())}")
    latency, half = entry.get("latency", {}), entry.get("half", {})
    if "median_ms" in latency:
        print(f"  XNNPACK, {latency['threads']} threads: {latency['median_ms']:.1f} ms (best {latency['best_ms']:.1f})")
    if "max_difference" in half:
        print(f"  half precision on the CPU: {half['max_difference']:.1e} of a range of {half['range']:.2g}")
    for part in (latency, half):
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
    flags = parser.parse_args(arguments)
    entries = [inspect(path, not flags.rules_only, target=flags.target) for path in flags.files]
    for entry in entries:
        _print(entry)
    if flags.json:
        write_json(flags.json, entries)
    found = {finding["severity"] for entry in entries for finding in entry["findings"]}
    ran = {entry.get("gpu", {}).get("verdict") for entry in entries}
    return int(bool(found & {"refused", "wrong"} or ran & {"refused", "wrong", "crashed"}))


if __name__ == "__main__":
    sys.exit(main())
