"""What Keras computes with: chosen before it is imported, and not every command works with every backend."""

import importlib.util
import os
import platform
import sys

from zoo.errors import UsageError


def require_backend(backend: str, purpose: str) -> None:
    """Makes sure that Keras computes with `backend`: it is chosen before Keras is imported.

    Args:
        backend: "tensorflow" or "jax".
        purpose: what needs it, for the sentence.

    Raises:
        UsageError: if it is another one, or not installed.
    """
    if importlib.util.find_spec(backend) is None:
        raise UsageError(f"Expected {backend} to be installed for {purpose}. Received: no such package")
    received = os.environ.get("KERAS_BACKEND", backend)
    if received == backend:
        import keras  # not at the top, nor for another backend, which may not be installed

        received = keras.config.backend()
    if received != backend:
        raise UsageError(
            f"Expected KERAS_BACKEND={backend} for {purpose}, set before Keras is imported. Received: {received}"
        )


def prefer_onednn() -> None:
    """Has TensorFlow take oneDNN's kernels on x86, unless the environment says otherwise or it is imported already.

    By itself it takes them only where the processor has AVX-512 VNNI or more. On an AMD EPYC without, forward and
    backward pass of the zoo's networks are 1.2 to 2 times as fast with them as by the faster of XLA and its own.
    """
    if platform.machine().lower() in ("x86_64", "amd64") and "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
