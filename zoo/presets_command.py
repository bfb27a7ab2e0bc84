"""Lists the trained networks: input, size, cost, quality and terms of each."""

import json
import sys

from zoo.errors import UsageError, did_you_mean, exit_on_usage_error
from zoo.program import Parser, program
from zoo.registry import card, list_presets

HEADINGS = ("preset", "scale", "input", "parameters", "GMAC", "Set5, dB", "redistribution")
NOTE = "GMAC: billions of multiplications for 1280x720 px of output. Input Y: luma, colours are enlarged beside it."


def rows(pattern: str = "*") -> list[dict]:
    """What the table shows of each preset, from its card.

    Args:
        pattern: as a shell's, of the names that are wanted.

    Returns:
        For each preset `preset`, `scale`, `input` ("Y" or "RGB"), `parameters`, `macs_720p`, `psnr` (set → dB) and
        `redistribution` (whether the weights may be shipped).
    """
    cards = [card(name) for name in list_presets(pattern)]
    return [
        {
            "preset": each["name"],
            "scale": each["scale"],
            "input": "RGB" if each["channels"] == 3 else "Y",
            "parameters": each["parameters"],
            "macs_720p": each["macs_720p"],
            "psnr": {name: result["psnr"] for name, result in each["results"].items()},
            "redistribution": each["redistribution"],
        }
        for each in cards
    ]


def table(found: list[dict]) -> str:
    """The rows as lines of text, under a heading."""
    cells = [HEADINGS]
    for row in found:
        psnr = f"{row['psnr']['Set5']:.2f}" if "Set5" in row["psnr"] else ""
        cost = f"{row['parameters']:,}", f"{row['macs_720p'] / 1e9:.2f}"
        cells.append((row["preset"], f"×{row['scale']}", row["input"], *cost, psnr, row["redistribution"]))
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    numbers = ("parameters", "GMAC", "Set5, dB")
    lines = []
    for line in cells:
        aligned = [
            text.rjust(width) if heading in numbers else text.ljust(width)
            for heading, text, width in zip(HEADINGS, line, widths)
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo presets`."""
    parser = Parser(prog=program("zoo.presets_command"), description=__doc__)
    parser.add_argument("pattern", nargs="?", default="*", help="of the names that are wanted, as 'fsrcnn*'")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse_args(arguments)
    found = rows(flags.pattern)
    if not found:
        near = did_you_mean(flags.pattern, list_presets())
        raise UsageError(
            f"Expected a pattern that matches presets. Received: {flags.pattern!r}, which matches none{near}"
        )
    print(json.dumps(found, indent=2, ensure_ascii=False) if flags.json else f"{table(found)}\n\n{NOTE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
