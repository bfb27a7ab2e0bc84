"""The table of ARM64's verdicts says what the results say: right, wrong, crashed, not run."""

import json

import pytest

from releasing import arm_table

PLACE = {"size": [96, 96], "environment": {"processor": "a processor"}}


def part(difference, verdict="right", **half):
    return {"verdict": verdict, "max_difference": difference, **half}


def result(**presets):
    return {**PLACE, "presets": presets}


@pytest.fixture
def page(tmp_path, monkeypatch):
    path = tmp_path / "export.md"
    path.write_text(f"before\n{arm_table.BEGIN}\nold\n{arm_table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(arm_table, "PAGE", path)
    return path


def test_every_file_has_its_cell(page, tmp_path):
    whole = {
        "cortex-a76": part(6e-7, half=part(0.0)),
        "max": part(0.2, "wrong", half={"verdict": "crashed", "sentence": "nothing"}),
    }
    eight = {"cortex-a76": part(0.0), "max": part(1 / 255)}
    for name, preset in (("b", {"tflite_fp32": whole}), ("a", {"tflite_int8": eight})):
        (tmp_path / f"{name}.json").write_text(json.dumps(result(**{f"{name}_x2": preset})))
    assert arm_table.main([str(tmp_path / "b.json"), str(tmp_path / "a.json")]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "a processor at 96×96 LR px" in text and "on cortex-a76 / max, each emulated" in text
    assert "| preset | fp32 | half precision | int8, levels |" in text
    assert "| a_x2 | – / – | – / – | 0 / 1 |" in text
    assert "| b_x2 | 6e-07 / **wrong: 2e-01** | 0 / **crashed** | – / – |" in text


def test_formats_of_a_preset_may_come_from_different_results():
    floats, eight = ({"max": part(value, half=part(0.0))} for value in (6e-7, 2 / 255))
    results = [result(a_x2={"tflite_fp32": floats}), result(a_x2={"tflite_int8": eight}), result(b_x2={})]
    lines = arm_table.table(results).splitlines()
    assert lines[-2:] == ["| a_x2 | 6e-07 | 0 | 2 |", "| b_x2 | – | – | – |"]
    # Of the same file the last result counts.
    late = {"max": {"verdict": "timed out", "sentence": "late"}}
    assert "| a_x2 | 6e-07 | 0 | **timed out** |" in arm_table.table([*results, result(a_x2={"tflite_int8": late})])


@pytest.mark.parametrize("content", ["", "{", None])
def test_what_is_no_result_changes_nothing(page, tmp_path, content, capsys):
    before, path = page.read_text(encoding="utf-8"), tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    assert arm_table.main([str(path)]) == 2
    assert "Expected results of `python -m export.arm --json`" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == before


def test_results_of_two_machines_make_no_table(page, tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps(result()))
    (tmp_path / "b.json").write_text(json.dumps({**result(), "environment": {"processor": "another"}}))
    assert arm_table.main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "one machine and one size" in capsys.readouterr().err
