"""The gate on the real LiteRT WebGPU delegate: what the rules say about each graph is what the delegate does."""

import tempfile

import numpy as np
import pytest
from tflite_cases import CASES, tflite_case  # noqa: F401 — a fixture

from export import delegate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def driver():
    with tempfile.TemporaryDirectory() as folder:
        if not delegate.environments(folder):
            pytest.skip(delegate.NO_DRIVER)


@pytest.mark.parametrize("name", CASES)
def test_the_delegate_does_what_the_rules_say(tflite_case, name):  # noqa: F811
    result = delegate.run(tflite_case(name))["gpu"]
    assert result["verdict"] == CASES[name][2], result["sentence"]
    if result["verdict"] == "right":
        # A mean of many values hardly varies: there the range is that of what is averaged.
        around = 1.0 if name.startswith("mean") else result["range"]
        assert result["fully_accelerated"] and result["max_difference"] <= 1e-6 * around
    if result["verdict"] == "wrong":
        # A shift, not a rounding: as large as the picture.
        assert result["max_difference"] > 0.1 * result["range"]


def test_without_a_driver_nothing_is_called_compatible(tflite_case, monkeypatch, tmp_path):  # noqa: F811
    nowhere = tmp_path / "no_icd.json"
    monkeypatch.setenv("VK_ICD_FILENAMES", str(nowhere))
    result = delegate.run(tflite_case("subpixel"))["gpu"]
    assert result == {"verdict": "not run", "sentence": delegate.NO_DRIVER}
    monkeypatch.delenv("VK_ICD_FILENAMES")
    monkeypatch.setattr(delegate, "environments", lambda folder: [])
    assert delegate.run(tflite_case("subpixel"))["gpu"]["verdict"] == "not run"


def test_a_child_that_hangs_is_ended_and_reported(tflite_case):  # noqa: F811
    result = delegate.run(tflite_case("subpixel"), timeout=0.01)["gpu"]
    assert result["verdict"] in ("crashed", "not run") and "right" not in result["sentence"].lower()


def test_half_precision_differs_by_half_precision_and_latency_is_measured(tflite_case):  # noqa: F811
    image = np.random.default_rng(0).random((1, 16, 20, 4), dtype=np.float32)
    results = delegate.run(tflite_case("subpixel"), [image], tasks=("latency", "half"), seconds=0.1)
    assert 1e-5 < results["half"]["max_difference"] < 1e-2 * results["half"]["range"]
    assert results["latency"]["runs"] >= 5 and 0 < results["latency"]["best_ms"] <= results["latency"]["median_ms"]
