"""docs/benchmarks.md and the charts are what `benchmarks/results/` says; no time is asserted."""

import json
import shutil

import pytest

from benchmarks import chart, page, record
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


def test_every_chart_is_what_its_record_says():
    records = {path: json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")}
    drawn = {path: chart.draw(each) for path, each in records.items() if "chart" in each}
    charts = {path: path.with_suffix(".svg") for path in drawn if path.with_suffix(".svg").is_file()}
    assert len(charts) >= 10
    stale = [path.name for path, svg in charts.items() if svg.read_text(encoding="utf-8") != drawn[path]]
    assert stale == [], "run `python -m benchmarks.chart FILE.json`"


@pytest.mark.parametrize("name", page.SECTIONS)
def test_what_was_not_measured_is_not_on_the_page(name, tmp_path):
    title, _ = page.SECTIONS[name]
    for path in RESULTS.glob("*.json"):
        if path.name.split(".")[0] != name:
            shutil.copy(path, tmp_path)
    assert f"## {title}\n" not in page.page(tmp_path)


def test_rows_of_two_vendors_stand_side_by_side(tmp_path):
    for path in RESULTS.glob("inference*.json"):
        shutil.copy(path, tmp_path)
    newest, other = record.of_all_machines(tmp_path, "inference")
    assert newest["machine"]["processor"] != other["machine"]["processor"]
    shown = page.page(tmp_path)
    for each in (newest, other):
        assert f"cores of {each['machine']['processor']}, load" in shown
        assert f"**{1e3 * each['results'][0]['contest']['zoo, LR form']['median']:.0f} ms**" in shown
    assert f"### One frame: {other['machine']['processor']}" in shown and f"on {other['date']}, on" in shown
