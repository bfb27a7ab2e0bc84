"""docs/benchmarks.md and the charts are what `benchmarks/results/` says; no time is asserted."""

import json
import shutil

import pytest

from benchmarks import chart, int8, int8_page, page, record
from benchmarks.record import RESULTS
from releasing.picture_terms import RESEARCH
from zoo.registry import FREE, card


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


def test_the_page_of_int8_is_what_was_measured(monkeypatch):
    assert int8_page.main(["--check"]) == 0, "run `python -m benchmarks.int8_page`"
    written = json.loads((RESULTS / "int8.json").read_text(encoding="utf-8"))
    text = int8_page.page(written)
    # Control: another figure makes another page; a busy machine gives ratios and no milliseconds.
    written["results"][0]["bytes"]["tflite_int8"] *= 2
    assert int8_page.page(written) != text
    # A preset that has become another network has no row until it is measured.
    first = written["results"][0]
    first["parameters"] += 1
    assert f"| {first['preset']} |" in text and f"| {first['preset']} |" not in int8_page.page(written)
    assert f"they are other networks: {first['preset']}" in int8_page.page(written)
    for load, shown in ((0.5, True), (9.0, False)):
        written["machine"]["load_before"] = load
        assert ("too busy for milliseconds" not in int8_page.page(written)) == shown
        row = int8_page.row(written["results"][0], int8.quiet(written["machine"]))
        assert (row[5] != "–" and row[6] != "–") == shown and row[7] != "–"


def test_int8_is_advised_where_it_gains_time_and_keeps_text(monkeypatch):
    cards = {
        "near_x2": _card(FREE, 42.0, -0.05),
        "blurred_x2": _card(FREE, 30.0, -0.01),
        "slow_x3": _card(FREE, 50.0),
        "first_x4": _card(RESEARCH, 50.0),
        "second_x4": _card(FREE, 50.0),
        "alone_x5": _card(RESEARCH, 50.0),
    }
    monkeypatch.setattr(int8_page, "card", cards.__getitem__)
    faster = dict(zip(cards, (2.0, 3.0, 0.8, 1.5, 1.2, 1.1), strict=True))
    results = [{"preset": name, "scale": int(name[-1]), "faster": times} for name, times in faster.items()]
    assert int8_page.advice(results) == (
        "For int8 take ×2 **near_x2** (2.0 times as fast as its float file, -0.05 dB on Set5); "
        "×3 none of these: no int8 file is faster than its float file; "
        "×4 **first_x4** (1.5 times as fast as its float file), research only, "
        "of those that may be shipped **second_x4** (1.2 times as fast as its float file); "
        "×5 **alone_x5** (1.1 times as fast as its float file), research only, of those that may be shipped none."
    )


def _card(terms: str, text: float, loss: float | None = None) -> dict:
    losses = {} if loss is None else {"Set5": loss}
    return {"redistribution": terms, "int8_loss_db": losses, "int8_agreement_db": {"text": text}}


@pytest.mark.slow
def test_the_files_of_a_preset_are_measured(tmp_path):
    row = int8.measure("fsrcnn_s_x3", int8.written("fsrcnn_s_x3", tmp_path), quick=True)
    assert row["bytes"]["tflite_int8"] < row["bytes"]["tflite_fp32"]
    # 960×540 px of output are 9/16 of the 1280×720 that the card counts.
    assert row["macs"]["tflite_fp32"] / 1e9 == pytest.approx(card("fsrcnn_s_x3")["macs_720p"] / 1e9 * 9 / 16, rel=0.02)
    assert row["faster"] > 0 and set(row["seconds"]) == set(int8.FORMATS)
