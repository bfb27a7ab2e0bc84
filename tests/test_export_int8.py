"""int8 files: each step keeps or improves what the network computes, and the file is what the simulation says."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from int8_cases import channels, kinds, output

import zoo
from export import __main__ as command
from export import export_model, int8
from export.int8 import fitting, pictures, prelu, ranges, simulation, skip
from zoo import registry
from zoo.data import sample
from zoo.errors import UsageError
from zoo.evaluate import open_network
from zoo.graphs import tflite


@pytest.fixture(scope="module")
def crops():
    return pictures.crops(sample(3).pictures(), 16)


@pytest.fixture(scope="module")
def mixed():
    """Photographs, text and noise, few of each."""
    return pictures.mixed(sample(3).pictures(), 1, 16)


@pytest.fixture(scope="module")
def network():
    """A small FSRCNN in LR form whose channels differ tenfold in reach, with slopes of all sizes."""
    model = zoo.create_model("fsrcnn_s", 3, upsampler="subpixel", d=12, s=5)
    rng = np.random.default_rng(0)
    weights = [rng.normal(scale=np.prod(weight.shape[:-1]) ** -0.5, size=weight.shape) for weight in model.weights]
    for weight, value in zip(model.weights, weights, strict=True):
        uneven = np.logspace(-0.5, 0.5, value.shape[-1]) if value.ndim == 4 and "upsampler" not in weight.path else 1
        weight.assign(0.1 * value if value.ndim == 1 else value * uneven)
    # An output like a picture's: int8 files clip to [0, 1].
    kernel, bias = model.layers[-1].weights
    kernel.assign(0.15 * kernel / np.std(model(pictures.crops(sample(3).pictures(), 4))))
    bias.assign([0.5])
    return model


@pytest.fixture(scope="module")
def content(network):
    return int8.float_file(network, (48, 48))


def test_the_float_simulation_is_the_network(network, content, crops):
    expected = np.array(network(crops))
    assert np.abs(output(simulation.Simulation(content), crops) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_prelu_folds_away_exactly_when_all_channels_are_mirrored(content, crops):
    original = simulation.Simulation(content)
    everything = {number: np.arange(slopes.size) for number, slopes in channels(original)}
    folded = simulation.Simulation(prelu.fold(simulation.Simulation(content), everything))
    assert "PRELU" in kinds(original) and "PRELU" not in kinds(folded)
    expected = output(original, crops)
    assert np.abs(output(folded, crops) - expected).max() <= 1e-5 * np.abs(expected).max()
    # Control: without the mirrored channels the slopes are gone.
    nothing = {number: np.arange(0) for number in everything}
    bare = simulation.Simulation(prelu.fold(simulation.Simulation(content), nothing))
    assert np.abs(output(bare, crops) - expected).max() > 0.01 * np.abs(expected).max()


def test_mirrored_are_the_channels_whose_slope_shows(content, crops):
    original = simulation.Simulation(content)
    number, slopes = next(iter(channels(original)))
    (before, index), *_ = original.operations[number][1:]
    chosen = int(original.run(crops)[before].numpy().min((0, 1, 2)).argmin())
    original.constants[index] = np.float32(0.5 * (np.arange(12) == chosen)).reshape(slopes.shape)
    assert prelu.matters(original, crops)[number].tolist() == [chosen]


def test_equalizing_keeps_the_function_and_levels_the_channels(content, crops):
    original, equalized = simulation.Simulation(content), simulation.Simulation(content)
    divisors = ranges.equalize(equalized, crops)
    expected = output(original, crops)
    assert np.abs(output(equalized, crops) - expected).max() <= 1e-5 * np.abs(expected).max()
    (first, *_), before, after = divisors, original.run(crops), equalized.run(crops)
    reach = [np.abs(tensors[first]).max((0, 1, 2)) for tensors in (before, after)]
    assert reach[0].max() / reach[0].min() > 3 and reach[1].max() / reach[1].min() < 1.2


def test_what_is_drawn_counts_as_much_as_is_asked_for(monkeypatch, tmp_path):
    given = sample(2).pictures
    for counts in (pictures.DRAWN, 2.0):
        mixed = pictures.mixed(given(), 1, 8, counts=counts)
        assert [len(set(mixed.weights[mixed.kinds == kind])) for kind in range(4)] == [1, 1, 1, 1]
        assert mixed.weights[[0, 8, 10, -1]] == pytest.approx([1, counts, counts / 3, counts / 20])
    for name in ("drawn", "copies"):
        with pytest.raises(UsageError, match=f"{name} to be a number of at least 0. Received: -1"):
            export_model(zoo.create_model("fsrcnn_s", 2), tmp_path, **{name: -1})
    # The command takes a preset's own figures, unless it is told others.
    found, real = [], registry.card
    own = {"fsrcnn_x3": {"int8_drawn": 1.5, "int8_copies": 0.1}, "gecko_x3": {}}

    def card(name):
        return {key: value for key, value in real(name).items() if key not in own["fsrcnn_x3"]} | own.get(name, {})

    monkeypatch.setattr(registry, "card", card)
    monkeypatch.setattr(
        "export.write.export_model", lambda *given, drawn, copies, **options: found.append((drawn, copies)) or {}
    )
    flags = ["--formats=tflite_int8", "--nocheck", f"--output={tmp_path}"]
    for more in (["--model=fsrcnn_x3"], ["--model=fsrcnn_x3", "--drawn=0.7"], ["--model=gecko_x3", "--copies=0"]):
        assert command.main([*flags, *more]) == 0
    assert found == [(1.5, 0.1), (0.7, 0.1), (pictures.DRAWN, 0)]


def test_the_image_joins_the_last_layer_without_a_rounding_and_changes_nothing_by_itself(content, crops):
    original = simulation.Simulation(content)
    where = skip.place(original)
    joined = simulation.Simulation(skip.insert(simulation.Simulation(content), where))
    assert np.array_equal(output(joined, crops), output(original, crops))
    for low, high in ((0.0, 1.7), (-1.0, 127 / 128)):
        chosen = {group: (low, high) for group in joined.groups.values()} | joined.fixed
        constants = where.constants(chosen, joined.groups)
        levels = np.round(crops * 255)
        scaled = joined.run(levels / 255, chosen, constants)[where.tensors[0]].numpy()
        assert np.abs((scaled - low) / (high - low) * 255 - levels).max() < 0.01


def test_where_the_image_cannot_join_it_does_not():
    image = keras.Input((None, None, 1))
    maps = zoo.layers.DepthToSpace(2)(keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image))
    hr_space = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(maps))
    assert skip.place(simulation.Simulation(int8.float_file(hr_space, (12, 14)))) is None


def test_in_hr_space_the_interpolated_image_joins(crops):
    original = simulation.Simulation(int8.float_file(zoo.create_model("srcnn", 2), (48, 48)))
    where = skip.place(original)
    assert where is not None and original.graph.tensors[where.image].shape == (1, 96, 96, 1)
    joined = simulation.Simulation(skip.insert(simulation.Simulation(original.file.packed()), where))
    # Channels that weigh nothing, but a convolution of other channels may add in another order.
    expected = output(original, crops[:2])
    assert np.abs(output(joined, crops[:2]) - expected).max() <= 1e-6 * np.abs(expected).max()
    # A level of the image becomes the level of the maps, whatever both ranges are.
    ends = {group: (-0.5, 1.5) for group in joined.groups.values()} | joined.fixed
    ends[joined.groups[where.image]] = (-0.1, 1.2)
    tensors = joined.run(crops[:2], ends, where.constants(ends, joined.groups))
    step, map_step = 1.3 / 255, 2 / 255
    levels = np.round(tensors[where.image] / step) + np.round(0.1 / step)
    scaled = np.round(tensors[where.tensors[0]] / map_step) + np.round(0.5 / map_step)
    assert np.abs(scaled[..., :1] - levels).max() == 0


def test_the_levels_hold_zero_and_pass_gradients():
    values = tf.Variable(np.linspace(-1, 3, 10_001, dtype=np.float32))
    with tf.GradientTape() as tape:
        rounded = simulation.fake_quantize(values, -0.3, 2.0)
    assert len(np.unique(rounded)) == 256 and 0 in rounded.numpy()
    inside = (values > -0.29) & (values < 1.99)
    assert np.abs(rounded - values)[inside].max() <= 2.3 / 255 / 2 + 1e-6
    gradient = tape.gradient(rounded, values).numpy()
    assert (gradient[inside] == 1).all() and (gradient[values > 2.01] == 0).all()


def test_pictures_that_tell_nothing_leave_the_weights_as_they_are():
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)
    black, wanted = np.zeros((2, 8, 9, 2), np.float32), np.zeros((2, 8, 9, 4), np.float32)
    kernel, bias = fitting.solve(fitting.moments(black, wanted, (3, 3), 0, np.ones(2)), weights)
    assert np.abs(kernel - weights).max() <= 0.51 * np.abs(weights).max() / 127 and (bias == 0).all()


def test_a_covariance_is_the_same_on_both_sides_of_its_diagonal():
    rng = np.random.default_rng(2)
    # Maps that are nearly the same, so that an inverse makes much of the last bits.
    maps = (rng.normal(size=(3, 17, 22, 1)) + 1e-3 * rng.normal(size=(3, 17, 22, 22))).astype(np.float32)
    seen = fitting.moments(maps, maps[..., :2], (3, 3), 0, np.ones(3))
    assert np.array_equal(seen.covariance, seen.covariance.T)
    windows = maps.reshape(-1, 22) - maps.reshape(-1, 22).mean(axis=0)
    expected = np.cov(windows.astype(np.float64).T, bias=True)
    middle = slice(4 * 22, 5 * 22)
    assert np.abs(seen.covariance[middle, middle] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_moments_are_exact_whatever_order_their_sums_have():
    """In float32 a file's levels would differ with the number of threads that sum."""
    rng = np.random.default_rng(8)
    maps = rng.normal(9, 0.1, (3, 7, 10, 2)).astype("float32")
    wanted = rng.normal(size=(3, 7, 10, 1)).astype("float32")
    seen = fitting.moments(maps, wanted, (1, 1), 0, np.ones(3))
    every = np.concatenate([maps, wanted], axis=-1).reshape(-1, 3).astype("float64")
    expected = np.cov(every.T, bias=True)
    np.testing.assert_allclose(seen.covariance, expected[:2, :2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(seen.cross, expected[:2, 2:], rtol=0, atol=1e-12)
    np.testing.assert_allclose([*seen.mean_window, *seen.mean_target], every.mean(axis=0), rtol=1e-14)


def test_rounding_hands_its_errors_on():
    rng = np.random.default_rng(1)
    # Inputs that rise and fall together, as an image's neighbouring pixels do.
    rows = rng.normal(size=(4000, 1)) + 0.1 * rng.normal(size=(4000, 27))
    weights = rng.normal(size=(6, 27)) * 0.1
    step = np.abs(weights).max(axis=1) / 127
    levels = fitting.gptq(weights, np.cov(rows.T), step)
    plain = np.clip(np.round(weights / step[:, None]), -127, 127)
    assert np.array_equal(levels, np.round(levels)) and (np.abs(levels).max(axis=1) == 127).all()
    errors = [np.std(rows @ (chosen * step[:, None] - weights).T) for chosen in (levels, plain)]
    assert errors[0] < errors[1] / 3


@pytest.mark.slow
def test_a_file_is_what_the_simulation_says_at_any_size_and_takes_levels(network, content, crops, mixed, tmp_path):
    tuning = int8.tune(network, mixed)
    for size, io in itertools.product([(48, 48), (37, 50)], ["float", "uint8"]):
        int8.write_int8(network, tmp_path / f"{size[0]}_{io}.tflite", size, tuning, crops, io)
    written = tflite.read(tmp_path / "48_uint8.tflite")
    assert not {operation.name for operation in written.operations} & {"PRELU", "TANH"}
    expected = output(int8.simulated(content, tuning), crops[:4], tuning.ranges, tuning.constants).clip(0, 1)
    functions = {path.stem: open_network(str(path)).run for path in tmp_path.glob("*.tflite")}
    for image, wanted in zip(crops[:4], expected, strict=True):
        received = functions["48_float"](image)
        # Where two ways of rounding part, a level; hardly anywhere.
        assert np.abs(received - wanted).max() <= 2.01 / 255 and (np.abs(received - wanted) > 1e-4).mean() < 0.04
        for name in ("48_uint8", "37_float", "37_uint8"):
            assert np.abs(functions[name](image) - received).max() < 1e-6
    # A byte is a level of 255, in and out.
    for tensor in (*written.inputs, *written.outputs):
        assert tensor.dtype == "uint8"
    interpreter = tf.lite.Interpreter(str(tmp_path / "48_uint8.tflite"))
    for detail in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        assert detail["quantization"] == (pytest.approx(1 / 255, rel=1e-6), 0)


@pytest.mark.slow
def test_fitting_beats_the_converter(network, mixed, tmp_path):
    others = pictures.crops(sample(3, split="heldout").pictures(), 4, seed=5)
    errors = {}
    for name, tuning in (("fitted", int8.tune(network, mixed)), ("converter", None)):
        int8.write_int8(network, tmp_path / f"{name}.tflite", (48, 48), tuning, mixed.images, "float")
        function = open_network(str(tmp_path / f"{name}.tflite")).run
        clipped = [np.clip(function(one), 0, 1) - np.clip(network(one[None])[0], 0, 1) for one in others]
        errors[name] = np.sqrt(np.mean(np.square(clipped)))
    assert errors["fitted"] < errors["converter"] / 2


@pytest.mark.slow
def test_a_graph_that_is_not_known_is_left_to_the_converter(tmp_path, mixed):
    image = keras.Input((None, None, 1))
    x = keras.layers.Softmax()(keras.layers.Conv2D(12, 3, padding="same")(image))
    model = keras.Model(image, zoo.layers.DepthToSpace(2)(x[..., :4]), name="stranger")
    assert int8.tune(model, mixed) is None
    report = export_model(model, tmp_path, [(20, 24)], ["tflite_int8"], gate="off")
    assert report["files"][0]["note"] == "calibrated by the converter alone"
    report = export_model(model, tmp_path, [(20, 24)], ["tflite_int8"], gate="off", layer_errors=True)
    assert report["files"][0]["note"].endswith("alone, so nothing tells where it loses: no file for Model Explorer")
    assert [path.name for path in tmp_path.glob("*.json")] == ["report.json"]


@pytest.mark.slow
def test_a_preset_loses_little(reference_data, tmp_path):
    """At most 0.10 dB on Set5 and Set14; fsrcnn_x3 lies at 0.09 with AVX2, at 0.10 with AVX-512: sums differ."""
    data = [str(reference_data / "eval" / name) for name in ("Set5", "Set14")]
    report = export_model(zoo.load("gecko_x3"), tmp_path, [(40, 64)], ["tflite_int8"], data=data, gate="small")
    (file,) = report["files"]
    assert all(file["psnr"][name]["loss"] <= 0.10 for name in ("Set5", "Set14")), file["psnr"]
    assert file["gpu"]["verdict"] == "not run" and {run["verdict"] for run in file["remainders"]} <= {
        "right",
        "not run",
    }
