"""docs/benchmarks.md and the charts are what `benchmarks/results/` says; no time is asserted."""

import json
import shutil

import pytest

from benchmarks import page
from benchmarks.record import RESULTS


def test_the_page_is_what_was_measured(tmp_path, monkeypatch, capsys):
    assert page.main(["--check"]) == 0, "run `python -m benchmarks.page`"
    # Control: another figure is noticed, in the page and in the chart.
    shutil.copytree(RESULTS, tmp_path / "results")
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(page, "page", lambda honest=page.page: honest(tmp_path / "results"))
    assert page.main(["--check"]) == 0
    path = tmp_path / "results" / "start.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["times"]["import tensorflow"]["median"] *= 2
    record["chart"]["values"][0][1] *= 2
    path.write_text(json.dumps(record), encoding="utf-8")
    assert page.main(["--check"]) == 1
    assert capsys.readouterr().err.count("is not what the command writes") == 2


@pytest.mark.parametrize("name", page.SECTIONS)
def test_what_was_not_measured_is_not_on_the_page(name, tmp_path):
    title, _ = page.SECTIONS[name]
    for path in RESULTS.glob("*.json"):
        if path.stem != name:
            shutil.copy(path, tmp_path)
    assert f"## {title}\n" not in page.page(tmp_path)
