"""`report.json` and `report.md` beside the files: what is in them, what was run, and what was not."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from export.claim import claim
from export.delegate import outputs_of
from export.measure import verdict
from zoo import machine
from zoo.errors import UsageError
from zoo.files import remove, whole_file, write_json
from zoo.targets.record import Finding, summarized

_FORMS = {
    "subpixel": "in LR space where it has an exact form there",
    "transposed": "as transposed convolutions where it has that form, else as transposes",
}
_ON_A_NETWORK = "a photograph where it reads one, else on noise; of the range."
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")


def environment() -> dict[str, str]:
    """Machine and versions that the figures depend on."""
    return {"machine": machine.system(), "processor": machine.processor(), **machine.versions(_PACKAGES)}


def write_report(report: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Writes both files, and returns what is in them: `earlier` too, reports on what other exports left in the folder.

    They tell of the files that lie there as they were written. A report that was not made, since nothing was checked,
    has no `environment`: then what is there goes on telling of the files that were not replaced.
    """
    files, words = folder / "report.json", folder / "report.md"
    written = {entry["name"] for entry in report["files"]}
    left = [each for each in (_left(each, folder, written) for each in earlier(folder)) if each["files"]]
    reports = ([report] if "environment" in report else []) + left
    if reports:
        write_json(files, _with(reports[0], reports[1:]))
        with whole_file(words) as unfinished:
            unfinished.write_text("\n".join(markdown(each) for each in reports), encoding="utf-8")
    else:
        remove(files)
        remove(words)
    return _with(report, left)


def _with(report: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    return {**report, "earlier": others} if others else report


def earlier(folder: Path) -> list[dict[str, Any]]:
    """The reports of exports that were made into a folder, the last one first.

    Raises:
        UsageError: it is no folder, or has a report that no export wrote, which would be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"Expected a folder as output. Received: {str(folder)!r}, a file")
    path = folder / "report.json"
    foreign = [each for each in (path, folder / "report.md") if each.exists()]
    try:
        newest = json.loads(path.read_text(encoding="utf-8")) if foreign else {"earlier": []}
        reports = [newest, *newest.pop("earlier", [])] if foreign else []
        _ = [(each["claim"], entry["name"], entry["bytes"]) for each in reports for entry in each["files"]]
    except (OSError, ValueError, AttributeError, LookupError, TypeError):
        raise UsageError(f"Expected a folder with an export's report. Received: {foreign[0]}, another one") from None
    return reports


def _left(report: dict[str, Any], folder: Path, written: Collection[str]) -> dict[str, Any]:
    """A report on those of its files that still lie there and were not written anew."""
    files = [
        entry
        for entry in report["files"]
        if entry["name"] not in written and total_bytes(folder / entry["name"]) == entry["bytes"]
    ]
    return {**report, "files": files, "claim": claim(files, levels="scale" in report)}


def total_bytes(path: Path) -> int:
    """Of a file, or of all files in a folder; 0 where nothing is."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def markdown(report: dict[str, Any]) -> str:
    """The report for people: one table of all files, then each file by itself."""
    files = report["files"]
    sets = list(dict.fromkeys(name for entry in files for name in entry.get("psnr", {})))
    heads = ["file", "kB", "GMAC", "from Keras: largest / mean", *(f"{name}, dB (loss)" for name in sets)]
    heads += ["XNNPACK, ms", f"half precision, {'levels' if 'scale' in report else 'units'}", "GPU delegate"]
    lines = [
        f"# {report['model']}",
        "",
        report["claim"],
        "",
        _about(report),
        "",
        _row(heads),
        _row(["---"] * len(heads)),
    ]
    # Of a picture in levels of 255; of another network as it is.
    unit = 255.0 if "scale" in report else 1.0
    lines += [_row(_cells(entry, sets, unit)) for entry in files]
    lines += ["", *_keys(report)]
    for entry in files:
        lines += ["", f"## {entry['name']}", "", *_details(entry)]
    lines += ["", f"Made with {', '.join(f'{name} {value}' for name, value in report['environment'].items())}."]
    return "\n".join(lines) + "\n"


def _about(report: dict[str, Any]) -> str:
    form = "as built" if report["keep_form"] else _FORMS[report["form"]]
    if "scale" not in report:
        return f"{report['takes']} → {report['gives']}; upsampling {form}. Rules of: {report['target']}."
    color = {1: "luma in, luma out", 3: "RGB in, RGB out"}[report["channels"]]
    clip = ", output clipped to [0, 1]" if report["clip"] else ""
    return f"Scale {report['scale']}; {color}{clip}; upsampling {form}. Rules of: {report['target']}."


def _keys(report: dict[str, Any]) -> list[str]:
    threads = {entry["latency"]["threads"] for entry in report["files"] if "threads" in entry.get("latency", {})}
    lines = [
        "What the columns say:",
        "",
        "- GMAC: multiplications with weights for one image, in thousands of millions.",
        "- from Keras: how far the file is from the network before any rewriting, on "
        + (f"{report['pictures']} photographs, in levels of 255." if "scale" in report else _ON_A_NETWORK),
    ]
    if report.get("data"):
        lines.append(f"- dB: PSNR, mean over {report['data']} by `zoo evaluate`; loss against Keras.")
    if threads:
        lines.append(f"- XNNPACK: median time of one image on the CPU, {', '.join(map(str, threads))} threads.")
        lines.append(
            "- half precision: the largest difference when XNNPACK computes in float16, the stand-in for a phone's GPU."
        )
    if any("gpu" in entry for entry in report["files"]):
        lines.append("- GPU delegate: the worst verdict at the file's own size and at the small ones named below.")
    return lines


def _cells(entry: dict[str, Any], sets: list[str], unit: float) -> list[str]:
    keras = entry.get("keras", {})
    cells = [entry["name"], f"{entry['bytes'] / 1000:.1f}", _number(entry.get("macs"), 1e-9, ".3g")]
    both = [_number(keras.get(name), unit, ".2g") for name in ("max_difference", "mean_difference")]
    cells.append(" / ".join(both) if keras.get("max_difference") is not None else "–")
    for name in sets:
        value = entry.get("psnr", {}).get(name, {})
        # + 0.0: a loss of nothing is not -0.00.
        cells.append(f"{value['psnr']:.2f} ({round(value['loss'], 2) + 0.0:.2f})" if "loss" in value else "–")
    cells.append(_number(entry.get("latency", {}).get("median_ms"), 1, ".1f"))
    cells.append(_number(entry.get("half", {}).get("max_difference"), unit, ".2g"))
    cells.append(verdict(entry) if "gpu" in entry else "–")
    return cells


def _details(entry: dict[str, Any]) -> list[str]:
    lines = [f"- {entry['describe']}."] if "describe" in entry else []
    if "operations" in entry:
        operations = ", ".join(f"{count} × {name}" for name, count in entry["operations"].items())
        lines.append(f"- {', '.join(entry['inputs'])} → {', '.join(entry['outputs'])}: {operations}.")
    lines += [f"- {entry['note']}."] if entry.get("note") else []
    for key in ("keras", "latency", "half"):
        lines += [f"- {entry[key]['sentence']}"] if "sentence" in entry.get(key, {}) else []
    lines += [f"- {name}: {value['sentence']}" for name, value in entry.get("psnr", {}).items() if "sentence" in value]
    if "gpu" in entry:
        lines.append(f"- {entry['gpu']['sentence']}")
        lines += [f"- {line}" for line in outputs_of(entry["gpu"])]
        lines += [f"- {line}" for line in _small_sizes(entry["remainders"])]
    lines += [f"- {finding}" for finding in summarized([Finding(**each) for each in entry.get("findings", [])])]
    return lines


def _small_sizes(runs: list[dict[str, Any]]) -> list[str]:
    """One line if all is right at the small sizes, else a line a size."""
    if not runs or any(run["verdict"] != "right" for run in runs):
        return [f"At {run['size'][0]}×{run['size'][1]}: {run['sentence']}" for run in runs]
    sizes = ", ".join(f"{run['size'][0]}×{run['size'][1]}" for run in runs)
    largest = max(run["max_difference"] for run in runs)
    return [f"Right too at {sizes}, which take every remainder modulo the scale; largest difference {largest:.1e}."]


def _number(value: float | None, factor: float, form: str) -> str:
    return "–" if value is None else format(value * factor, form)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
