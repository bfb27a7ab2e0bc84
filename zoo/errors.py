"""The one-sentence error: what was expected and what was received, exit code 2, no traceback."""

import difflib
import functools
import numbers
import os
import sys
from collections.abc import Callable, Iterable

__all__ = [
    "KERAS_BACKENDS",
    "STOPPED",
    "STOPPED_WORDS",
    "UsageError",
    "did_you_mean",
    "exit_on_usage_error",
    "one_of",
    "shown",
    "whole_number",
]


def __dir__() -> list[str]:
    return sorted(__all__)


STOPPED = 130  # what a shell reports for Ctrl-C
STOPPED_WORDS = "Stopped. Files that are there are whole; the same command writes the others."
KERAS_BACKENDS = ("tensorflow", "jax", "torch", "openvino")


class UsageError(ValueError):
    """A wrong flag, file, shape or name, explained in one sentence for the person who typed it."""


def one_of(kind: str, value, valid: Iterable):
    """`value`, if it is one of `valid`.

    Args:
        kind: what the value is, for the sentence: "Expected {kind} to be one of …".

    Raises:
        UsageError: it is not; the valid ones are listed, and the nearest is named where there is a near one.

    Example:
        >>> one_of("the upsampler", "subpixl", ["transposed", "subpixel"])
        Traceback (most recent call last):
        zoo.errors.UsageError: Expected the upsampler to be one of transposed, subpixel. Received: 'subpixl'; did you \
mean 'subpixel'?
    """
    valid = list(valid)
    if value in valid:
        return value
    names = ", ".join(map(str, valid)) or "(none)"
    raise UsageError(f"Expected {kind} to be one of {names}. Received: {value!r}{did_you_mean(value, valid)}")


def did_you_mean(value, valid: Iterable) -> str:
    """The end of a sentence that received a wrong name: "; did you mean 'fsrcnn_x3'?", or nothing.

    Example:
        >>> did_you_mean("FSRCN_x3", ["espcn_x3", "fsrcnn_x3"]), did_you_mean("unet", ["espcn_x3", "fsrcnn_x3"])
        ("; did you mean 'fsrcnn_x3'?", '')
    """
    names = {str(each).lower(): each for each in valid}
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.7)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


def whole_number(name: str, value, least: int) -> int:
    """`value` as an int, NumPy's integers too.

    Raises:
        UsageError: it is no integer, or below `least`.

    Example:
        >>> whole_number("m", -1, 0)
        Traceback (most recent call last):
        zoo.errors.UsageError: Expected m to be an integer of at least 0. Received: m=-1
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise UsageError(f"Expected {name} to be an integer of at least {least}. Received: {name}={value!r}")
    return int(value)


def shown(text: str) -> str:
    r"""Text for a terminal: what would steer it, turn its direction or cannot be written is an escape.

    Example:
        >>> shown("\x1b]0;mine\x07.png, größer"), shown("a\u202egpj.exe")
        ('\\x1b]0;mine\\x07.png, größer', 'a\\u202egpj.exe')
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _streams() -> None:
    """Makes what is printed end nowhere but in what it should: closed streams are opened, no character is too much.

    A closed standard stream's number would be given to the next file that is opened, and what a library prints past
    Python would go into that.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the rest of the process
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def exit_on_usage_error(command: Callable[..., int | None]) -> Callable[..., int]:
    """Wraps a command's `main`: a `UsageError`, a missing file or Keras backend ends in one sentence and exit code 2.

    Ctrl-C is one sentence too, with the code that a shell reports for it, 130. Anything else is a defect of ours and
    keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args, **kwargs) -> int:
        _streams()
        try:
            code = command(*args, **kwargs) or 0
            sys.stdout.flush()
            return code
        except UsageError as error:
            sentence = str(error)
        except ModuleNotFoundError as error:
            if error.name not in KERAS_BACKENDS:
                raise
            sentence = (
                f"Expected {error.name} to be installed, which Keras is told to compute with (KERAS_BACKEND or "
                "~/.keras/keras.json). Received: no such package"
            )
        except KeyboardInterrupt:
            print(STOPPED_WORDS, file=sys.stderr)
            return STOPPED
        except BrokenPipeError:
            # Whoever read what is printed has had enough, as `head` has; Python would complain once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141  # what a shell reports for it
        except OSError as error:
            # The disk is full, the target is read-only, the file is not there: the system's own words and the path.
            sentence = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        print(f"error: {shown(' '.join(sentence.split()))}", file=sys.stderr)
        return 2

    return run
