"""What the running program is: its name in its own help, as it was typed, and what it says."""

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from zoo.errors import STOPPED, STOPPED_WORDS, UsageError, did_you_mean, one_of


def program(module: str) -> str:
    """`"zoo upscale"` where the `zoo` command has started the module, else `"python -m zoo.upscale"`."""
    return sys.argv[0] if sys.argv[0].startswith("zoo ") else f"python -m {module}"


class Parser(argparse.ArgumentParser):
    """argparse's, but what is wrong is a sentence like any other of a command, and the nearest flag or word is named.

    Example:
        >>> parser = Parser(prog="zoo upscale")
        >>> _ = parser.add_argument("--scale", type=int)
        >>> parser.parse_args(["--scal3=2"])
        Traceback (most recent call last):
        zoo.errors.UsageError: There is no flag --scal3; did you mean '--scale'? `zoo upscale --help` lists all
    """

    def parse_known_args(self, args=None, namespace=None):
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        flags = [flag for action in self._actions for flag in action.option_strings]
        given = [each.partition("=")[0] for each in self._given if each.startswith("--")]
        unknown = next((each for each in given if not any(flag.startswith(each) for flag in flags)), None)
        # A flag that is not there comes before those that are missing: it may be one of them.
        if unknown and message.startswith(("unrecognized arguments", "the following arguments are required")):
            near = did_you_mean(unknown, flags) or "."
            raise UsageError(f"There is no flag {unknown}{near} `{self.prog} --help` lists all")
        if choice := re.fullmatch(r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)", message, re.DOTALL):
            one_of(choice[1], choice[2].strip("'"), [each.strip("'") for each in choice[3].split(", ")])
        if number := re.fullmatch(r"argument (\S+): invalid (int|float) value: (.*)", message, re.DOTALL):
            kind = {"int": "a whole number", "float": "a number"}[number[2]]
            raise UsageError(f"{number[1]} takes {kind}. Received: {number[3]}")
        raise UsageError(f"{message[0].upper()}{message[1:]}; `{self.prog} --help` explains the flags")


def this_python(environment: Mapping[str, str] = os.environ) -> tuple[list[str], dict[str, str]]:
    """The command of another process of this Python, and its environment.

    It imports from where this one does, and nothing of the folder that the user stands in.
    """
    return [sys.executable, "-P"], {**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def own_package(name: str) -> None:
    """Sees that a package of this distribution is the one that an import finds: others have such names too.

    Raises:
        UsageError: another one stands before it on Python's path, or has been installed over it.
    """
    found = importlib.util.find_spec(name)
    place = Path(found.origin).parent if found and found.origin else None
    if place is None or place.parent != Path(__file__).resolve().parent.parent:
        raise UsageError(f"Expected subpixel-zoo's own package {name!r}. Received: {place or 'none'}")


def quiet_tensorflow(level: int | None = None) -> None:
    """Keeps TensorFlow's notes and warnings to itself, unless the environment says otherwise already.

    It reads that when it is imported: a file that imports it at its top calls this first, between two parts of imports.
    What it writes while it is imported, past every level, is left out too.

    Args:
        level: from which on it is silent: 1 of notes, 2 of warnings too, 3 of errors too. Default: 2, and 3 where there
            is no NVIDIA GPU, as it reports that as an error.
    """
    if level is None:
        level = 2 if os.path.exists("/dev/nvidia0") else 3
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", str(level))
    wanted = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0" or "tensorflow" in sys.modules
    if not wanted and not any(isinstance(each, _Greeting) for each in sys.meta_path):
        sys.meta_path.insert(0, _Greeting())


class _Greeting(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as Python does, and lets it say nothing while it is imported."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                sys.meta_path.remove(self)
                with quiet():
                    run(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


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


@contextlib.contextmanager
def ends_on_ctrl_c(sentence: str = STOPPED_WORDS, seconds: float = 3.0) -> Iterator[None]:
    """Sees that Ctrl-C ends the process, with a sentence and exit code 130, where a library swallows or delays it.

    Python raises `KeyboardInterrupt` in whatever runs: in a destructor, or in a converter's callbacks, it is ignored, a
    library may make an error of its own of it, and in a computation it waits. Files that are written whole or not at
    all bear the end.

    Args:
        sentence: what is said then; of a `KeyboardInterrupt` that arrives, whoever catches it says it.
        seconds: so long it may take to arrive.
    """
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python allows no handlers
        yield
        return
    waiting: list[threading.Timer] = []
    sys.stderr.flush()
    kept = os.dup(2)  # what goes on inside may be quiet

    def leave() -> None:
        os.write(kept, f"{sentence}\n".encode())
        os._exit(STOPPED)

    def asked(number, frame) -> None:
        timer = threading.Timer(seconds, leave)
        timer.daemon = True
        timer.start()
        waiting.append(timer)
        raise KeyboardInterrupt

    def unraisable(ignored) -> None:
        if not (waiting and issubclass(ignored.exc_type, KeyboardInterrupt)):
            hook(ignored)

    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    before = signal.signal(signal.SIGINT, asked)
    try:
        yield
    except Exception as error:
        # What a library makes of it that catches everything.
        if waiting:
            raise KeyboardInterrupt from error
        raise
    finally:
        for timer in waiting:
            timer.cancel()
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
        os.close(kept)
