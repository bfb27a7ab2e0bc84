"""A `.keras` file: opened and run once in a process of its own, then read in safe mode.

Keras believes what a file says of its sizes: one changed number may take the machine's memory, end the process or keep
it busy without end. `python -m zoo.keras_file` imports Keras once and tries each file in a copy of itself.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError
from zoo.program import quiet_tensorflow, this_python

if TYPE_CHECKING:
    import keras

# Where a side is free, px.
FREE = 24
# What a file may take, bytes: so much, and so many times its own size, weights being read, built and computed with.
MEMORY, TIMES = 4 << 30, 8
SECONDS = 120
# What has nothing to do need not take memory, seconds.
IDLE = 5


def opened(path: Path, own: bool = False) -> "keras.Model":
    """The model of a file that is there.

    Args:
        own: this process has written it: it need not be tried.

    Raises:
        UsageError: it does harm, is no whole `.keras` file of known layers, or has weights that are not finite.
    """
    # Windows has no copies of a process, and a program that Python is built into has no Python to start.
    possible = sys.platform != "win32" and bool(sys.executable)
    tried = _TRIAL.of(path) if possible and not own else contextlib.nullcontext(lambda: "")
    with tried as result:
        # That process imports Keras while this one does.
        import keras

        import zoo.layers  # noqa: F401 — registers the layers that the file may name

        if reason := result():
            raise UsageError(f"Expected a .keras file that can be run. Received: {path.name}: {reason}")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    # zipfile's, h5py's, Keras' and TensorFlow's own kinds: a damaged file fails in any way.
    except Exception as error:
        # Keras wraps what it stumbled over: the innermost error names the layer, in its first sentence.
        cause: BaseException = error
        while following := cause.__cause__ or cause.__context__:
            cause = following
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__).split(". ")[0]
        raise UsageError(f"Expected a .keras file of known layers. Received: {path.name}: {reason}") from error
    check_finite(model, path.name)
    return model


def check_finite(model: "keras.Model", name: str) -> None:
    """Sees that no weight is infinite or no number.

    Raises:
        UsageError: one is; the first such variable is named.
    """
    from keras import ops

    for variable in model.variables:
        if "float" in str(variable.dtype) and not ops.convert_to_numpy(ops.all(ops.isfinite(variable.value))):
            raise UsageError(f"Expected finite weights. Received: {name}: {variable.path} is not finite")


class _Trial:
    """The process in whose copies files are tried, one after the other."""

    def __init__(self):
        self.process: Any = None
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def of(self, path: Path) -> Iterator[Callable[[], str]]:
        """Has a file tried; gives the function that waits for why it must not be opened, "" if nothing speaks against.

        What Keras refuses in an error is no reason: this process may know layers that are strange to that one.
        """
        with self.lock:
            self._ask(path)
            asked = True

            def result() -> str:
                nonlocal asked
                line = self.process.stdout.readline()
                if not line:
                    # It had ended, having had nothing to do; or it cannot run, as this one will say.
                    self._ask(path, anew=True)
                    line = self.process.stdout.readline()
                asked = False
                return reason_of(int(line or 0))

            try:
                yield result
            finally:
                if asked:
                    # Its answer would be taken for the next one's.
                    self.process.kill()
                    self.process.wait()

    def _ask(self, path: Path, anew: bool = False) -> None:
        if anew or self.process is None or self.process.poll() is not None:
            python, environment = this_python()
            # It needs no accelerator, whose memory may be this process's alone.
            environment |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
            if "keras" in sys.modules:
                environment["KERAS_BACKEND"] = sys.modules["keras"].config.backend()
            self.process = subprocess.Popen(
                [*python, "-m", "zoo.keras_file", str(IDLE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                text=True,
            )
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(os.fspath(path.resolve())), file=self.process.stdin, flush=True)


def reason_of(status: int) -> str:
    """What a copy's end says against its file."""
    if not os.WIFSIGNALED(status):
        return "it takes more memory than its size explains" if os.WEXITSTATUS(status) == _GREEDY else ""
    name = signal.Signals(os.WTERMSIG(status)).name
    return f"it is not done after {SECONDS} s" if name == "SIGALRM" else f"it ends the process that opens it ({name})"


_TRIAL = _Trial()
_GREEDY = 4


def _bounded(size: int) -> None:
    """Bounds this process's memory and time."""
    import resource

    bound = MEMORY + TIMES * size
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    signal.alarm(SECONDS)


def _try(path: Path) -> int:
    """Opens and runs a file; the process may die of it."""
    import keras

    import zoo.layers  # noqa: F401

    try:
        _bounded(path.stat().st_size)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        sides = [[FREE if side is None else side for side in each.shape[1:]] for each in model.inputs]
        images = [
            keras.ops.zeros((1, *sides_of), each.dtype) for sides_of, each in zip(sides, model.inputs, strict=True)
        ]
        model(images[0] if len(images) == 1 else images, training=False)
    except MemoryError:
        return _GREEDY
    except Exception as error:
        greedy = "ResourceExhausted" in type(error).__name__ or "allocat" in str(error) or "OOM" in str(error)
        return _GREEDY if greedy else 0
    return 0


def main(idle: float) -> int:
    """Tries the files whose paths come, a line of JSON each, and answers with how each one's copy ended."""
    quiet_tensorflow(3)
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import keras  # noqa: F401

    import zoo.layers  # noqa: F401

    while select.select([sys.stdin], [], [], idle)[0] and (line := sys.stdin.readline()):
        child = os.fork()
        if child == 0:
            os._exit(_try(Path(json.loads(line))))
        print(os.waitpid(child, 0)[1], file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
