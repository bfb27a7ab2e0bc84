"""docs/identity.md: its pictures are what the code draws, its example runs, its table is what was measured."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from benchmarks.file_cases import CASES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "identity.md"


def figures():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "docs" / "figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_what_the_code_draws(tmp_path, monkeypatch):
    module = figures()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    module.main()
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "figures").glob("*.svg")}
    assert drawn == kept, "run `python docs/figures.py`"
    shown = set(re.findall(r"\(figures/(\w+\.svg)\)", PAGE.read_text(encoding="utf-8")))
    assert shown == set(drawn)


def test_pictures_follow_the_identities(monkeypatch):
    """The control: kernels whose taps lie elsewhere give other pictures."""
    module = figures()
    honest = module.identities.transposed_to_subpixel
    kept = (ROOT / "docs" / "figures" / "split_4x4.svg").read_text(encoding="utf-8")
    assert module.split(4, 2) == kept
    monkeypatch.setattr(module.identities, "transposed_to_subpixel", lambda *a, **k: honest(*a, **k)[::-1])
    assert module.split(4, 2) != kept


def test_the_examples_run():
    squares, strides = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    known: dict = {}
    exec(compile(squares, str(PAGE), "exec"), known)
    exec(compile(strides, str(PAGE), "exec"), dict(known))
    for code, right, wrong in ((squares, "scale=3)", "scale=3)[::-1]"), (strides, "lr.kernel, ", "lr.kernel[::-1], ")):
        assert code.count(right) == 1
        with pytest.raises(AssertionError):
            exec(compile(code.replace(right, wrong), str(PAGE), "exec"), dict(known))


def test_the_numbers_in_the_text():
    import zoo
    from zoo import rewrite

    text = PAGE.read_text(encoding="utf-8")
    totals = rewrite.explain(zoo.create_model("srcnn", scale=3), whole=True).totals
    assert f"{totals['weights']:,} weights" in text and f"contains it {totals['weights_after']:,}" in text
    assert f"{totals['macs_after'] / totals['macs']:.1f} times the multiplications" in " ".join(text.split())


def test_the_table_of_files_is_what_was_measured(monkeypatch):
    from benchmarks import rewrite_files_page as page

    assert page.main(["--check"]) == 0, "run `python -m benchmarks.rewrite_files_page`"
    record = json.loads((page.RESULTS / "rewrite_files.json").read_text(encoding="utf-8"))
    names = {(each["name"], each["format"]) for each in record["files"]}
    assert names >= {(name, case.suffix[1:]) for name, case in CASES.items()} and len(CASES) >= 12
    assert all(each["within"] for each in record["files"])
    # The control: another figure is another page.
    record["files"][0]["delegate"] = ["right", "right"]
    assert page.table(record) not in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["shuffle of rank 6, int8", "a shuffle by hand", "RepVGG's block"])
def test_a_file_of_the_table_becomes_what_the_table_says(name):
    from benchmarks.rewrite_files import rewritten

    case = CASES[name]
    rows, content, found = rewritten(case.make(), case.suffix, case.way)
    assert [row.action for row in rows] == ["moved"] and content
    assert all(each.value <= each.allowed for each in found) and found


def test_a_file_is_measured_with_the_delegate_s_verdicts_and_times(tmp_path, monkeypatch):
    from benchmarks import rewrite_files
    from benchmarks.rewrite_files_page import table

    verdicts = iter(["wrong", "right"])
    monkeypatch.setattr("export.delegate.run", lambda path: {"gpu": {"verdict": next(verdicts)}})
    monkeypatch.setattr(rewrite_files, "SECONDS", 0.01)
    case = CASES["shuffle of rank 6, int8"]
    entry = rewrite_files.measure("mine", case.make(), case.suffix, case.source, case.way, tmp_path, 2)
    assert entry["delegate"] == ["wrong", "right"] and entry["times"]["before"]["median"] > 0
    record = {"files": [entry], "machine": {"versions": {"ai-edge-litert": "0"}}}
    assert "| wrong → right |" in table(record) and "medians of paired rounds" in table(record)


def test_a_file_that_is_refused_is_a_row_of_its_own(tmp_path):
    from benchmarks.rewrite_files import measure
    from benchmarks.rewrite_files_page import table

    entry = measure("broken", b"no network at all", ".tflite", "nobody", "subpixel", tmp_path, 0)
    assert "refused: Expected a TFLite file" in entry["became"]
    record = {"files": [entry], "machine": {"versions": {"ai-edge-litert": "0"}}}
    assert "| broken (tflite) | nobody | subpixel | refused" in table(record)
