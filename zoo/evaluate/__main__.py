"""The published protocol: PSNR and SSIM of a network on the public test sets, bicubic beside it."""

import sys
from pathlib import Path

from zoo.data.decode import one_limit
from zoo.engines import ranges
from zoo.errors import exit_on_usage_error
from zoo.evaluate.protocol import PROTOCOLS
from zoo.evaluate.sets import open_network, tables
from zoo.files import file_to_write, in_place_of, write_json
from zoo.program import Parser, program, quiet_tensorflow


def _print(results: list[dict], protocol: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"{protocol}: {PROTOCOLS[protocol].description}; means over the pictures")
    for heading in ("set", "pictures", "scale", "model", "PSNR, dB", "SSIM"):
        table.add_column(heading, justify="left" if heading in ("set", "model") else "right", overflow="fold")
    for row in results:
        values = (row["set"], str(row["counted"]), f"×{row['scale']}", row["model"])
        table.add_row(*values, _shown(row["psnr"], 2), _shown(row["ssim"], 4))
    # Names may have brackets.
    console = Console(markup=False)
    console.print(table)
    reasons = {(row["set"], row["scale"], name): why for row in results for name, why in row["left_out"].items()}
    for (of, scale, name), why in reasons.items():
        console.print(f"left out of {of} at ×{scale}: {name}: {why}")


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> None:
    """The command `zoo evaluate`."""
    parser = Parser(prog=program("zoo.evaluate"), description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="preset names, .keras or .tflite files, joined with commas")
    parser.add_argument("--data", required=True, help="folders of pictures (or with HR/ in them), joined with commas")
    parser.add_argument("--range", default="", dest="values", metavar="RANGE", help=ranges.HELP)
    parser.add_argument("--json", type=Path, help="the file to write all figures to, picture by picture")
    parser.add_argument(
        "--protocol",
        default="y",
        choices=PROTOCOLS,
        help="; ".join(f"{name}: {protocol.description}" for name, protocol in PROTOCOLS.items()),
    )
    flags = parser.parse_args(arguments)
    quiet_tensorflow()
    one_limit()
    if flags.json:
        file_to_write(flags.json)
    given = ranges.for_files(flags.values, flags.model.split(","))
    models = {name: open_network(name, values) for name, values in given.items()}
    ranges.say(models.values())
    results = tables(models, flags.data.split(","), flags.protocol)
    _print(results, flags.protocol)
    if flags.json:
        record = {"protocol": flags.protocol, "description": PROTOCOLS[flags.protocol].description, "results": results}
        replaced = in_place_of(flags.json)
        write_json(flags.json, record)
        print(f"wrote {flags.json}{replaced}")


if __name__ == "__main__":
    sys.exit(main())
