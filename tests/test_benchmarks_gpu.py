"""The benchmark of the GPU delegate: what it makes of times, and its run, over software where no time is looked at."""

import numpy as np
import pytest

from benchmarks import delegate_files, delegate_gpu, page
from benchmarks.delegate_files import DECONVOLUTION, LR_FORM, SINGLE
from export.delegate import NO_DRIVER, environments
from zoo import registry


def test_without_a_gpu_nothing_is_measured(tmp_path, monkeypatch, capsys):
    for device in ({}, {"device": "SwiftShader Device (LLVM 16)"}):
        monkeypatch.setattr("export.delegate.run", lambda path, device=device: {"gpu": device})
        delegate_gpu.main([f"--json={tmp_path / 'x.json'}"])
        assert capsys.readouterr().out == "no GPU: nothing was measured\n" and not list(tmp_path.iterdir())
    monkeypatch.setattr("export.delegate.run", lambda path: {"gpu": {"device": "NVIDIA H100"}})
    assert delegate_gpu.gpu(tmp_path) == "NVIDIA H100"


def test_what_is_not_read_back_is_told_from_the_way_back():
    # Written by hand: 2 ms of computing, 30 ms of waiting for one value, 5 ms for all; the other form takes twice 2.
    def frames(computing: float) -> dict:
        times = {"frame": 0.035, "one": 0.030 + computing, "row": 0.030 + delegate_gpu.ROW * computing}
        return {("f32", str(computing), way): [seconds] * 3 for way, seconds in times.items()}

    times = frames(0.002) | frames(0.004)
    summary = delegate_gpu.summarise({form: delegate_gpu.times_of(times, "f32", form) for form in ("0.002", "0.004")})
    assert summary["0.002"] == pytest.approx({"frame_ms": 35, "computing_ms": 2, "ratio": 1, "rounds": 3})
    assert summary["0.004"] == pytest.approx({"frame_ms": 35, "computing_ms": 4, "ratio": 2, "rounds": 3})
    assert delegate_gpu.summarise({}) == {}
    # A deconvolution whose LR form did not run is compared with nothing.
    (alone,) = delegate_gpu.summarise({"deconvolution": delegate_gpu.times_of(times, "f32", "0.002")}).values()
    assert "ratio" not in alone and alone["computing_ms"] == pytest.approx(2)


def test_a_gpu_has_a_row_a_file():
    row = {"network": "espcn_x3", "form": LR_FORM, "lr_size": [360, 640]}
    full = {"frame_ms": 5.678, "computing_ms": 1.234, "ratio": 1.0, "max_difference": 1e-6, "range": 2.0}
    results = [
        {**row, "gate": {"verdict": "right"}, "f32": full, "f16": {**full, "frame_ms": 3.21, "max_difference": 0.01}},
        {**row, "form": DECONVOLUTION, "gate": {"verdict": "refused"}, "f32": {"failed": "…"}, "f16": {"failed": "…"}},
        {**row, "form": SINGLE, "gate": {"verdict": "crashed"}},
    ]
    text = page.delegate_gpu({"device": "A GPU", "results": results})
    assert "| espcn_x3, LR form | 640×360 | right | 5.68 | 1.23 | 3.21 | 1.23 | 1.00 | 0.0050 |" in text
    assert "| espcn_x3, deconvolution | 640×360 | refused | – | – | – | – | – | – |" in text and "A GPU. " in text
    assert "| espcn_x3, its only form | 640×360 | crashed | – | – | – | – | – | – |" in text


def test_the_chart_sets_wrong_results_off_and_names_what_has_no_time():
    row = {"network": "n_x3", "lr_size": [360, 640]}
    results = [
        {**row, "form": LR_FORM, "gate": {"verdict": "right"}, "f32": {"computing_ms": 1.0}},
        {**row, "form": DECONVOLUTION, "gate": {"verdict": "wrong"}, "f32": {"computing_ms": 2.0}},
        {**row, "form": SINGLE, "gate": {"verdict": "refused"}},
        {**row, "form": LR_FORM, "lr_size": [720, 1280], "gate": {"verdict": "right"}, "f32": {"computing_ms": 9.0}},
    ]
    made = delegate_gpu.chart(results)
    assert made["values"] == [["n_x3, LR form (right)", 1.0], ["n_x3, deconvolution (wrong)", 2.0]]
    assert made["wrong"] == ["n_x3, deconvolution (wrong)"] and made["ours"] == ["n_x3, LR form (right)"]
    assert "no time: n_x3, its only form (refused)" in made["note"]


def test_a_folder_without_files_is_refused(tmp_path, capsys):
    assert delegate_gpu.main([f"--files={tmp_path}"]) == 2
    assert capsys.readouterr().err.startswith("error: Expected a folder that --write made")


@pytest.mark.slow
def test_written_files_run_in_both_forms_and_precisions(tmp_path, monkeypatch):
    monkeypatch.setattr(delegate_files, "SIZES", ((19, 28), (12, 18)))
    monkeypatch.setattr(registry, "list_presets", lambda: ["fsrcnn_s_x3", "srcnn_x3"])
    delegate_gpu.main([f"--write={tmp_path}"])
    assert (tmp_path / delegate_files.PROBE).is_file()
    cases = delegate_files.read(tmp_path)
    assert [(case.network, case.lr_size, [*case.files]) for case in cases] == [
        ("fsrcnn_s_x3", (12, 18), [LR_FORM, DECONVOLUTION]),
        ("srcnn_x3", (12, 18), [SINGLE]),
        ("fsrcnn_s_x3", (19, 28), [LR_FORM, DECONVOLUTION]),
        ("srcnn_x3", (19, 28), [SINGLE]),
    ]
    if not (found := environments(str(tmp_path))):
        pytest.skip(NO_DRIVER)
    paths = {form: str(path) for form, path in cases[2].files.items()}
    measured = delegate_gpu.in_child({**paths, "no file": str(tmp_path / "none.tflite")}, found[0])
    assert "failed" in measured
    measured = delegate_gpu.in_child(paths, found[0])
    for precision in delegate_gpu.PRECISIONS:
        right, wrong = measured[LR_FORM][precision], measured[DECONVOLUTION][precision]
        # 28 wide at ×3 is one of the sizes at which the delegate shifts a deconvolution.
        assert right["max_difference"] < 0.01 * right["range"] < 0.1 < wrong["max_difference"]
        assert right["ratio"] == 1 and np.isfinite([wrong["ratio"], wrong["frame_ms"], wrong["computing_ms"]]).all()
