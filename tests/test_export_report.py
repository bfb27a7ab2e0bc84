"""A folder's report tells of all that exports left in it, and nothing of anybody's is replaced without a word."""

import json

import numpy as np
import pytest
from PIL import Image

import zoo
from export import check, export_model
from export.__main__ import main
from zoo.errors import UsageError

FLAGS = ["--model=fsrcnn_s_x2", "--gate=off"]


def read(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_second_export_keeps_what_the_report_says_of_the_first(tmp_path, capsys):
    output = f"--output={tmp_path}"
    assert main([*FLAGS, output, "--sizes=24x32,25x31", "--formats=tflite_fp32"]) == 0
    assert "in place of" not in capsys.readouterr().out
    first = read(tmp_path)
    assert main(["--model=espcn_x3", "--gate=off", output, "--formats=tflite_dynamic"]) == 0
    assert "report.md, which tells of 2 files of earlier exports there too.\n" in capsys.readouterr().out
    second = read(tmp_path)
    assert [entry["name"] for entry in second["files"]] == ["espcn_x3.tflite"] and second["earlier"] == [first]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.index("# espcn_x3") < text.index("# fsrcnn_s_x2") and all(
        f"## {path.name}\n" in text for path in tmp_path.glob("*.tflite")
    )
    # One of the first export's is written anew, the other one has gone: the report follows.
    (tmp_path / "fsrcnn_s_x2_25x31_fp32.tflite").unlink()
    assert main([*FLAGS, output, "--sizes=24x32", "--formats=tflite_fp32"]) == 0
    printed = capsys.readouterr().out
    assert "fsrcnn_s_x2_24x32_fp32.tflite: " in printed and "bytes, in place of what was there\n" in printed
    third = read(tmp_path)
    assert [each["model"] for each in (third, *third["earlier"])] == ["fsrcnn_s_x2", "espcn_x3"]
    assert "25x31" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_file_that_nothing_here_runs_has_no_figures(tmp_path):
    folder = tmp_path / "Set"
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (40, 52, 3), np.uint8)
    Image.fromarray(picture).save(folder / "a.png")
    model, options = zoo.load("fsrcnn_s_x2"), {"gate": "off", "data": [folder]}
    report = export_model(model, tmp_path / "files", [(20, 26)], ["tflite_fp32", "wgsl"], **options)
    assert ["psnr" in entry for entry in report["files"]] == [True, False]
    rows = [
        line for line in (tmp_path / "files" / "report.md").read_text(encoding="utf-8").splitlines() if "| " in line
    ]
    heads, taken, shader = (
        [cell.strip() for cell in row.split("|")] for row in rows if "Set, dB" in row or "x2" in row
    )
    place = heads.index("Set, dB (loss)")
    assert taken[place] != "–" and shader[place] == "–"


def test_test_sets_of_one_name_are_refused(tmp_path):
    for place in ("one", "other"):
        (tmp_path / place / "Set").mkdir(parents=True)
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / place / "Set" / "a.png")
    with pytest.raises(UsageError, match="Expected test sets of different names. Received: .*one/Set, .*other/Set"):
        data = [tmp_path / "one" / "Set", tmp_path / "other" / "Set"]
        export_model(zoo.load("fsrcnn_s_x2"), tmp_path / "files", [(20, 26)], ["tflite_fp32"], data=data)
    assert not (tmp_path / "files").exists()


@pytest.mark.slow
def test_a_file_that_is_replaced_unchecked_leaves_the_report(tmp_path):
    model = zoo.load("fsrcnn_s_x2")
    export_model(model, tmp_path, [(24, 32), (25, 31)], ["tflite_fp32"], gate="off")
    lines = []
    report = export_model(model, tmp_path, [(24, 32)], ["tflite_fp32"], check=False, progress=lines.append)
    assert report["claim"] == "Not checked." and lines[0].endswith("in place of what was there")
    left = read(tmp_path)
    assert [entry["name"] for entry in left["files"]] == ["fsrcnn_s_x2_25x31_fp32.tflite"]
    assert "24x32" not in left["claim"] + (tmp_path / "report.md").read_text(encoding="utf-8")
    # With the last of its files the report goes.
    export_model(model, tmp_path, [(25, 31)], ["tflite_fp32"], check=False)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".tflite", ".tflite"]


@pytest.mark.parametrize(
    "name, content", [("report.json", '{"mine": 1}'), ("report.json", "[1"), ("report.md", "Mine")]
)
def test_a_report_that_no_export_wrote_is_not_replaced(tmp_path, name, content, capsys):
    (tmp_path / name).write_text(content)
    for more in ([], ["--nocheck"]):
        assert main([*FLAGS, f"--output={tmp_path}", *more]) == 2
        assert f"Expected a folder with an export's report. Received: {tmp_path / name}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == content
    with pytest.raises(UsageError, match="Expected a folder as output. Received: .*a file"):
        export_model(zoo.load("fsrcnn_s_x2"), tmp_path / name)


def test_a_preset_is_no_file_to_check(capsys):
    for name in ("fsrcnn_s_x2", "fsrcnn_s"):
        assert check.main([name]) == 2
        error = capsys.readouterr().err
        assert f"Received: {name!r}, the name of fsrcnn_s_x2" in error and "zoo export --model=fsrcnn_s_x2" in error
    # Of a family's name those of the family, and not of another that begins like it.
    assert check.main(["gecko"]) == 2
    assert "the name of gecko_x2, gecko_x3, gecko_x4; `zoo export --model=gecko_x2 " in capsys.readouterr().err
