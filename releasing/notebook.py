"""Runs the quickstart notebook and keeps what it shows in its file: `python -m releasing.notebook`, some minutes."""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import whole_file

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


@contextlib.contextmanager
def _extra() -> Iterator[None]:
    """Says which extra an import in it comes with."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f'Expected what `pip install ".[notebook]"` brings. Received: no module {error.name}'
        ) from error


def executed(notebook: Any) -> Any:
    """The notebook with its outputs; what libraries write on stderr, and when it ran, is left out.

    Raises:
        UsageError: the extra that runs notebooks is not installed.
    """
    with _extra():
        from nbclient import NotebookClient
    with tempfile.TemporaryDirectory() as folder:
        # Its kernel finds this checkout, and what it writes is gone afterwards.
        os.environ |= {"PYTHONPATH": str(ROOT), "TMPDIR": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = list(filter(_told, cell.outputs))
            for output in cell.outputs:
                # A picture once, as it is, and not compressed beside it.
                output.get("data", {}).pop("image/jpeg", None)
    return notebook


def _told(output: Any) -> bool:
    """Whether an output is the notebook's own, and not what libraries tell."""
    text = str(output.get("text", ""))
    return output.get("name") != "stderr" and not text.startswith(("INFO:tensorflow", "WARNING:tensorflow"))


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    argparse.ArgumentParser(prog="python -m releasing.notebook", description=__doc__).parse_args(argv)
    with _extra():
        import nbformat
    made = executed(nbformat.read(NOTEBOOK, as_version=4))
    with whole_file(NOTEBOOK) as unfinished:
        nbformat.write(made, unfinished)
    print(NOTEBOOK.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
