"""The same loop on two devices: the global batch, its gradient and the weights are those of one device."""

import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys
import tensorflow as tf
from zoo.training import TrainConfig
from zoo.training.loop import train
from zoo.data import sample

workdir, devices, jit = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "jit"
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if devices == 2 else None
config = TrainConfig(
    model="fsrcnn_s", scale=2, steps=20, batch=8, lr_size=12, warmup=2, learning_rate=1e-4, loss="mse", start="random",
    jit=jit, checkpoint_every=10, validate_every=20,
)
train(config, workdir, strategy=strategy)
"""


def weights(workdir, devices, jit=""):
    # Twice: the second process goes on from the first one's end and only writes the results again.
    for _ in range(2 if devices == 2 else 1):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(workdir), str(devices), jit], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    import keras

    import zoo.layers  # noqa: F401 - registers the layers

    return keras.saving.load_model(workdir / "model.keras", compile=False).get_weights()


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path):
    one, two = weights(tmp_path / "one", 1, "jit"), weights(tmp_path / "two", 2, "jit")
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(second, first, atol=1e-6)
