"""One sentence on all files of an export: which they are, what was run, on what, and what is right."""

from typing import Any

# What speaks for nothing and against nothing.
_OPEN = ("not run", "inconclusive")
# Of weights in 8 bits.
_ROUNDED = ("tflite_int8", "tflite_dynamic")
# In half precision, or so stored.
_HALF = ("tflite_fp16", "glsl", "wgsl")
_FINE = {"right": "right and fully accelerated", "rounding": "fully accelerated, right but for rounding"}


def claim(files: list[dict[str, Any]], levels: bool) -> str:
    """What may be said of an export's files; "compatible" is not said of what was not run.

    Args:
        files: the entries of the report.
        levels: whether differences from Keras are those of pictures, shown in levels of 255, else shares of the range.
    Returns:
        Sentences, the first beginning with "NOT" where a file of floats computes another function than the network, or
        the GPU delegate refuses a file or computes it wrongly.
    """
    far = [entry["name"] for entry in files if _is_far(entry)]
    if far:
        return f"NOT the network's function: {', '.join(far)}. {_from_keras(files, levels)}"
    runs = [(entry["name"], run) for entry in files if "gpu" in entry for run in (entry["gpu"], *entry["remainders"])]
    bad = next(((name, run) for name, run in runs if run["verdict"] not in (*_OPEN, *_FINE)), None)
    if bad:
        return f"NOT fit for a GPU delegate: {bad[0]}: {bad[1]['sentence']} {_from_keras(files, levels)}"
    return f"{_on_the_delegate(files)} {_from_keras(files, levels)}"


def _is_far(entry: dict[str, Any]) -> bool:
    """Whether a file of floats is farther from the network than rounding explains."""
    if entry.get("format") in _ROUNDED or "max_difference" not in entry.get("keras", {}):
        return False
    # NaN is far too.
    return not entry["keras"]["max_difference"] <= (0.1 if entry.get("format") in _HALF else 0.01)


def _on_the_delegate(files: list[dict[str, Any]]) -> str:
    static = [entry for entry in files if "gpu" in entry]
    if not static:
        return "No file for a GPU delegate was asked for."
    said: dict[str, list[str]] = {}
    for entry in static:
        said.setdefault(_said(entry), []).append(entry["name"])
    return " ".join(f"{', '.join(names)}: {words}" for words, names in said.items())


def _said(entry: dict[str, Any]) -> str:
    """What the runs of one file come to; none of them is bad."""
    runs = [run for run in (entry["gpu"], *entry["remainders"]) if run["verdict"] in _FINE]
    if not runs:
        return entry["gpu"]["sentence"]
    verdict = next(verdict for verdict in ("rounding", "right") if verdict in {run["verdict"] for run in runs})
    where = ["at its own size"] if entry["gpu"]["verdict"] in _FINE else []
    small = [run for run in entry["remainders"] if run["verdict"] in _FINE]
    if small:
        where.append(f"at {len(small)} small sizes, every remainder modulo the scale")
    rest = "" if entry["gpu"]["verdict"] in _FINE else f" {entry['gpu']['sentence']}"
    return f"{_FINE[verdict]} on the {runs[0]['device']}, {' and '.join(where)}.{rest}"


def _from_keras(files: list[dict[str, Any]], levels: bool) -> str:
    """How far every file is from the network, so that nobody takes the delegate's verdict for that."""
    apart = [
        f"{entry['name']} {255 * entry['keras']['max_difference']:.2g}"
        if levels
        else f"{entry['name']} {entry['keras']['max_difference']:.1e}"
        for entry in files
        if "max_difference" in entry.get("keras", {})
    ]
    unit = "levels of 255, on photographs" if levels else "shares of the range"
    lines = [f"Largest difference from Keras, in {unit}: {', '.join(apart)}."] if apart else []
    lines += [f"{e['name']}: {e['keras']['sentence']}" for e in files if "sentence" in e.get("keras", {})]
    return " ".join(lines)
