"""`python -m zoo.rewrite`: the table, the measured difference, and one sentence where it cannot go on."""

import importlib
import sys

import keras
import numpy as np
import oracle
import pytest
from keras import layers

from benchmarks.networks import NETWORKS, randomise
from zoo import registry, rewrite
from zoo.errors import UsageError
from zoo.rewrite.__main__ import main
from zoo.rewrite.difference import largest_differences


def test_rewrites_explains_and_measures(unet, tmp_path, capsys, monkeypatch):
    source, model = unet
    made, once = [], rewrite.rewritten
    monkeypatch.setattr(rewrite, "rewritten", lambda *args, **options: made.append(args) or once(*args, **options))
    assert main([str(source), str(tmp_path / "out.keras")]) == 0
    assert len(made) == 1, "rewritten once, for the file and for the table"
    printed = capsys.readouterr().out
    assert "nearest ×2" in printed and "DepthToSpace 2" in printed
    # The network pools twice: 28×20 and 12×44 are odd multiples of what it takes.
    assert "28×20" in printed and "12×44" in printed and "of the largest output" in printed
    assert "out.keras; `import zoo.layers` before keras.models.load_model reads it\n" in printed
    rewritten = keras.models.load_model(tmp_path / "out.keras")
    images = np.random.default_rng(0).uniform(size=(2, 12, 20, 3)).astype("float32")
    assert oracle.relative(rewritten(images), model(images)) <= 1e-5
    assert not any(isinstance(layer, layers.UpSampling2D) for layer in rewritten.layers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.keras"]


def test_flags(unet, tmp_path, capsys):
    source, _ = unet
    assert main([str(source), str(tmp_path / "whole.keras"), "--whole"]) == 0
    assert "all that moved" in capsys.readouterr().out
    assert main([str(source), str(tmp_path / "both.keras"), "--whole", "--target=xnnpack"]) == 2
    assert not (tmp_path / "both.keras").exists()


def test_a_file_without_layers_of_the_zoo_needs_no_import(tmp_path, capsys):
    lr_image = keras.Input((None, None, 2))
    keras.Model(lr_image, layers.Conv2D(3, 3, padding="same")(lr_image)).save(tmp_path / "in.keras")
    assert main([str(tmp_path / "in.keras"), str(tmp_path / "out.keras")]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"wrote {tmp_path / 'out.keras'}\n") and "import zoo.layers" not in printed


def test_the_difference_is_seen():
    model = randomise(NETWORKS["autoencoder"].build(0.1))
    other = randomise(NETWORKS["autoencoder"].build(0.1), seed=1)
    assert max(largest_differences(model, model).values()) == 0
    assert min(largest_differences(model, other).values()) > 1e-2
    spoilt = keras.models.clone_model(model)
    spoilt.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    assert largest_differences(model, spoilt).popitem()[1] == float("inf")


def test_inputs_of_other_kinds():
    """A fixed size, a vector beside the picture, and two pictures of different sizes."""
    fixed = keras.Input((6, 9, 2))
    assert list(largest_differences(*[keras.Model(fixed, layers.ReLU()(fixed))] * 2)) == [(6, 9)]
    vector, picture = keras.Input((4,)), keras.Input((None, None, 4))
    scaled = layers.Multiply()([picture, layers.Reshape((1, 1, 4))(vector)])
    assert list(largest_differences(*[keras.Model([vector, picture], scaled)] * 2)) == [(7, 5), (3, 11)]
    other = keras.Input((None, None, 4))

    def pair(scale):
        return keras.Model([other, picture], layers.Concatenate()([layers.UpSampling2D(scale)(other), picture]))

    assert list(largest_differences(pair(2), pair(2))) == [(7, 5), (3, 11)]
    assert largest_differences(pair(5), pair(5)) == {}


@pytest.mark.parametrize(
    "names, words",
    [
        (("in.keras", "out.h5"), "Expected two .keras, two .tflite or two .onnx files"),
        (("in.keras", "in.keras"), "Expected another file"),
        (("in.keras", "none/out.keras"), "Expected a folder"),
        (("gone.keras", "out.keras"), "which is not there"),
        (("broken.keras", "out.keras"), "Expected a .keras file"),
    ],
)
def test_one_sentence(unet, tmp_path, capsys, names, words):
    (tmp_path / "in.keras").write_bytes(unet[0].read_bytes())
    (tmp_path / "broken.keras").write_bytes(unet[0].read_bytes()[:1000])
    before = sorted(tmp_path.iterdir())
    assert main([str(tmp_path / name) for name in names]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and "Traceback" not in error
    assert sorted(tmp_path.iterdir()) == before


MODULE = """
import keras

@keras.saving.register_keras_serializable("mine_of_{number}")
class Mine(keras.layers.Layer):
    def call(self, x):
        return x * 2.0

@keras.saving.register_keras_serializable("mine_of_{number}")
class Decoder(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
"""


def test_layers_and_classes_of_ones_own(tmp_path, monkeypatch, capsys):
    """Imported with --import; a class that is lost is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers_of_mine.py").write_text(MODULE.format(number=1))
    monkeypatch.syspath_prepend(str(tmp_path))
    import layers_of_mine

    x = start = keras.Input((None, None, 3))
    x = layers.Conv2DTranspose(2, 4, 2, padding="same")(layers_of_mine.Mine()(x))
    layers_of_mine.Decoder(start, x, name="decoder").save("in.keras")
    registered = keras.saving.get_custom_objects()
    for name in [name for name in registered if name.startswith("mine_of_")]:
        del registered[name]
    monkeypatch.delitem(sys.modules, "layers_of_mine")
    assert main(["in.keras", "out.keras"]) == 2 and "known layers" in capsys.readouterr().err
    assert main(["in.keras", "out.keras", "--import=not_there"]) == 2
    assert "'not_there': ModuleNotFoundError" in capsys.readouterr().err and not (tmp_path / "out.keras").exists()
    assert main(["in.keras", "out.keras", "--import=layers_of_mine"]) == 0
    shown = capsys.readouterr().out
    assert "without its class: 'decoder' (Decoder)" in shown and "wrote out.keras" in shown
    assert type(keras.models.load_model("out.keras")).__name__ == "Functional"
    assert main(["a.tflite", "b.tflite", "--import=layers_of_mine"]) == 2


def test_a_network_that_does_not_load_again_is_not_written(unet, tmp_path, monkeypatch, capsys):
    opened, first = [], registry.open_model

    def open_model(name, own=False):
        opened.append(name)
        if len(opened) > 1:
            raise UsageError("Expected a .keras file of known layers. Received: a missing argument")
        return first(name)

    monkeypatch.setattr(registry, "open_model", open_model)
    assert main([str(unet[0]), str(tmp_path / "out.keras")]) == 2
    assert len(opened) == 2 and not list(tmp_path.iterdir())
    error = capsys.readouterr()
    assert "can load again" in error.err and "wrote nothing" in error.err and "wrote " not in error.out


def test_a_network_that_loads_as_another_is_not_written(tmp_path, monkeypatch, capsys):
    """A layer of one's own whose configuration is another layer's: each time it is loaded it does half as much."""
    lines = [
        "import keras",
        "@keras.saving.register_keras_serializable('tests')",
        "class Halved(keras.layers.Layer):",
        "    def __init__(self, gain=1.0, **options):",
        "        super().__init__(**options)",
        "        self.gain = gain / 2",
        "    def call(self, x):",
        "        return self.gain * x",
        "    def get_config(self):",
        "        return {**super().get_config(), 'gain': self.gain}",
    ]
    (tmp_path / "halving_layers.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    halved = importlib.import_module("halving_layers").Halved()
    start = keras.Input((None, None, 3))
    keras.Model(start, halved(keras.layers.Conv2DTranspose(2, 4, 2, padding="same")(start))).save("in.keras")
    assert main(["in.keras", "out.keras", "--import=halving_layers"]) == 1
    error = capsys.readouterr().err
    assert "to be the same function as the original" in error and "'halved'" in error and "wrote nothing" in error
    assert not (tmp_path / "out.keras").exists()
