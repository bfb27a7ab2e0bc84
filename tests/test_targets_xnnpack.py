"""`target="xnnpack"`: its costs are those that were measured, and it leaves what they say is slower."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from benchmarks import rewrite_layers, rewrite_page
from benchmarks.decoders import NETWORKS
from releasing.generated import inserted
from zoo import rewrite
from zoo.errors import UsageError
from zoo.rewrite.plan import plan
from zoo.rewrite.tracing import graphs_of
from zoo.targets import xnnpack
from zoo.targets.choice import EVERYTHING, SLOWER

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results" / "rewrite.json"


def model_of(*steps, maps):
    start = x = keras.Input((None, None, maps))
    for step in steps:
        x = step(x)
    return keras.Model(start, x)


def facts_of(model):
    (facts,) = plan(graphs_of(model), False, EVERYTHING).facts
    return facts


def test_a_deconvolution_with_few_maps_moves():
    model = model_of(layers.Conv2DTranspose(1, 9, strides=3, padding="same", name="up"), maps=56)
    (row,) = rewrite.explain(model, "xnnpack").rows
    assert row.action == "moved" and xnnpack.speedup(facts_of(model)) > 3


def test_a_wide_bilinear_enlargement_stays():
    model = model_of(
        layers.UpSampling2D(2, interpolation="bilinear", name="up"),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", name="last"),
        maps=64,
    )
    stays, moved = rewrite.explain(model, "xnnpack").rows
    assert stays.action == "stays" and "times slower in LR space" in stays.note and moved.action == "moved"
    rewritten = rewrite.to_lr_space(model, "xnnpack")
    assert type(rewritten.get_layer("up")) is layers.UpSampling2D
    everything = rewrite.to_lr_space(model, EVERYTHING)
    assert type(everything.get_layer("up")) is not layers.UpSampling2D


def test_bicubic_always_moves():
    """TFLite has no operation for it: whatever the cost, there is nothing to compare with."""
    model = model_of(layers.UpSampling2D(2, interpolation="bicubic"), maps=64)
    assert [row.action for row in rewrite.explain(model, "xnnpack").rows] == ["swapped"]


def test_not_with_whole():
    with pytest.raises(UsageError, match="whole or a target"):
        rewrite.to_lr_space(model_of(layers.ReLU(), maps=1), "xnnpack", whole=True)


def test_work():
    model = model_of(layers.Conv2DTranspose(3, 4, strides=2, padding="same"), maps=5)
    before, after = xnnpack.work(facts_of(model))
    assert before == {"transposed": 16 * 5 * 16, "scattered": 16 * 16}
    # 2×2 windows to 12 maps, which fill one vector; 12 values shuffled, and cropped.
    assert after == {"convolution": 4 * 5 * 16, "moved": 2 * 12}


def test_the_fit_finds_the_costs_again():
    truth = {kind: 1.0 if kind == "convolution" else 7.0 + 10 * n for n, kind in enumerate(xnnpack.COSTS)}
    measured, noise = [], np.random.default_rng(0)
    for model, _ in rewrite_layers.models(quick=False):
        facts = facts_of(model)
        before, after = xnnpack.work(facts)
        times = [xnnpack.estimate(each, truth) * noise.uniform(0.99, 1.01) for each in (before, after)]
        measured.append(rewrite_layers.Measured("", facts, *times))
    fitted = rewrite_layers.fit(measured)
    for each in measured:
        assert abs(np.log(xnnpack.speedup(each.facts, fitted) / xnnpack.speedup(each.facts, truth))) < 0.03, each.facts
    # Control: other costs expect something else.
    assert any(abs(np.log(xnnpack.speedup(each.facts) / xnnpack.speedup(each.facts, truth))) > 0.5 for each in measured)


def test_costs_and_picks_are_those_that_were_measured():
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert record["costs"] == xnnpack.COSTS, "copy the costs that `python -m benchmarks.rewrite` printed"
    right, networks = record["picked_the_faster"]
    assert networks >= 10 and right >= 0.9 * networks
    assert right == sum(each["picked_the_faster"] for each in record["networks"])


def test_nothing_is_slower_without_a_reason():
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(NETWORKS) == {each["network"] for each in record["networks"]} and len(NETWORKS) >= 30
    assert unexplained(record) == [] and rewrite_page.SLOWER == 1 / SLOWER
    worst_to_best = ["wrong", "refused", "right"]
    for each in record["networks"]:
        assert each["largest_difference"] <= 1e-4, each["network"]
        before, after = (worst_to_best.index(each["delegate"][form]) for form in ("before", "after"))
        assert after >= before, each["network"]
    # Control: a slower one that says nothing, and one that says why.
    first, second, *_ = record["networks"]
    first |= {"faster": 0.94, "why": ""}
    second |= {"faster": 0.5, "why": "the delegate refuses it"}
    assert unexplained(record) == [first["network"]]
    assert "| the delegate refuses it |" in rewrite_page.table(record)


def unexplained(record) -> list[str]:
    slower = [each for each in record["networks"] if each["faster"] < rewrite_page.SLOWER]
    return [each["network"] for each in slower if not each["why"].strip()]


def test_pages_show_what_was_measured():
    assert rewrite_page.main(["--check"]) == 0
    marks = rewrite_page.BEGIN, rewrite_page.END
    page = f"a\n{marks[0]}\nold\n{marks[1]}\nb"
    assert inserted(page, "new", *marks) == page.replace("old", "new")
    with pytest.raises(UsageError, match="Expected the markers"):
        inserted("no marks", "new", *marks)
