"""Prepares pictures once for many workers: `zoo prepare --data=FOLDER --scale=3 --output=DIR`.

Then `zoo train --data=DIR` trains on the same batches as from the pictures, without decoding or degrading any.
The same command goes on where it was stopped or killed.
"""

import logging
import sys
from pathlib import Path

from zoo.data.decode import one_limit
from zoo.data.names import by_name
from zoo.data.records import RECORDS, write_records
from zoo.errors import STOPPED, UsageError, exit_on_usage_error, shown
from zoo.program import Parser, program, quiet_tensorflow


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = Parser(prog=program("zoo.data.prepare"), description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", required=True, help="sample, graphics, screenshots, div2k, or folders of pictures; joined with commas"
    )
    parser.add_argument("--scale", type=int, required=True, help="how many times larger the network's output will be")
    parser.add_argument("--output", type=Path, required=True, help="folder to prepare the data in")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 3), help="1: luma, 3: RGB")
    parser.add_argument("--split", default="train", choices=("train", "valid"), help="of sample, DIV2K or its layout")
    parser.add_argument(
        "--lr_data",
        default="",
        help="folder with LR images of one's own, or bicubic; default: those beside the originals, else made",
    )
    parser.add_argument("--manual_dir", help="folder with the DIV2K archives fetched by hand")
    flags = parser.parse_args(arguments)
    quiet_tensorflow()
    one_limit()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    source = by_name(flags.data, flags.scale, flags.channels, flags.split, flags.manual_dir, flags.lr_data)
    print(shown(source.lr_images), file=sys.stderr)
    try:
        index = _with_bar(source, flags.output)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from there.", file=sys.stderr)
        return STOPPED
    size = (flags.output / RECORDS).stat().st_size
    skipped = f", {len(index['skipped'])} skipped" if index["skipped"] else ""
    print(f"In {flags.output}: {len(index['pictures'])} pictures{skipped}, {size / 1e6:.1f} MB")
    return 0


def _with_bar(source, output: Path) -> dict:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if output.exists() and not output.is_dir():
        raise UsageError(f"Expected a folder in output. Received: {str(output)!r}, which is a file")
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=source.total or None)
        return write_records(source, output, lambda done: bar.update(task, completed=done))


if __name__ == "__main__":
    sys.exit(main())
