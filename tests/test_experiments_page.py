"""docs/space.md and the smaller experiments: what the page says follows from the records; toy runs of the others."""

import json
import re
from unittest import mock

import numpy as np
import pytest

from experiments import containment, equal, last_layer, space_answer, space_page, space_sections, times
from experiments.runs import read
from experiments.space_figures import Group, best_hr, difference, draw, groups

BASE = {"lr": 30.5, "below_x2": 30.3, "below_x4": 29.9, "hr_bicubic": 30.0, "hr_nearest": 29.8}
BASE |= {"hr_bilinear": 29.7, "hr_deconvolution": 29.9}


def write_records(folder, base, spread=0.01, budgets=(0.5, 2.0)):
    folder.mkdir(parents=True)
    for budget in budgets:
        for (regime, space), widths in equal.equal_widths(3, budget).items():
            if space not in base or (regime, space) == ("paper", "lr"):
                continue
            for seed in range(3):
                psnr = base[space] + budget / 10 + spread * (seed - 1)
                record = {
                    "space": space, "regime": regime, "scale": 3, "budget": budget, "seed": seed, "steps": 4000,
                    "learning_rate": 0.003, "data": "some_pictures", "batch": 16, "lr_size": 48, "widths": widths,
                    "psnr": psnr, "sets": {"Set5": psnr + 3}, "loss": 0.02, "loss_held_out": 0.021, "parameters": 1234,
                    "macs": 600000000, "activation_bytes": 10**7, "receptive_field": 4, "device": "a device",
                }  # fmt: skip
                (folder / f"x3_{budget:g}_{regime}_{space}_seed{seed}.json").write_text(json.dumps(record))


def test_the_page_says_what_the_records_say(tmp_path):
    write_records(tmp_path / "results" / "space", BASE)
    flags = [f"--results={tmp_path / 'results'}", f"--chart={tmp_path / 'space.svg'}"]
    assert space_page.main([*flags, f"--page={tmp_path / 'space.md'}"]) == 0
    text = (tmp_path / "space.md").read_text()
    assert "Against the best of 4 networks in HR space it is ahead in 4 of 4 comparisons: +0.50 dB" in text
    assert "not all 4 were trained" not in text and "Left out" not in text
    assert "| ×3, 2 GMAC, practice | bicubic first | +0.50 ± 0.02 dB (ahead) |" in text
    assert "a device" in text and "33.55 ± 0.01" in text and (tmp_path / "space.svg").stat().st_size > 1000
    assert "Trained on some_pictures" in text
    # Control: other records, another answer.
    write_records(tmp_path / "other" / "space", {**BASE, "hr_bicubic": 30.9, "below_x2": 30.5}, spread=0.1)
    other = space_page.page(tmp_path / "other")
    assert "it is behind in 4 of 4 comparisons: -0.40" in other and "it is level in 4 of 4" in other
    few = {space: psnr for space, psnr in BASE.items() if space not in ("hr_bilinear", "hr_deconvolution")}
    write_records(tmp_path / "few" / "space", few, budgets=(2.0,))
    some = space_page.page(tmp_path / "few")
    assert "Against HR networks where not all 4 were trained it is ahead in 2 of 2 comparisons: +0.50 dB" in some
    assert "the best of 4 networks" not in some
    assert "| bicubic first (of 2 trained) | +0.50" in some and "trained) |" not in text
    assert space_page.main([f"--results={tmp_path}", f"--page={tmp_path / 'none.md'}"]) == 2
    assert not (tmp_path / "none.md").exists()


def test_a_run_that_fell_apart_is_named(tmp_path):
    write_records(tmp_path / "space", BASE, budgets=(0.5,))
    assert "fallen apart" not in space_page.page(tmp_path)
    path = tmp_path / "space" / "x3_0.5_practice_lr_seed1.json"
    path.write_text(json.dumps({**read(path), "psnr": 29.0}))
    text = space_page.page(tmp_path)
    assert "LR: seed 1 (29.00 dB), where the others reach 30.56 dB" in text
    assert "against the best of 4 networks in HR space +0.50 ± 0.02 dB" in text and "it is level in 2 of 2" in text


def test_a_network_that_gains_nothing_from_more_multiplications_is_left_out(tmp_path):
    write_records(tmp_path / "space", BASE)
    for path in (tmp_path / "space").glob("x3_2_paper_below_x4_*"):
        path.write_text(json.dumps({**read(path), "psnr": read(path)["psnr"] - 0.4}))
    assert "Left out: ×3, 2 GMAC, paper, below LR, blocks of 4×4, which end below" in space_page.page(tmp_path)
    found = space_answer.compared(groups(tmp_path / "space"))
    assert "below_x4" in found[Group(3, 0.5, "paper")] and "below_x4" in found[Group(3, 2.0, "practice")]
    assert "below_x4" not in found[Group(3, 2.0, "paper")]
    assert "4×4 below LR space it is ahead in 3 of 3 comparisons: +0.60 dB" in space_answer.answer(
        groups(tmp_path / "space")
    )


def test_lr_space_with_fewer_multiplications(tmp_path):
    write_records(tmp_path / "space", {**BASE, "hr_bicubic": 30.2})
    found = groups(tmp_path / "space")
    # LR 30.55 dB at 0.5 GMAC, bicubic first 30.40 at 2, 0.01 apart from seed to seed.
    said = "at ×3 LR space with 0.5 GMAC is ahead of HR, bicubic first, with 2 GMAC (+0.15 ± 0.02 dB)."
    assert space_answer.cheaper(found) == f"With fewer multiplications: {said}" and said in space_page.page(tmp_path)
    (tmp_path / "one").mkdir()
    write_records(tmp_path / "one" / "space", BASE, budgets=(2.0,))
    assert not space_answer.cheaper(groups(tmp_path / "one" / "space"))


def test_what_large_kernels_gain(tmp_path):
    write_records(tmp_path / "space", BASE, budgets=(2.0,))
    for path in (tmp_path / "space").glob("x3_2_paper_hr_bicubic_*"):
        path.write_text(json.dumps({**read(path), "psnr": read(path)["psnr"] + 0.2}))
    assert space_answer.kernels(groups(tmp_path / "space")) == ": +0.00 to +0.20 dB at ×3, 2 GMAC"


def test_what_comes_to_within_the_time_of_lr_space(tmp_path):
    write_records(tmp_path / "space", BASE)
    found = groups(tmp_path / "space")
    ms = {
        ("lr", 0.5): 20.0,
        ("lr", 2.0): 60.0,
        ("hr_bicubic", 0.5): 50.0,
        ("hr_nearest", 0.5): 55.0,
        ("below_x2", 2.0): 61.0,
    }
    rows = [
        {"regime": "practice", "space": space, "scale": 3, "budget": budget, "engine": "NcnnEngine"}
        | {"ms": {"zoo.engines": each, "tflite": 2 * each}}
        for (space, budget), each in ms.items()
    ]
    times = {"scale": 3, "lr_size": [24, 40], "threads": 1, "machine": {"processor": "a processor"}, "results": rows}
    text = space_sections.equal_time(found, times)
    assert "One frame of 120×72 on 1 thread of a processor" in text
    small, large = re.findall(r"^\| ×3, [\d.]+ GMAC \|.*", text, re.MULTILINE)
    assert "| 20.0 ms, 30.55 dB | none; the fastest is HR, bicubic first, 0.5 GMAC, practice: 50.0 ms" in small
    # Of two that are fast enough the better one; the block's is a millisecond too slow.
    assert "| 60.0 ms, 30.70 dB | HR, bicubic first, 0.5 GMAC, practice: 50.0 ms, 30.05 dB (-0.65) | none; the" in large
    assert "| ×3, 2 GMAC, practice | below LR, blocks of 2×2 | 61.0 | 122.0 | Ncnn | 30.50 |" in text


def test_rates_at_which_a_seed_fell_apart_are_named(tmp_path):
    write_records(tmp_path / "space", BASE, budgets=(0.5,))
    assert "trained again" not in space_page.page(tmp_path)
    for path in (tmp_path / "space").glob("x3_0.5_practice_lr_*"):
        path.write_text(json.dumps({**read(path), "fell_apart_at": [0.003, 0.01]}))
    assert space_page.page(tmp_path).count("LR, at 0.01 and 0.003.") == 1


def test_where_learning_rates_were_searched(tmp_path):
    write_records(tmp_path / "space", BASE, budgets=(0.5,))
    assert "searched" not in space_page.page(tmp_path)

    def tried(scale, budget, space, psnr):
        for rate, each in psnr.items():
            found = {"scale": scale, "budget": budget, "regime": "practice", "space": space, "steps": 900}
            path = tmp_path / "space" / f"search_x{scale}_{budget:g}_{space}_rate{rate:g}.json"
            path.write_text(json.dumps({**found, "learning_rate": rate, "psnr": each}))

    tried(3, 2.0, "lr", {0.01: 30.6, 0.001: 30.7, 0.003: 30.8})
    tried(3, 2.0, "below_x2", {0.01: 30.1, 0.001: 30.4, 0.003: 30.3, 0.0003: 30.2})
    text = space_page.page(tmp_path)
    assert "Each space takes its best at ×3, 2 GMAC for all scales and budgets. PSNR" in text and "900 steps" in text
    assert "| searched at | space | 0.0003 | 0.001 | 0.003 | 0.01 |" in text
    assert "| ×3, 2 GMAC, practice | LR | – | 30.70 | 30.80 | 30.60 |" in text
    assert "At an end of the range" not in text
    # All records are at 0.003.
    assert "not again since: ×3, 0.5 GMAC, practice, below LR, blocks of 2×2, at 0.003 in place of 0.001." in text
    tried(2, 8.0, "lr", {0.01: 29.6, 0.001: 33.9, 0.003: 33.8})
    tried(2, 8.0, "below_x2", {0.01: 29.6, 0.001: 33.7, 0.003: 33.8})
    text = space_page.page(tmp_path)
    assert (
        "takes its best at ×3, 2 GMAC for all scales and budgets; at ×2, 8 GMAC it takes its best there. PSNR" in text
    )
    assert "a rate beyond it may be better: LR (×2, 8 GMAC, practice)." in text
    for path in (tmp_path / "space").glob("x3_0.5_practice_below_x2_*"):
        path.write_text(json.dumps({**read(path), "learning_rate": 0.0003, "fell_apart_at": [0.001]}))
    assert "not again since" not in space_page.page(tmp_path)


def test_a_group_is_told_by_its_marker_and_line(tmp_path):
    write_records(tmp_path / "space", BASE)
    found = groups(tmp_path / "space")
    found |= {Group(2, group.budget, group.regime): spaces for group, spaces in found.items()}
    with mock.patch("zoo.plots.chart.save") as save:
        draw(found, tmp_path / "space.svg")
    handles, _ = save.call_args[0][0].axes[0].get_legend_handles_labels()
    looks = {(line[0].get_marker(), line[0].get_linestyle(), line[0].get_color()) for line in handles}
    assert len(looks) == len(found) == 8


def test_the_page_is_what_the_command_writes():
    assert space_page.PAGE.read_text(encoding="utf-8") == space_page.page(space_page.RESULTS)


def test_lr_space_is_compared_in_both_regimes_and_lone_spaces_in_none(tmp_path):
    write_records(tmp_path / "space", BASE, budgets=(0.5,))
    write_records(tmp_path / "lone", {"lr": 30.0}, budgets=(0.5,))
    found = groups(tmp_path / "space")
    assert set(found) == {Group(3, 0.5, "practice"), Group(3, 0.5, "paper")}
    assert all(len(spaces["lr"]) == 3 and best_hr(spaces) == "hr_bicubic" for spaces in found.values())
    assert groups(tmp_path / "lone") == {}
    paper = found[Group(3, 0.5, "paper")]
    gain = difference(paper["lr"], paper["hr_bicubic"])
    # The spread of three values 0.01 apart is 0.01, a mean's error that over √3, a difference's √2 times as much.
    assert gain.mean == pytest.approx(0.5) and gain.margin == pytest.approx(2 * 0.01 * np.sqrt(2 / 3))
    assert gain.word == "ahead" and difference(paper["lr"], paper["lr"]).word == "level"


@pytest.mark.slow
def test_an_hr_network_freed_in_lr_space_and_students_of_teachers(tmp_path):
    assert containment.main(["--steps=20", "--seeds=1", f"--output={tmp_path}"]) == 0
    freed = read(tmp_path / "train_on_seed0.json")
    # The same function at the start; then two networks.
    assert freed["difference"] < 1e-5 and freed["psnr"]["hr"][0][1] == pytest.approx(
        freed["psnr"]["lr"][0][1], abs=1e-3
    )
    assert freed["psnr"]["hr"][-1][1] != pytest.approx(freed["psnr"]["lr"][-1][1], abs=1e-3)
    assert freed["parameters"]["lr"] > freed["parameters"]["hr"]
    fits = [read(path) for path in tmp_path.glob("*_by_*.json")]
    assert len(fits) == 8 and all(0 < each["fidelity"] < 60 for each in fits)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert containment.main(["--steps=20", "--seeds=1", f"--output={tmp_path}"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_forms_of_one_kernel_train_alike_and_icnr_starts_smooth(tmp_path):
    assert last_layer.main(["--steps=3", "--seeds=1", f"--output={tmp_path}"]) == 0
    found = {path.stem: read(path)["marks"] for path in tmp_path.glob("*.json")}
    assert len(found) == len(last_layer.CASES)
    one = [found[f"{form}_6_seed0"] for form in ("transposed", "zero_interleaved", "subpixel")]
    for marks in one[1:]:
        assert marks[0]["psnr"] == pytest.approx(one[0][0]["psnr"], abs=1e-3)
        assert marks[-1]["psnr"] == pytest.approx(one[0][-1]["psnr"], abs=0.05)
    # Controls: another class of functions goes another way, and training moved all of them.
    assert found["resize_3_seed0"][-1]["psnr"] != pytest.approx(one[0][-1]["psnr"], abs=0.5)
    assert one[0][-1]["psnr"] != pytest.approx(one[0][0]["psnr"], abs=0.5)
    flat = {name: marks[0]["checkerboard"]["flat"] for name, marks in found.items()}
    assert flat["subpixel_6_icnr_seed0"] < 1e-3 < 1 < flat["subpixel_6_seed0"]


@pytest.mark.slow
def test_every_network_is_timed(tmp_path):
    assert times.main(["--quick", f"--json={tmp_path / 'times.json'}", f"--files={tmp_path / 'files'}"]) == 0
    record = read(tmp_path / "times.json")
    assert {(row["regime"], row["space"]) for row in record["results"]} == {
        ("practice", "lr"), ("practice", "hr_bicubic"), ("paper", "hr_bicubic")
    }  # fmt: skip
    assert all(set(row["ms"]) == {"zoo.engines", "tflite"} for row in record["results"])
    assert len(list((tmp_path / "files").glob("*.tflite"))) == 3
    write_records(tmp_path / "results" / "space", BASE)
    (tmp_path / "results" / "space_times.json").write_text(json.dumps(record))
    assert re.search(r"## At equal time\n\nOne frame of 120×72 ", space_page.page(tmp_path / "results"))
