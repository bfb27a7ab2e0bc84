"""The one-sentence error: what was expected and what was received, exit code 2, no traceback."""

import functools
import sys
from collections.abc import Callable

KERAS_BACKENDS = ("tensorflow", "jax", "torch", "openvino")


class UsageError(ValueError):
    """A wrong flag, file, shape or name, explained in one sentence for the person who typed it."""


def exit_on_usage_error(command: Callable[..., int | None]) -> Callable[..., int]:
    """Wraps a command's `main`: a `UsageError`, a missing file or Keras backend ends in one sentence and exit code 2.

    Anything else is a defect of ours and keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args, **kwargs) -> int:
        try:
            return command(*args, **kwargs) or 0
        except UsageError as error:
            sentence = str(error)
        except ModuleNotFoundError as error:
            if error.name not in KERAS_BACKENDS:
                raise
            sentence = (
                f"Expected {error.name} to be installed, which Keras is told to compute with (KERAS_BACKEND or "
                "~/.keras/keras.json). Received: no such package"
            )
        except OSError as error:
            # The disk is full, the target is read-only, the file is not there: the system's own words and the path.
            sentence = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
        return 2

    return run
