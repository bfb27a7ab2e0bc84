"""Layers, models and rewriting on JAX and PyTorch, in an environment without TensorFlow (`make test-all` makes it)."""

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
MODELS = """
import sys
import numpy as np
import keras
assert keras.config.backend() == sys.argv[1], keras.config.backend()
import zoo, zoo.layers
results = {}
cases = np.load(sys.argv[2] + "/cases.npz")
for name in sys.argv[3:]:
    model = zoo.open_model(f"{sys.argv[2]}/{name}.keras")
    results[name] = keras.ops.convert_to_numpy(model(cases["images"]))
assert "tensorflow" not in sys.modules
try:
    import tensorflow
except ImportError:
    pass
else:
    raise AssertionError("Expected an environment without TensorFlow")
np.savez(sys.argv[2] + "/results.npz", **results)
"""
REWRITE = """
import sys
import keras
import numpy as np
import zoo.layers
from zoo import rewrite
folder = sys.argv[2]
model = keras.models.load_model(f"{folder}/decoder.keras")
if len(sys.argv) > 3:
    # A backend whose transposed convolution is shifted by a pixel, as PyTorch's was before Keras 3.15 (keras#22876).
    whole = keras.layers.Conv2DTranspose.call
    keras.layers.Conv2DTranspose.call = lambda layer, images: keras.ops.roll(whole(layer, images), 1, axis=1)
moved = rewrite.to_lr_space(model)
assert not any(isinstance(layer, keras.layers.Conv2DTranspose | keras.layers.UpSampling2D) for layer in moved.layers)
moved.save(f"{folder}/moved.keras")
images = np.load(f"{folder}/images.npy")
np.save(f"{folder}/moved.npy", keras.ops.convert_to_numpy(moved(images)))
assert "tensorflow" not in sys.modules
"""
BICUBIC = """
import sys
import keras
import numpy as np
from zoo import rewrite
from zoo.targets.choice import EVERYTHING
for method in ("bilinear", "bicubic"):
    for scale in (2, 3, 5):
        image = keras.Input((None, None, 2))
        model = keras.Model(image, keras.layers.UpSampling2D(scale, interpolation=method)(image))
        for shape in ((2, 7, 5, 2), (2, 1, 3, 2)):
            images = np.random.default_rng(0).normal(size=shape).astype("float32")
            expected, received = (keras.ops.convert_to_numpy(each(images))
                                  for each in (model, rewrite.to_lr_space(model, EVERYTHING)))
            assert np.abs(received - expected).max() <= 2e-6 * np.abs(expected).max(), (method, scale, shape)
np.save(sys.argv[2] + "/bicubic.npy", expected)
"""
pytestmark = pytest.mark.slow
each_backend = pytest.mark.parametrize("backend", ["jax", "torch"])


def run(backend: str, script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    if not PYTHON.exists():
        pytest.skip("no environment with JAX; make test-all makes it")
    return subprocess.run(
        [str(PYTHON), "-c", script, backend, str(folder), *arguments],
        env={"KERAS_BACKEND": backend, "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        # JAX compiles operation by operation here, two minutes of a core.
        timeout=900,
    )


@each_backend
def test_every_model_and_form_without_tensorflow(backend, tmp_path):
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
    process = run(backend, MODELS, tmp_path, *expected)
    assert process.returncode == 0, process.stderr
    received = np.load(tmp_path / "results.npz")
    assert sorted(received.files) == sorted(expected)
    for case, sr_image in expected.items():
        assert oracle.relative(received[case], sr_image) <= 1e-5, case
    # Control: another form of other weights is not close.
    assert oracle.relative(received["espcn_resize"], expected["espcn_subpixel"]) > 1e-2


@pytest.fixture
def decoder(tmp_path) -> keras.Model:
    """A network of odd and even kernels, saved as decoder.keras beside its input, images.npy."""
    rng = np.random.default_rng(2)
    lr_image = keras.Input((None, None, 6))
    x = keras.layers.Conv2DTranspose(5, 4, strides=2, padding="same", activation="relu")(lr_image)
    x = keras.layers.Conv2DTranspose(4, 5, strides=3, padding="same")(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.UpSampling2D(2)(x))
    model = keras.Model(lr_image, x)
    model.set_weights([rng.normal(scale=0.2, size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "decoder.keras")
    np.save(tmp_path / "images.npy", rng.random((2, 7, 9, 6), dtype=np.float32))
    return model


@each_backend
def test_a_network_is_rewritten_without_tensorflow(backend, decoder, tmp_path):
    process = run(backend, REWRITE, tmp_path)
    assert process.returncode == 0, process.stderr
    images = np.load(tmp_path / "images.npy")
    expected = decoder(images)
    assert oracle.relative(np.load(tmp_path / "moved.npy"), expected) <= 1e-5
    # The file goes back to TensorFlow. Control: one that another kernel was made of would not agree.
    back = keras.models.load_model(tmp_path / "moved.keras")
    assert oracle.relative(back(images), expected) <= 1e-5
    decoder.layers[1].kernel.assign(np.flip(decoder.layers[1].kernel.numpy(), axis=0))
    assert oracle.relative(back(images), decoder(images)) > 1e-2


@each_backend
def test_a_backend_that_computes_another_function_is_noticed(backend, decoder, tmp_path):
    process = run(backend, REWRITE, tmp_path, "shifted")
    assert process.returncode != 0
    assert "made anew, to be the same function as the original" in process.stderr
    assert not (tmp_path / "moved.keras").exists()


def test_bicubic_is_each_backends_own(tmp_path):
    """PyTorch has another kernel and another border than JAX; both come out of the rewrite as they went in."""
    found = []
    for backend in ("jax", "torch"):
        process = run(backend, BICUBIC, tmp_path)
        assert process.returncode == 0, process.stderr
        found.append(np.load(tmp_path / "bicubic.npy"))
    assert oracle.relative(*found) > 1e-2
