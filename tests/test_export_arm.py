"""Exported files on ARM64's kernels, by emulation, and what is said where there is no emulator."""

import os
import sys

import numpy as np
import pytest
from tflite_cases import tflite_case  # noqa: F401 — a fixture

import export.arm.__main__ as command
from export import check
from export.arm import emulator
from export.arm.verdicts import _verdict, worst


@pytest.mark.slow
def test_a_phones_kernels_compute_what_this_machines_do():
    """One luma, one RGB and one network of the zoo's own; to fit int8 takes longer than all else, so one is fitted."""
    if not emulator.installed():
        pytest.skip(emulator.MISSING)
    floats = [form for form in command.FORMATS if form != "tflite_int8"]
    for names, formats in ((["fsrcnn_s_x3", "fsrcnn_rgb_x3"], floats), (["gecko_s_x2"], command.FORMATS)):
        found = command.measured(names, formats, ("cortex-a76",), (40, 44))
        assert list(found) == names
        for files in found.values():
            assert list(files) == list(formats)
            for form, entry in files.items():
                assert worst(entry) == "right", entry
                result = entry["cortex-a76"]
                # Rounding in another order; in int8 a tie may fall to the next of 255 levels.
                assert result["max_difference"] <= (1.01 / 255 if form == "tflite_int8" else 1e-5)
                if form != "tflite_int8":
                    # Half precision is another computation, not a flag that nothing reads.
                    assert 1e-5 < result["half"]["max_difference"] < 0.02


@pytest.mark.slow
def test_check_runs_anybodys_file_on_arm(tflite_case, capsys):  # noqa: F811
    if not emulator.installed():
        pytest.skip(emulator.MISSING)
    assert check.main([str(tflite_case("subpixel")), "--rules_only", "--arm"]) == 0
    out = capsys.readouterr().out
    assert (
        "Right on ARM64 (cortex-a76, emulated): " in out and "Right on ARM64 (max, emulated, half precision): " in out
    )


def test_without_an_emulator_there_is_a_sentence(tflite_case, capsys, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setenv("ZOO_ARM64", str(tmp_path / "nowhere"))
    assert not emulator.installed()
    assert check.main([str(tflite_case("subpixel")), "--rules_only", "--arm"]) == 0
    assert emulator.MISSING in capsys.readouterr().out
    assert command.main(["fsrcnn_s_x2"]) == 2
    assert emulator.MISSING in capsys.readouterr().err


def test_what_cannot_be_fetched_leaves_what_was_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_ARM64", str(tmp_path / "arm"))
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "complete").write_text("old")
    monkeypatch.setenv("PATH", "")
    assert command.main(["--install"]) == 2
    assert "Expected Debian's apt-get and dpkg-deb" in capsys.readouterr().err
    assert (tmp_path / "arm" / "complete").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["arm"]


def test_a_folder_of_other_things_is_not_replaced(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_ARM64", str(tmp_path))
    (tmp_path / "mine.txt").write_text("mine")
    assert command.main(["--install"]) == 2
    assert (
        f"Expected an empty folder, or the emulator's, in ZOO_ARM64. Received: '{tmp_path}'" in capsys.readouterr().err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("arguments", [["--formats=onnx"], ["nothing"]])
def test_unknown_formats_and_presets_get_a_sentence(arguments, capsys, monkeypatch):
    monkeypatch.setattr(emulator, "installed", lambda: True)
    assert command.main(arguments) == 2
    assert "Expected" in capsys.readouterr().err


def test_a_verdict_can_be_right_wrong_or_a_crash():
    here = [np.linspace(0, 1, 60).reshape(3, 4, 5)]
    judge = lambda there, **options: _verdict("max", here, there, **{"half": False, "levels": False, **options})  # noqa: E731
    assert judge([here[0] + 1e-6])["verdict"] == "right" and judge([here[0] + 1e-3])["verdict"] == "wrong"
    assert (
        judge([here[0] + 1e-3], half=True)["verdict"] == "right"
        and judge([here[0] + 0.1], half=True)["verdict"] == "wrong"
    )
    assert judge([here[0] * np.where(here[0] > 0.5, np.nan, 1)])["verdict"] == "wrong"
    crashed = judge("Illegal instruction")
    assert crashed["verdict"] == "crashed" and "Illegal instruction" in crashed["sentence"]
    assert worst({"max": judge(here), "cortex-a76": {**judge(here), "half": judge([here[0] + 1])}}) == "wrong"


def test_what_was_answered_before_a_run_took_too_long_is_kept(monkeypatch):
    script = """import time; print('{"machine": "aarch64"}\\n{"mach', end="", flush=True); time.sleep(60)"""
    monkeypatch.setattr(emulator, "python", lambda cpu: ([sys.executable, "-c", script], dict(os.environ)))
    first, second = emulator.run([{"file": "a"}, {"file": "b"}], "max", timeout=2)
    assert first == {"machine": "aarch64"} and second == {"error": emulator.LATE}
    late = _verdict("max", [np.zeros(3)], second["error"], half=False, levels=False)
    assert late["verdict"] == "timed out" and worst({"max": late}) == "timed out"
