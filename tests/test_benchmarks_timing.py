"""What turns times into figures: order, medians, ratios, fits, records and charts. No time is asserted."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import chart, inference, layers, record
from benchmarks.timing import linear_fit, machine, paired, summarise


def test_rounds_alternate_and_only_the_measured_ones_count():
    calls, now = [], [0.0]

    def job(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds

        return run

    jobs = {"a": job("a", 1.0), "b": job("b", 2.0), "c": job("c", 4.0)}
    times = paired(jobs, rounds=3, warmup=1, pause=0, clock=lambda: now[0])
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [4.0] * 3}
    assert "".join(calls) == "abc" + "cba" + "abc" + "cba"


def test_slow_candidates_get_fewer_rounds_but_three():
    now = [0.0]

    def job():
        now[0] += 5.0

    assert len(paired({"slow": job}, rounds=9, warmup=1, pause=0, seconds=27, clock=lambda: now[0])["slow"]) == 5
    assert len(paired({"slow": job}, rounds=9, warmup=1, pause=0, seconds=1, clock=lambda: now[0])["slow"]) == 3
    assert len(paired({"slow": job}, rounds=2, warmup=1, pause=0, seconds=1, clock=lambda: now[0])["slow"]) == 2


def test_another_engine_counts_with_its_faster_form():
    fast = {"zoo, LR form": [1.0, 3.0, 1.0], "other, LR form": [2.0, 6.0, 2.0], "other, deconvolution": [1.6, 4.8, 1.6]}
    few = {"zoo, LR form": [1.0, 2.0], "slow, plain, deconvolution": [10.0, 20.0], "zoo, deconvolution": [5.0, 9.0]}
    assert inference.against(fast, few) == pytest.approx({"other": 1 / 1.6, "slow, plain": 0.1})


def test_cases_of_the_command_line(capsys):
    assert inference.threads_and_scales("2x3,1x2") == [(2, 3), (1, 2)]
    for wrong in ("2", "2x3x4", "0x3", "axb", ""):
        with pytest.raises(SystemExit, match="2"):
            inference.main([f"--cases={wrong}"])
    assert "--cases" in capsys.readouterr().err


def test_ratios_are_formed_round_by_round():
    # The second round was slowed down threefold by something else: ratios of medians would not see through it.
    times = {"ours": [1.0, 3.0, 1.1], "theirs": [2.0, 6.0, 2.2]}
    summary = summarise(times, "theirs")
    assert summary["ours"]["ratio"] == pytest.approx(0.5)
    assert summary["ours"]["ratio_low"] == summary["ours"]["ratio_high"] == pytest.approx(0.5)
    assert summary["theirs"]["ratio"] == 1.0
    assert summary["ours"]["median"] == 1.1 and summary["ours"]["best"] == 1.0 and summary["ours"]["rounds"] == 3
    # The control: in a shuffled order the pairs do not match, and the quartiles show it.
    mixed = summarise({"ours": [3.0, 1.0, 1.1], "theirs": [2.0, 6.0, 2.2]}, "theirs")
    assert mixed["ours"]["ratio_high"] - mixed["ours"]["ratio_low"] > 0.3


def test_quartiles_are_those_of_the_ratios():
    ours, theirs = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.0, 1.0, 1.0, 1.0, 1.0])
    summary = summarise({"ours": ours, "theirs": theirs}, "theirs")["ours"]
    assert (summary["ratio_low"], summary["ratio"], summary["ratio_high"]) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize("times", [{"a": [1.0], "b": []}, {"a": []}, {"b": [1.0]}], ids=str)
def test_what_is_not_paired_is_refused(times):
    with pytest.raises(ValueError, match="Expected as many times of each candidate, 'a' among them"):
        summarise(times, "a")


def test_a_line_is_found_and_a_curve_is_seen():
    sizes = [0.25, 1, 4, 33, 130]
    fit = linear_fit(sizes, [0.5 * size + 0.01 for size in sizes])
    assert fit["slope"] == pytest.approx(0.5) and fit["offset"] == pytest.approx(0.01) and fit["residual"] < 1e-9
    assert linear_fit(sizes, [size**1.3 for size in sizes])["residual"] > 0.2


def test_the_machine_is_named():
    found = machine()
    assert found["processor"] and found["cores"] >= 1 and found["versions"]["numpy"] == np.__version__
    json.dumps(found)


def test_the_record_and_its_chart_are_written_whole(tmp_path):
    written = record.start("speed")
    written["chart"] = record.chart("Time <of> one frame", [("ours", 1.5), ("theirs & others", 3.0)], "ms", ["ours"])
    record.finish(written, tmp_path / "deep" / "speed.json")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["speed.json", "speed.svg"]
    assert json.loads((tmp_path / "deep" / "speed.json").read_text()) == written
    drawing = ElementTree.fromstring((tmp_path / "deep" / "speed.svg").read_text())
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text for each in drawing.iter(f"{space}text")]
    assert texts == ["Time <of> one frame", "ours", "1.5 ms", "theirs & others", "3 ms"]
    background, *drawn = drawing.iter(f"{space}rect")
    lengths = [float(bar.get("width")) for bar in drawn]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=0.11)
    assert drawn[0].get("fill") != drawn[1].get("fill") and background.get("fill") == "#ffffff"


def test_another_processors_record_is_kept_beside_the_new_one(tmp_path):
    path = tmp_path / "speed.json"

    def measured(processor: str, value: int) -> None:
        record.finish({"machine": {"processor": processor}, "value": value}, path)

    def known() -> list[int]:
        return [each["value"] for each in record.of_all_machines(tmp_path, "speed")]

    (tmp_path / "speed_of_others.json").write_text("{}")
    measured("AMD EPYC", 1), measured("AMD EPYC", 2)
    assert known() == [2]
    measured("Intel(R) Xeon(R)", 3)
    assert known() == [3, 2] and (tmp_path / "speed.amd_epyc.json").exists()
    # The older one of the same processor goes.
    measured("AMD EPYC", 4)
    assert known() == [4, 3] and not (tmp_path / "speed.amd_epyc.json").exists()


def test_a_chart_is_drawn_anew_from_the_json(tmp_path):
    written = {"chart": record.chart("T", [("a", 1.0)], "s", [])}
    (tmp_path / "x.json").write_text(json.dumps(written))
    chart.main([str(tmp_path / "x.json")])
    assert (tmp_path / "x.svg").read_text() == chart.draw(written)


def test_figures_are_written_as_people_write_them():
    assert [chart.number(value) for value in (1390.4, 124.6, 12.34, 0.2251)] == ["1,390", "125", "12.3", "0.225"]


def test_what_is_wrong_does_not_look_right_and_ratios_have_a_line_at_one():
    values = [("a", 2.0), ("b (wrong)", 0.5)]
    drawing = chart.bars("T", values, "×", ["a"], ["b (wrong)"], "not drawn: c")
    bars = re.findall(r'<rect x="300" y="\d+" width="([\d.]+)" height="16" (.*)/>', drawing)
    assert "stroke" in bars[1][1] and "stroke" not in bars[0][1] and "not drawn: c" in drawing
    # The line stands where a bar of 1 would end.
    (x,) = re.findall(r'<line x1="([\d.]+)"', drawing)
    assert float(x) - 300 == pytest.approx(float(bars[0][0]) / 2, abs=0.1)
    assert "<line" not in chart.bars("T", values, "ms")


def test_lines_of_many_networks_are_named_beside_one_another():
    found = {f"net{i}_x{scale}": [(1, 1.0), (2, 1.9), (4, 3 + i / 100)] for i in range(5) for scale in (2, 3, 4)}
    drawing = ElementTree.fromstring(chart.curves("T", "workers", "times", found))
    space = "{http://www.w3.org/2000/svg}"
    places = {each.text: float(each.get("y")) for each in drawing.iter(f"{space}text") if each.text in found}
    assert places.keys() == found.keys()
    heights = sorted(places.values())
    assert all(b - a >= 13.9 for a, b in zip(heights, heights[1:])) and heights[-1] < float(drawing.get("height")) - 40
    assert len(list(drawing.iter(f"{space}polyline"))) == len(found) + 1


def test_layers_are_the_differences_between_what_leads_up_to_them():
    assert layers.differences([1.0, 3.0, 2.5, 4.0]) == [1.0, 1.5, 0.0, 1.5]
    layer = {"operations": 3e9, "seconds": 0.1}
    (line,) = layers.rows(
        [
            {
                "network": "n",
                "layers": ["3×3, 1 → 4"],
                "peak_gflops": 60.0,
                "ncnn": [layer],
                "openvino": [{**layer, "seconds": 0.2, "kernel": "brgconv"}],
            }
        ]
    )
    assert line == ["n: 3×3, 1 → 4", "100%", "50%", "100%", "25%", "brgconv"]
