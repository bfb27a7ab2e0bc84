"""The layers and models on Keras' JAX backend, in an environment that has no TensorFlow (`make test-all` makes it)."""

import subprocess
from pathlib import Path

import keras
import numpy as np
import oracle
import pytest

import zoo
from zoo import layers

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-jax" / "bin" / "python"
SCRIPT = """
import sys
import numpy as np
import keras
assert keras.config.backend() == "jax", keras.config.backend()
import zoo, zoo.layers
results = {}
cases = np.load(sys.argv[1] + "/cases.npz")
for name in sys.argv[2:]:
    model = zoo.open_model(f"{sys.argv[1]}/{name}.keras")
    results[name] = np.asarray(model(cases["images"]))
assert "tensorflow" not in sys.modules
try:
    import tensorflow
except ImportError:
    pass
else:
    raise AssertionError("Expected an environment without TensorFlow")
np.savez(sys.argv[1] + "/results.npz", **results)
"""


@pytest.mark.slow
def test_every_model_and_form_on_jax_without_tensorflow(tmp_path):
    if not PYTHON.exists():
        pytest.skip("no environment with JAX; make test-all makes it")
    images = np.random.default_rng(0).random((2, 7, 9, 3), dtype=np.float32)
    np.savez(tmp_path / "cases.npz", images=images)
    expected = {}
    cases = [("espcn", {"upsampler": form}) for form in layers.FORMS]
    for name, options in [*cases, *((name, {}) for name in zoo.list_models())]:
        case = "_".join([name, *options.values()])
        model = zoo.create_model(name, 3, channels=3, **options)
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(scale=0.1, size=w.shape) for w in model.get_weights()])
        model.save(tmp_path / f"{case}.keras")
        expected[case] = np.array(model(images))
    process = subprocess.run(
        [str(PYTHON), "-c", SCRIPT, str(tmp_path), *expected],
        env={"KERAS_BACKEND": "jax", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    received = np.load(tmp_path / "results.npz")
    assert sorted(received.files) == sorted(expected)
    for case, sr_image in expected.items():
        assert oracle.relative(received[case], sr_image) <= 1e-5, case
    # Control: another form of other weights is not close.
    assert oracle.relative(received["espcn_resize"], expected["espcn_subpixel"]) > 1e-2


REWRITE = """
import sys
import keras
import numpy as np
import zoo.layers
from zoo import rewrite
folder = sys.argv[1]
model = keras.models.load_model(f"{folder}/decoder.keras")
moved = rewrite.to_lr_space(model)
assert not any(isinstance(layer, keras.layers.Conv2DTranspose | keras.layers.UpSampling2D) for layer in moved.layers)
moved.save(f"{folder}/moved.keras")
images = np.load(f"{folder}/images.npy")
np.save(f"{folder}/moved.npy", np.asarray(moved(images)))
assert "tensorflow" not in sys.modules
"""


@pytest.mark.slow
def test_a_network_is_rewritten_on_jax_without_tensorflow(tmp_path):
    if not PYTHON.exists():
        pytest.skip("no environment with JAX; make test-all makes it")
    rng = np.random.default_rng(2)
    lr_image = keras.Input((None, None, 6))
    x = keras.layers.Conv2DTranspose(5, 4, strides=2, padding="same", activation="relu")(lr_image)
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.UpSampling2D(2)(x))
    decoder = keras.Model(lr_image, x)
    decoder.set_weights([rng.normal(scale=0.2, size=w.shape) for w in decoder.get_weights()])
    decoder.save(tmp_path / "decoder.keras")
    images = rng.random((2, 7, 9, 6), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    process = subprocess.run(
        [str(PYTHON), "-c", REWRITE, str(tmp_path)],
        env={"KERAS_BACKEND": "jax", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    expected = decoder(images)
    assert oracle.relative(np.load(tmp_path / "moved.npy"), expected) <= 1e-5
    # The file goes back to TensorFlow. Control: one that another kernel was made of would not agree.
    back = keras.models.load_model(tmp_path / "moved.keras")
    assert oracle.relative(back(images), expected) <= 1e-5
    decoder.layers[1].kernel.assign(np.flip(decoder.layers[1].kernel.numpy(), axis=0))
    assert oracle.relative(back(images), decoder(images)) > 1e-2
