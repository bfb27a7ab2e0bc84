"""TrainConfig: what it accepts, what it refuses and how, and its way through JSON."""

import dataclasses

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.training import TrainConfig
from zoo.training.config import assignments
from zoo.training.recipes import RECIPES, recipe


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"scale": 1}, "Expected scale to be at least 2. Received: 1"),
        ({"steps": 0}, "Expected steps to be at least 1. Received: 0"),
        ({"channels": 2}, "Expected channels to be one of 1, 3. Received: 2"),
        ({"steps": 1.5}, "Expected steps to be a whole number. Received: 1.5"),
        ({"steps": True}, "Expected steps to be a whole number. Received: True"),
        ({"freeze_body": 1}, "Expected freeze_body to be true or false. Received: 1"),
        ({"learning_rate": "fast"}, "Expected learning_rate to be a number. Received: 'fast'"),
        ({"learning_rate": float("nan")}, "Expected learning_rate to be at least 0.0. Received: nan"),
        ({"ema": 1.5}, "Expected ema to be at most 1.0. Received: 1.5"),
        ({"optimizer": "lion"}, "Expected optimizer to be one of adam,"),
        ({"preset": "a", "weights": "b"}, "Expected preset or weights, not both"),
        ({"freeze_body": True}, "Expected preset or weights with freeze_body"),
        ({"model_options": "d"}, "Expected model_options as name=value"),
        (
            {"model_options": "d=5,channels=3"},
            "Expected channels as a setting of its own. Received: it in model_options",
        ),
        ({"seed": 2**32}, "Expected seed to be at most 4294967295. Received: 4294967296"),
        ({"learning_rate": float("inf")}, "Expected learning_rate to be finite. Received: inf"),
        ({"lr_multipliers": "upsampler=1e999"}, "Expected a factor of at least 0 in lr_multipliers"),
        ({"lr_multipliers": "upsampler=-1"}, "Expected a factor of at least 0 in lr_multipliers"),
        ({"lr_multipliers": "upsampler=slow"}, "Expected a factor of at least 0 in lr_multipliers"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(UsageError) as error:
        TrainConfig(**values)
    assert str(error.value).startswith(sentence)


def test_numpys_numbers_are_numbers(tmp_path):
    config = TrainConfig(scale=np.int64(4), learning_rate=np.int32(1))
    assert (type(config.scale), type(config.learning_rate)) == (int, float)
    config.save(tmp_path / "config.json")
    assert TrainConfig.load(tmp_path / "config.json") == config


def test_a_config_comes_back_from_json(tmp_path):
    config = TrainConfig(model="espcn", learning_rate=1, lr_multipliers="upsampler=0.1", jit="off")
    assert config.learning_rate == 1.0 and isinstance(config.learning_rate, float)
    config.save(tmp_path / "config.json")
    assert TrainConfig.load(tmp_path / "config.json") == config


@pytest.mark.parametrize("text", ["{", '{"colour": 1}'], ids=["no JSON", "an unknown field"])
def test_a_file_that_is_no_config_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="Expected a .*configuration"):
        TrainConfig.load(tmp_path / "config.json")


def test_only_what_decides_the_weights_counts_as_a_difference():
    config = TrainConfig()
    harmless = dataclasses.replace(config, checkpoint_every=7, validate_every=7, log_every=7, jit="off", threads=1)
    assert harmless.differences(config) == []
    assert dataclasses.replace(config, seed=5).differences(config) == ["seed: 5 instead of 0"]


def test_assignments():
    assert assignments("", "x") == {}
    assert assignments("d=32, activation=relu,kernels=(9, 1, 5),deep=True", "x") == {
        "d": 32, "activation": "relu", "kernels": (9, 1, 5), "deep": True,
    }  # fmt: skip
    assert assignments("separable=false,even=TRUE", "x") == {"separable": False, "even": True}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_valid_config(name):
    TrainConfig(**recipe(name))


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="Expected recipe to be one of sample, .*Received: 'imagenet'"):
        recipe("imagenet")
