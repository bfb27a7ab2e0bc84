"""What the running program is: its name in its own help, as it was typed, what it says, what Keras computes with."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator

from zoo.errors import UsageError


def program(module: str) -> str:
    """`"zoo upscale"` where the `zoo` command has started the module, else `"python -m zoo.upscale"`."""
    return sys.argv[0] if sys.argv[0].startswith("zoo ") else f"python -m {module}"


def quiet_tensorflow(level: int = 2) -> None:
    """Keeps TensorFlow's notes and warnings to itself, unless the environment says otherwise already.

    It reads that when it is imported: a file that imports it at its top calls this first, between two parts of imports.

    Args:
        level: from which on it is silent: 1 of notes, 2 of warnings too, 3 of errors too.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", str(level))


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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps LiteRT's greeting, which it writes past Python, out of a command's output."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
