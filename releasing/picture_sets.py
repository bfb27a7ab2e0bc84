"""The public test sets that a command measures on."""

from pathlib import Path

from zoo.errors import UsageError


def folders_of(data: str) -> list[Path]:
    """The folders of `--data`, which stand there with commas between.

    Raises:
        UsageError: there are none.
    """
    folders = [Path(folder) for folder in data.split(",") if folder]
    if not folders:
        raise UsageError("Expected folders of test sets in --data. Received: none")
    return folders
