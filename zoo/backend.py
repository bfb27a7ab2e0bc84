"""What Keras computes with: chosen before it is imported, and not every command works with every backend."""

import importlib.util
import os

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
