"""Keras models and files from strangers, presets by name, and scales that several networks reach together."""

import hashlib
import json

import keras
import numpy as np
import pytest
from upscale_cases import photo

from zoo import registry
from zoo.errors import UsageError
from zoo.upscale import open_engine, upscale


@keras.saving.register_keras_serializable("stranger")
class Sharpen(keras.layers.Layer):
    def call(self, images):
        return images * 1.5


def test_keras_files_of_unknown_layers_are_refused_by_name(tmp_path, monkeypatch):
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.UpSampling2D(2)(Sharpen(name="sharpen")(image)))
    model.save(tmp_path / "strange.keras")
    assert open_engine(tmp_path / "strange.keras").scale == 2
    monkeypatch.delitem(keras.saving.get_custom_objects(), "stranger>Sharpen")
    with pytest.raises(UsageError, match=r"Expected a .keras file of known layers. Received: strange.keras: .*Sharpen"):
        open_engine(tmp_path / "strange.keras")


def test_keras_files_with_code_in_them_are_refused(tmp_path):
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.UpSampling2D(2)(keras.layers.Lambda(lambda x: x * 2)(image)))
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(
        UsageError, match=r"Expected a .keras file of known layers. Received: lambda.keras: .*[Ll]ambda"
    ):
        open_engine(tmp_path / "lambda.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(UsageError, match=r"Received: text.keras"):
        open_engine(tmp_path / "text.keras")
    with pytest.raises(UsageError, match="which is not there"):
        open_engine(tmp_path / "absent.keras")


def test_keras_models_of_another_kind_are_refused():
    image = keras.Input((None, None, 2))
    with pytest.raises(UsageError, match="C 1 or 3, scale at least 2, both sides free or none. Received"):
        open_engine(keras.Model(image, keras.layers.UpSampling2D(2)(image)))
    image = keras.Input((None, None, 1))
    with pytest.raises(UsageError, match="scale at least 2, both sides free or none. Received"):
        open_engine(keras.Model(image, keras.layers.ReLU()(image)))
    with pytest.raises(UsageError, match=r"Expected a model \(N, H, W, C\)"):
        open_engine(keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)))


@pytest.fixture
def presets(tflite, tmp_path, monkeypatch):
    """Presets of our own: `tiny_x2` and `tiny_x3`."""
    folder = tmp_path / "presets"
    folder.mkdir()
    for name, source, scale in (("tiny_x2", "luma", 2), ("tiny_x3", "luma3", 3)):
        content = tflite(source).read_bytes()
        (folder / f"{name}.tflite").write_bytes(content)
        sha256 = {"tflite": hashlib.sha256(content).hexdigest()}
        card = {"scale": scale, "channels": 1, "radius": 4, "sha256": sha256}
        (folder / f"{name}.json").write_text(json.dumps(card))
    monkeypatch.setattr(registry, "PRESETS", folder)
    return folder


def test_presets_run_by_name_and_their_hash_is_checked(presets, tflite):
    image = photo(20, 30)
    assert np.array_equal(upscale(image, "tiny_x2"), upscale(image, tflite("luma")))
    content = bytearray((presets / "tiny_x2.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (presets / "tiny_x2.tflite").write_bytes(content)
    with pytest.raises(UsageError, match=r"Expected SHA-256 [0-9a-f]{64} for tiny_x2.tflite. Received: [0-9a-f]{64}"):
        open_engine("tiny_x2")
    (presets / "tiny_x2.tflite").unlink()
    with pytest.raises(UsageError, match="Expected the preset's file tiny_x2.tflite"):
        open_engine("tiny_x2")
    with pytest.raises(UsageError, match=r"one of tiny_x2, tiny_x3, a .tflite or .keras file. Received: 'x'"):
        open_engine("x")
    card = json.loads((presets / "tiny_x3.json").read_text())
    (presets / "tiny_x3.json").write_text(json.dumps({**card, "scale": 4}))
    with pytest.raises(UsageError, match="Expected scale 4 as the card of tiny_x3 has it. Received: 3"):
        open_engine("tiny_x3")


def test_the_best_preset_of_each_scale_may_be_shipped_and_takes_any_picture(monkeypatch):
    best = registry.best_presets()
    cards = {name: registry.card(name) for name in registry.list_presets()}

    def mean(name: str) -> float:
        return sum(each["psnr"] for each in cards[name]["results"].values())

    assert list(best) == [2, 3, 4]
    for scale, name in best.items():
        others = [other for other, card in cards.items() if card["scale"] == scale and card["channels"] == 1]
        free = [other for other in others if cards[other]["redistribution"] == "free pictures only"]
        plain = [other for other in free if "compressed" not in cards[other]]
        assert name == max(plain, key=mean)
    # Control: figures alone would choose another; and without a preset that may be shipped there is none.
    assert any(mean(name) > mean(best[card["scale"]]) for name, card in cards.items() if card["channels"] == 1)
    monkeypatch.setattr(registry, "card", lambda name: cards[name] | {"redistribution": "research only"})
    assert registry.best_presets() == {}


def test_without_a_model_the_best_ones_are_taken():
    from zoo.engines.scales import BEST, family_of, open_scaled

    best = registry.best_presets()
    assert family_of(BEST) == dict(sorted(best.items(), reverse=True))
    assert open_scaled(BEST, 3).name == best[3]
    assert [engine.name for engine in open_scaled(BEST, 6).engines] == [best[3], best[2]]
    with pytest.raises(UsageError, match=r"Expected a scale made of \[2, 3, 4\]. Received: --scale=5"):
        open_scaled(BEST, 5)


def test_scales_are_reached_by_repetition_and_by_families(presets, tflite):
    from zoo.engines.scales import factors, open_scaled

    assert factors(8, [2, 3, 4]) == [4, 2] and factors(12, [2, 3, 4]) == [4, 3] and factors(16, [2, 3, 4]) == [4, 4]
    assert factors(7, [2, 3, 4]) == [] and factors(3, [3]) == [3] and factors(1, [2]) == []
    assert open_scaled("tiny_x2").scale == 2 and open_scaled("tiny", 3).name == "tiny_x3"
    twice = open_scaled("tiny_x2", 4)
    assert twice.scale == 4 and twice.engines[0] is twice.engines[1]
    six = open_scaled("tiny", 6)
    assert [engine.name for engine in six.engines] == ["tiny_x3", "tiny_x2"]
    image = photo(15, 18, 1)[..., 0]
    assert np.array_equal(upscale(image, six), upscale(image, open_scaled("tiny_x3,tiny_x2")))
    for model, scale, words in (
        ("tiny", None, "Expected --scale, or one of tiny_x3, tiny_x2"),
        ("tiny", 7, r"Expected a scale made of \[2, 3\] for tiny. Received: --scale=7"),
        ("tiny_x2", 6, "Expected the scale 2 or its powers for tiny_x2. Received: --scale=6"),
        ("tiny_x2,tiny_x3", 8, "Expected the scale 6 for tiny_x2,tiny_x3. Received: --scale=8"),
        ("tiny_x2,none", None, "Expected the model to be one of tiny_x2, tiny_x3, "),
        (",", None, "Expected the model to be one of tiny_x2, tiny_x3, "),
    ):
        with pytest.raises(UsageError, match=words):
            open_scaled(model, scale)
