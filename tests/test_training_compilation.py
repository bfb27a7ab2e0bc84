"""Which way a step is compiled: as asked, as the run began, or whichever is faster here."""

import time

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.training import TrainConfig, compilation
from zoo.training.compilation import choose_jit

CONFIG = TrainConfig(model="espcn", scale=2, batch=2, lr_size=16)


@pytest.fixture
def model():
    return zoo.create_model("espcn", 2)


def seconds(monkeypatch, **pauses):
    """Makes each kind of step take so long; returns the shapes of the batches that were computed."""
    shapes = []

    def make_gradient(model, config, shave, replicas, jit, parts):
        def gradient(weights, constants, lr, hr):
            shapes.append((tuple(lr.shape), tuple(hr.shape)))
            time.sleep(pauses["on" if jit else "off"])
            return tf.zeros(1)

        return gradient

    monkeypatch.setattr(compilation, "make_gradient", make_gradient)
    return shapes


@pytest.mark.parametrize("faster, pauses", [("on", {"on": 0, "off": 0.03}), ("off", {"on": 0.03, "off": 0})])
def test_the_faster_way_is_taken(model, tmp_path, monkeypatch, faster, pauses):
    shapes = seconds(monkeypatch, **pauses)
    assert choose_jit(CONFIG, tmp_path, model, 0, replicas=2) == faster
    assert set(shapes) == {((1, 16, 16, 1), (1, 32, 32, 1))}


def test_what_is_asked_for_and_what_the_run_began_with_come_before_speed(model, tmp_path, monkeypatch):
    shapes = seconds(monkeypatch, on=0, off=0)
    for jit in ("on", "off"):
        assert choose_jit(TrainConfig(jit=jit), tmp_path, model, 0) == jit
        (tmp_path / "environment.json").write_text(f'{{"jit": "{jit}"}}')
        assert choose_jit(CONFIG, tmp_path, model, 0) == jit
    assert not shapes


@pytest.mark.usefixtures("shown_log")
@pytest.mark.parametrize("damage", ["", "null", "[1]", '{"jit": "of', '{"jit": 3}', "{}"])
def test_a_damaged_record_of_the_choice_does_not_end_the_run(model, tmp_path, monkeypatch, caplog, damage):
    shapes = seconds(monkeypatch, on=0, off=0.03)
    (tmp_path / "environment.json").write_text(damage)
    assert choose_jit(CONFIG, tmp_path, model, 0) == "on" and shapes
    assert ("is damaged and is made anew" in caplog.text) == (not damage.endswith("}"))


def test_both_ways_are_really_computed(model, tmp_path):
    before = [value.copy() for value in model.get_weights()]
    assert choose_jit(CONFIG, tmp_path, model, 4) in ("on", "off")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
