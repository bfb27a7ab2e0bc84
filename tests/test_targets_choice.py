"""`target=`: what moves for whom, what it says of it, and that a wide interpolation costs what its maps cost."""

import keras
import numpy as np
import oracle
import pytest
from keras import layers

from zoo import rewrite
from zoo.errors import UsageError
from zoo.layers import FixedUpsampler
from zoo.targets import gpu_delegate, xnnpack
from zoo.targets.choice import CHOICES, EVERYTHING, Choice, Decision, named
from zoo.targets.facts import Upsampling


def model_of(*steps, maps):
    start = x = keras.Input((None, None, maps))
    for step in steps:
        x = step(x)
    return keras.Model(start, x)


def bilinear(scale=2):
    return layers.UpSampling2D(scale, interpolation="bilinear", name="up")


def deconvolution(outputs=8, side=4, scale=2, **options):
    return layers.Conv2DTranspose(outputs, side, scale, **{"padding": "same", "name": "up", **options})


# Steps, maps, and the action with each target: any, xnnpack, gpu_delegate.
CASES = {
    "wide bilinear": ([bilinear(8)], 64, ("stays", "stays", "stays")),
    "one map, bilinear": ([bilinear(4)], 1, ("swapped", "swapped", "stays")),
    "nearest": ([layers.UpSampling2D(2, name="up")], 8, ("swapped", "stays", "swapped")),
    "bicubic": ([layers.UpSampling2D(2, interpolation="bicubic", name="up")], 16, ("swapped",) * 3),
    "shifted": ([deconvolution(8, 9, 3)], 8, ("moved",) * 3),
    "2×2": ([deconvolution(8, 2, 2)], 8, ("moved", "moved", "stays")),
    "2×2, then ReLU": ([deconvolution(8, 2, 2), layers.ReLU()], 8, ("moved",) * 3),
    "gaps": ([deconvolution(16, 1, 4)], 16, ("stays", "stays", "stays")),
    "gaps, ReLU": ([deconvolution(16, 1, 4, activation="relu")], 16, ("moved", "stays", "moved")),
}


@pytest.mark.parametrize("case", CASES)
def test_what_moves(case):
    steps, maps, expected = CASES[case]
    model = model_of(*steps, maps=maps)
    for target, action in zip(("any", "xnnpack", "gpu_delegate"), expected, strict=True):
        (row,) = [row for row in rewrite.explain(model, target).rows if row.layer == "up"]
        assert row.action == action, target
        assert bool(row.verdict_after) == (action != "stays")
    (row,) = rewrite.explain(model, EVERYTHING).rows
    assert row.action != "stays"


def test_it_says_what_it_costs():
    """Refused, and slower on a CPU: it moves, and both are said; right, and slower: it stays, and both are said."""
    (moved,) = rewrite.explain(model_of(deconvolution(16, 1, 4, activation="relu"), maps=16)).rows
    assert moved.verdict == "refused" and "a ReLU fused" in moved.note and "times slower" in moved.note
    assert 0 < moved.faster < 1
    (stays,) = rewrite.explain(model_of(bilinear(), maps=64)).rows
    assert stays.verdict == "right" and "right as it is" in stays.note and "times slower" in stays.note
    (shifted,) = rewrite.explain(model_of(deconvolution(1, 9, 3), maps=56)).rows
    assert (shifted.verdict, shifted.verdict_after, shifted.note) == ("wrong", "right", "") and shifted.faster > 3


@pytest.mark.parametrize("side, scale, verdict", [(9, 3, "wrong"), (4, 2, "right"), (3, 2, "wrong"), (2, 2, "right")])
def test_the_verdict_is_that_of_the_rule(side, scale, verdict):
    facts = Upsampling("transposed", scale, 1, 1, kernel=(side, side, 1, 1), lr_kernel=(1, 1, 1, 1))
    shifts = [gpu_delegate.transposed_shift(side, scale, size) for size in range(1, 50)]
    assert gpu_delegate.obstacle(facts)[0] == verdict == ("wrong" if any(shifts) else "right")


def test_a_target_of_ones_own_and_one_that_is_not_there():
    model = model_of(deconvolution(), maps=2)
    nothing = Choice("nothing", lambda upsampling: Decision(False, "not on mine"))
    (row,) = rewrite.explain(model, nothing).rows
    assert (row.action, row.note) == ("stays", "not on mine")
    assert type(rewrite.to_lr_space(model, nothing).get_layer("up")) is layers.Conv2DTranspose
    with pytest.raises(UsageError, match=f"one of {', '.join(CHOICES)}. Received: 'npu'"):
        rewrite.to_lr_space(model, "npu")
    assert named("any") is CHOICES["any"]


@pytest.mark.parametrize("method", ("bilinear", "bicubic"))
def test_a_wide_interpolation_costs_what_its_maps_cost(method):
    """Each map its own taps: 256 maps ×8 have 256 times the constants of one, and not 256² times."""
    model = model_of(layers.UpSampling2D(8, interpolation=method, name="up"), maps=256)
    (row,) = rewrite.explain(model, EVERYTHING).rows
    taps = {"bilinear": 3, "bicubic": 5}[method] ** 2
    assert row.weights_after == row.macs_after == taps * 64 * 256
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    border = {"bilinear": "replicate", "bicubic": "mirror"}[method]
    expected = oracle.interpolate(images, method, 3, border)
    received = FixedUpsampler(method, 3, dtype="float64")(images)
    assert oracle.relative(received, expected) <= 1e-12
    # Control: another map's values.
    assert oracle.relative(np.roll(received, 1, axis=-1), expected) > 1e-2


def test_bicubic_has_no_time_to_compare_with():
    facts = Upsampling("bicubic", 2, 8, 8, lr_kernel=(5, 5, 1, 32))
    assert xnnpack.speedup(facts) == float("inf") and CHOICES["xnnpack"].decide(facts) == Decision(True)


def test_a_chip_decides_by_its_record():
    """MediaTek's takes no DEPTH_TO_SPACE: nothing moves; Qualcomm's does, and takes bilinear as it is."""
    model = model_of(deconvolution(name="first"), bilinear(), layers.UpSampling2D(2), maps=4)
    rows = rewrite.explain(model, "mediatek").rows
    assert [row.action for row in rows] == ["stays"] * 3 and "no DEPTH_TO_SPACE" in rows[0].note
    rows = rewrite.explain(model, "qualcomm").rows
    assert [row.action for row in rows] == ["moved", "stays", "swapped"]
    assert [row.verdict for row in rows] == ["right", "right", "refused"]
    assert "Qualcomm NPU" in str(rewrite.explain(model, "qualcomm"))
