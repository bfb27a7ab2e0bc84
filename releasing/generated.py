"""Pages and charts that are made from figures: written, or compared with what they should be."""

import sys
from pathlib import Path

from zoo.errors import UsageError


def inserted(text: str, content: str, begin: str, end: str) -> str:
    """The text with `content` between the two markers.

    Raises:
        UsageError: a marker is missing.
    """
    if begin not in text or end not in text:
        raise UsageError(f"Expected the markers {begin!r} and {end!r} in the page. Received: a text without them")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def settle(wanted: dict[Path, str], check: bool) -> int:
    """Writes the files that are not as wanted; with `check` names them on stderr instead.

    Returns:
        The exit code: 1 where `check` found a file that is out of date.
    """
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.name} is not what the command writes", file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding="utf-8")
    return int(check and bool(stale))
