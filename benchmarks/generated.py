"""Pages and charts that are made from figures: written, or compared with what they should be."""

import sys
from pathlib import Path


def settle(wanted: dict[Path, str], check: bool) -> int:
    """Writes the files that are not as wanted; with `check` names them on stderr instead.

    Returns:
        The exit code: 1 where `check` found a file that is out of date.
    """
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.name} is not what benchmarks/results says", file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding="utf-8")
    return int(check and bool(stale))
