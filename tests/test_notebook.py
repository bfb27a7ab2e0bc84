"""The quickstart notebook, run from its first cell to its last."""

import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "quickstart.ipynb"

pytestmark = pytest.mark.slow


@pytest.fixture
def notebook():
    nbformat = pytest.importorskip("nbformat", reason='the notebook needs its extra: pip install ".[notebook]"')
    return nbformat.read(NOTEBOOK, as_version=4)


def test_quickstart_trains_rewrites_exports_and_shows(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason='the notebook needs its extra: pip install ".[notebook]"')
    pytest.importorskip("ipykernel", reason='the notebook needs its extra: pip install ".[notebook]"')
    # The kernel starts in another folder than this checkout's.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parent.parent))
    # What the notebook writes and what its kernel keeps go where pytest cleans up.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    results = nbclient.client.NotebookNode(
        cell_type="code", id="results", metadata={}, execution_count=None, outputs=[], source="print(gain, difference)"
    )
    notebook.cells.append(results)
    nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()

    gain, difference = (float(word) for word in notebook.cells[-1].outputs[-1].text.split())
    assert gain > 0.5, "the trained network should be well above bicubic, dB"
    # Float32 rounding only, and not the trivial 0 of a network that was not rewritten.
    assert 0 < difference < 1e-5
    shown = [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    assert sum("image/png" in data for data in shown) == 2


def test_the_notebook_is_stored_with_what_it_shows(notebook):
    """As `python -m releasing.notebook` writes it: every cell ran, in order; nothing of the machine stands there."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    shown = "".join(output.get("text", "") for output in outputs)
    assert "bicubic" in shown and " dB" in shown and "largest difference of the two networks" in shown
    assert not re.search(r"/(root|home|work|Users)/|WARNING|E0000", shown)
