"""What a TFLite file is and what the GPU delegate makes of it: `python -m export.check FILE.tflite`, anybody's file.

Exit code 0: nothing against it was found; 1: the delegate or a rule speaks against it; 2: no such file.
"""

import argparse
import collections
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from export import delegate, rules
from export.graph import read
from zoo.errors import UsageError, exit_on_usage_error

BAD = ("wrong", "refused", "crashed")


def inspect(path: str | Path, images=None, run: bool = True) -> dict[str, Any]:
    """Looks at one TFLite file, by the rules and by running it.

    Args:
        path: the file.
        images: its inputs; None makes noise, free sizes at 32 px.
        run: whether it is run too, on XNNPACK and on the GPU delegate, each in a child process.
    Returns:
        `bytes`, `operations` ("NAME v2" → how many), `inputs` and `outputs` (types and shapes), `findings` of the
        rules, and with `run` the entries `gpu`, `half` and `latency` of `export.delegate.measure`.
    Raises:
        UsageError: no such file, or no TFLite file.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"Expected a TFLite file. Received: {path}, which is not there")
    graph = read(path)
    names = collections.Counter(f"{operation.name} v{operation.version}" for operation in graph.operations)
    result = {
        "bytes": path.stat().st_size,
        "operations": dict(sorted(names.items())),
        "inputs": [str(tensor) for tensor in graph.inputs],
        "outputs": [str(tensor) for tensor in graph.outputs],
        "findings": [dataclasses.asdict(finding) for finding in rules.check(graph)],
    }
    if run:
        result.update(delegate.measure(path, images, tasks=("half", "latency", "gpu")))
    return result


def objections(result: dict[str, Any]) -> list[str]:
    """Why the file is not fit for a GPU delegate, a sentence each; empty where nothing speaks against it."""
    found = [f"{f['place']}: {f['sentence']}" for f in result["findings"] if f["severity"] in ("wrong", "refused")]
    gpu = result.get("gpu", {})
    return [gpu["sentence"], *found] if gpu.get("verdict") in BAD else found


def lines_of(result: dict[str, Any]) -> list[str]:
    """The result as lines of Markdown."""
    operations = ", ".join(f"{count}× {name}" for name, count in result["operations"].items())
    lines = [
        f"- {result['bytes']:,} bytes; in {', '.join(result['inputs'])}; out {', '.join(result['outputs'])}",
        f"- operations: {operations}",
    ]
    counts = collections.Counter(finding["rule"] for finding in result["findings"])
    first = {finding["rule"]: finding for finding in reversed(result["findings"])}
    for rule, finding in reversed(first.items()):
        more = f", and {counts[rule] - 1} more" if counts[rule] > 1 else ""
        lines.append(f"- {finding['severity']}: {finding['place']}{more}: {finding['sentence']} ({finding['source']})")
    if "latency" in result:
        latency, half = result["latency"], result["half"]
        if "median_ms" in latency:
            lines.append(f"- XNNPACK, {latency['threads']} threads: {latency['median_ms']:.2f} ms (median)")
        if "max_difference" in half:
            lines.append(f"- half precision (XNNPACK, FORCE_FP16): largest difference {half['max_difference']:.1e}")
        lines.append(f"- GPU delegate: {result['gpu']['sentence']}")
    return lines


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.check", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.tflite")
    parser.add_argument("--rules_only", action="store_true", help="run nothing; the rules need no driver")
    parser.add_argument("--json", type=Path, help="where to write everything that was found")
    flags = parser.parse_args(arguments)
    results = {file: inspect(file, run=not flags.rules_only) for file in flags.files}
    for file, result in results.items():
        print("\n".join([file, *lines_of(result)]))
        against = objections(result)
        print("- verdict: " + (f"not fit for a GPU delegate: {against[0]}" if against else "nothing against it found"))
    if flags.json:
        flags.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(any(objections(result) for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
