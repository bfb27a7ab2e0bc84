"""Networks as others write them, before and after `zoo.rewrite.to_lr_space`, in TFLite (XNNPACK, 2 threads).

Also asks the real LiteRT GPU delegate for both forms at a small size, measures single layers, fits the costs behind
`target="xnnpack"` to them, and counts on how many networks, none of which the fit has seen, these costs pick the
faster form.
"""

import tempfile
from pathlib import Path

# The larger of two times that differ by less than this is no wrong pick.
TIE = 0.05
TOLERANCE = 1e-4


def forms(model, costs: dict[str, float]) -> tuple[dict, str]:
    """The network as it is, rewritten, and rewritten for a CPU; and which of these `target="xnnpack"` picks."""
    from zoo import rewrite
    from zoo.targets import xnnpack
    from zoo.targets.choice import Choice, Decision

    fitted = Choice("fitted", lambda upsampling: Decision(xnnpack.speedup(upsampling, costs) >= 1))
    rows = [rewrite.explain(model, each).rows for each in ("any", fitted)]
    every, picked = ({row.layer for row in each if row.becomes} for each in rows)
    result = {"before": model, "after": rewrite.to_lr_space(model)}
    if picked in (set(), every):
        return result, "after" if picked else "before"
    return result | {"chosen": rewrite.to_lr_space(model, fitted)}, "chosen"


def _odd(network) -> tuple[int, int]:
    return 5 * network.multiple, 7 * network.multiple


def _size(network, quick: bool) -> tuple[int, int]:
    if not quick or network.multiple >= min(network.size):
        return network.size
    height, width = (max(network.multiple * 8, side // 4) for side in network.size)
    return height, width


def why(model) -> str:
    """What the explanation says of upsamplings that move although that is expected to be slower on a CPU."""
    from zoo import rewrite

    rows = rewrite.explain(model).rows
    return "; ".join(dict.fromkeys(row.note for row in rows if row.becomes and 0 < row.faster < 1 and row.note))


def measure(name: str, folder: Path, costs: dict[str, float], quick: bool) -> dict:
    """One network: times of its forms, sizes of the files, operations, the largest difference, and the pick."""
    import numpy as np

    from benchmarks.decoders import NETWORKS
    from benchmarks.networks import randomise
    from benchmarks.rewrite_layers import rounds_in, runner
    from benchmarks.timing import paired, summarise

    network = NETWORKS[name]
    size = _size(network, quick)
    model = randomise(network.build(0.25 if quick else 1.0))
    made, chosen = forms(model, costs)
    runs = {form: runner(model, folder, size) for form, model in made.items()}
    for run in runs.values():
        run()
    difference = max(
        float(np.abs(one - other).max() / np.abs(other).max())
        for form in runs
        for one, other in zip(runs[form].outputs(), runs["before"].outputs(), strict=True)
    )
    if difference > TOLERANCE:
        raise AssertionError(f"Expected the same function. Received: {name}, {difference:.1e} apart")
    summary = summarise(paired(runs, rounds=2 if quick else rounds_in(runs, 2.0)), "before")
    fastest = min(entry["ratio"] for entry in summary.values())
    return {
        "network": name,
        "size": list(size),
        "times": summary,
        "faster": 1 / summary["after"]["ratio"],
        "kilobytes": {form: run.bytes / 1024 for form, run in runs.items()},
        "operations": {form: _counted(run.operations) for form, run in runs.items()},
        "largest_difference": difference,
        "why": why(model),
        "chosen": chosen,
        "picked_the_faster": summary[chosen]["ratio"] <= (1 + TIE) * fastest,
    }


def gate(name: str, folder: Path) -> dict[str, str]:
    """The GPU delegate's verdict on a slim network at an odd size, as it is and rewritten."""
    from benchmarks.decoders import NETWORKS
    from benchmarks.networks import randomise
    from export import delegate
    from export.tflite import write_tflite
    from zoo import rewrite

    network = NETWORKS[name]
    model = randomise(network.build(0.25))
    size = model.input_shape[1:3] if None not in model.input_shape[1:3] else _odd(network)
    verdicts = {}
    for form, each in (("before", model), ("after", rewrite.to_lr_space(model))):
        path = folder / f"gate_{form}.tflite"
        write_tflite(each, path, size)
        verdicts[form] = delegate.run(path)["gpu"]["verdict"]
    return verdicts


def _counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.rewrite`."""
    from zoo.program import quiet_tensorflow

    quiet_tensorflow()
    from benchmarks import record, rewrite_layers
    from benchmarks.decoders import NETWORKS
    from zoo.targets import xnnpack

    parser = record.parser("rewrite", __doc__)
    parser.add_argument("--only", default="", help="these networks, by name and with commas, and no single layers")
    flags = parser.parse_args(arguments)
    only = [name for name in flags.only.split(",") if name]
    if only and flags.json:
        parser.error("Expected --only or --json. Received: both; a record has all networks")
    if unknown := set(only) - set(NETWORKS):
        parser.error(f"Expected networks out of {', '.join(NETWORKS)}. Received: {', '.join(sorted(unknown))}")
    written = record.start("rewrite")
    with tempfile.TemporaryDirectory() as folder:
        (layers := Path(folder) / "layers").mkdir()
        measured = [] if only else rewrite_layers.measure(layers, flags.quick)
        costs = xnnpack.COSTS if only else rewrite_layers.fit(measured)
        written["costs"] = {kind: round(cost, 2) for kind, cost in costs.items()}
        written["layers"] = [
            {
                "found": each.found,
                "scale": each.facts.scale,
                "maps": [each.facts.inputs, each.facts.outputs],
                "ns_per_lr_pixel": [each.before * 1e9, each.after * 1e9],
                "faster": each.before / each.after,
                "expected_faster": xnnpack.speedup(each.facts, costs),
            }
            for each in measured
        ]
        names = only or (list(NETWORKS)[::6] if flags.quick else list(NETWORKS))
        results = []
        for name in names:
            (inside := Path(folder) / name).mkdir()
            results.append(measure(name, inside, costs, flags.quick) | {"delegate": gate(name, inside)})
    written["networks"] = results
    right = sum(each["picked_the_faster"] for each in results)
    written["picked_the_faster"] = [right, len(results)]
    record.table(
        "Before and after to_lr_space, TFLite, 2 threads",
        ["network", "exact to", "before, ms", "after", "faster", "kB", "after", "picked", "GPU delegate"],
        [_cells(each) for each in results],
    )
    print("costs fitted to single layers:", ", ".join(f"{kind} {cost}" for kind, cost in written["costs"].items()))
    print(f"target=xnnpack picks the faster form of {right} of {len(results)} networks, none of them in the fit")
    values = [(each["network"], each["faster"]) for each in results]
    ours = [each["network"] for each in results if each["faster"] >= 1]
    written["chart"] = record.chart("to_lr_space: how many times faster (TFLite, 2 threads)", values, "×", ours)
    record.finish(written, flags.json)


def _cells(each: dict) -> list[str]:
    times = [f"{1e3 * each['times'][form]['median']:.2f}" for form in ("before", "after")]
    size = [f"{each['kilobytes'][form]:.0f}" for form in ("before", "after")]
    pick = f"{each['chosen']}{'' if each['picked_the_faster'] else ' (wrong)'}"
    verdicts = f"{each['delegate']['before']} → {each['delegate']['after']}"
    return [
        each["network"],
        f"{each['largest_difference']:.0e}",
        *times,
        f"{each['faster']:.2f}",
        *size,
        pick,
        verdicts,
    ]


if __name__ == "__main__":
    main()
