"""Lists what computes a network on this machine, what was measured of it, and which of them each preset gets."""

import sys

from zoo import machine, registry
from zoo.engines import choices
from zoo.engines.choices import Choice
from zoo.engines.engine import Engine
from zoo.engines.opening import BUSY, candidates, fastest, measured, of_preset
from zoo.engines.tflite import TFLiteEngine
from zoo.errors import UsageError, did_you_mean, exit_on_usage_error
from zoo.program import Parser, program, quiet

# Package → what it is for.
PACKAGES = {
    "ncnn": "pictures in cells, for rows of convolutions; extra [fast]",
    "openvino": "TFLite files on Intel and AMD processors; extra [fast]",
    "onnxruntime": "rows of convolutions, with the package onnx; extra [onnx]",
    "ai-edge-litert": "TFLite files, on every processor",
    "keras": "models that TFLite does not take",
}


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo engines`."""
    parser = Parser(prog=program("zoo.engines"), description=__doc__)
    parser.add_argument("pattern", nargs="?", default="*", help="of the presets that are opened, as 'fsrcnn*'")
    parser.add_argument("--threads", type=int, help="default: as many as the process may use")
    parser.add_argument("--measure", action="store_true", help="measure the engines again, a second or two each preset")
    flags = parser.parse_args(arguments)
    if flags.threads is not None and flags.threads < 1:
        raise UsageError(f"Expected --threads of at least 1. Received: {flags.threads}")
    names = registry.list_presets(flags.pattern)
    if not names:
        near = did_you_mean(flags.pattern, registry.list_presets())
        raise UsageError(f"Expected a pattern of presets, as 'fsrcnn*'. Received: {flags.pattern!r}{near}")
    threads = flags.threads or machine.available_threads()
    print(f"{machine.system()}, {machine.processor()}, {threads} threads")
    installed = machine.versions(PACKAGES)
    for package, purpose in PACKAGES.items():
        print(f"  {package:<16}{installed.get(package, 'not installed'):<18}{purpose}")
    print(f"Of those that compute the same as TFLite; measured ones are kept in {choices.folder()}:")
    if flags.measure and (busy := machine.taken()) > BUSY:
        print(f"note: other programs take {busy:.0%} of the processors: what is measured may be wrong", file=sys.stderr)
    for name in names:
        with quiet():
            engine = of_preset(name, threads)
            choice = measured(engine) if flags.measure else choices.read(choices.of(engine.fingerprint(), threads))
            lines = _lines(engine, fastest(engine), choice, max(map(len, names)))
        print("\n".join(lines), flush=True)
    return 0


def _lines(file: TFLiteEngine, chosen: Engine, choice: Choice | None, width: int) -> list[str]:
    """What a preset gets and why, and why not the others; names as wide as the longest."""
    if choice is None:
        why, others, refused = "a guess: --measure, or a larger job, measures", "", candidates(file)[1]
    else:
        times = {kind: f"{kind} {1e3 * choice.seconds[kind]:.1f} ms" for kind in choice.order()}
        why, refused = f"measured {choice.date}", choice.refused
        why += f", the least of {choice.measurements} measurements" if choice.measurements > 1 else ""
        others = ", ".join(times.values())
    lines = [f"  {file.name:<{width}}  {chosen.kind:<17}{why}"]
    lines += [f"    {others}"] if others else []
    if choice is not None and choice.order(sizes=True)[0] != chosen.kind:
        other = choice.order(sizes=True)[0]
        lines.append(f"    {other} for pictures of many sizes, for each of which engines get ready")
    # Kinds that fail for one reason, as ncnn's cells do, on one line.
    reasons: dict[str, list[str]] = {}
    for kind, reason in refused.items():
        reasons.setdefault(reason, []).append(kind)
    return lines + [f"    not {', '.join(kinds)}: {reason}" for reason, kinds in reasons.items()]


if __name__ == "__main__":
    sys.exit(main())
