"""A stranger's TFLite or ONNX file opened and run once in a process of its own, before it runs in the command's.

An interpreter written for speed believes what a file says: one changed number may end the process, take the machine's
memory or never come to an end. `python -m zoo.graphs.trial KIND` is that process; the file comes on its standard input.
"""

import contextlib
import functools
import signal
import subprocess
import sys
from collections.abc import Callable

from zoo.errors import UsageError
from zoo.graphs.tflite import parse
from zoo.program import this_python

# Where a size is free; odd ones are tried when the network is opened.
FREE = 24
# What a file may take: so much, and so much more for each px of its input, bytes.
MEMORY, MEMORY_A_PIXEL = 2 << 30, 4096
SECONDS = 120
_FAILED, _GREEDY = 3, 4


def survive(content: bytes, name: str, runs: bool = True) -> None:
    """Sees that a file can be run.

    Args:
        content: a TFLite file's bytes.
        name: what to call it.
        runs: False where a file will do that an interpreter refuses in a sentence, one with operations of others, say.

    Raises:
        UsageError: it ends the process that runs it, takes more memory than its size explains, or does not end.
    """
    harmless, reason = _in_order(content, name) or tried("tflite", content)
    if reason and (runs or not harmless):
        raise UsageError(f"Expected a TFLite file that can be run. Received: {name}: {reason}")


def survive_onnx(content: bytes, name: str) -> None:
    """Sees that an ONNX file does no harm to the process that runs it in onnxruntime, where that is installed.

    Raises:
        UsageError: it ends the process, takes more memory than its size explains, or does not end.
    """
    harmless, reason = tried("onnx", content)
    if reason and not harmless:
        raise UsageError(f"Expected an ONNX file that can be run. Received: {name}: {reason}")


def _in_order(content: bytes, name: str) -> tuple[bool, str] | None:
    """Whether something reads what no operation before it writes, as interpreters do not ask; None if nothing does.

    Raises:
        UsageError: no TFLite file, or a damaged one.
    """
    for graph in parse(content, name).graphs:
        written = {*graph.inputs, None}
        for operation in graph.operations:
            for tensor in operation.inputs:
                # A list of no entries, the shape of a single number say, needs no bytes.
                if tensor not in written and not (tensor.constant or 0 in tensor.shape or tensor.raw.isVariable):
                    return False, f"{operation.name} reads {tensor.name!r} before it is written"
            written |= {*operation.outputs}
    return None


# A file is opened several times in one command; the reasons are short, the files small.
@functools.lru_cache(8)
def tried(kind: str, content: bytes) -> tuple[bool, str]:
    """Whether the interpreter itself ended it, if it was ended, and why; "" if it was not."""
    if not sys.executable:
        return True, ""
    python, environment = this_python()
    try:
        done = subprocess.run(
            [*python, "-m", "zoo.graphs.trial", kind],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False, f"it is not done after {SECONDS} s"
    if done.returncode < 0:
        return False, f"it ends the process that runs it ({signal.Signals(-done.returncode).name})"
    # Windows has a number in place of a signal; and a library may call exit.
    if done.returncode not in (0, _FAILED, _GREEDY):
        return False, f"it ends the process that runs it (exit code {done.returncode:#x})"
    return done.returncode != _GREEDY, done.stdout.decode(errors="replace").strip()


def _limit(pixels: int) -> int:
    """Bounds this process's memory; returns the bound."""
    bound = MEMORY + MEMORY_A_PIXEL * pixels
    # Not on Windows.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    return bound


def main(kind: str) -> int:
    """The process that may die."""
    content = sys.stdin.buffer.read()
    _limit(0)
    return {"tflite": _tflite, "onnx": _onnx}[kind](content)


def _tflite(content: bytes) -> int:
    # Where it is not installed it does not run in the command's process either.
    try:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=content, num_threads=1)
        details = interpreter.get_input_details()
        # The first axis is the batch.
        shapes = [
            [int(side) if side >= 0 else FREE if axis else 1 for axis, side in enumerate(detail["shape_signature"])]
            for detail in details
        ]
    # What is no file for an interpreter is refused in a sentence of its own where it is opened.
    except Exception:
        return 0

    def run() -> None:
        for detail, shape in zip(details, shapes):
            if list(detail["shape"]) != shape:
                interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            interpreter.get_tensor(detail["index"])

    return _run(run, _limit(sum(shape[1] * shape[2] for shape in shapes if len(shape) == 4)))


def _onnx(content: bytes) -> int:
    import numpy as np

    # Where it is not installed it does not run in the command's process either.
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        types = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(float16)": "f2", "tensor(int64)": "i8"}
        types |= {"tensor(uint8)": "u1", "tensor(int8)": "i1", "tensor(int32)": "i4", "tensor(bool)": "?"}
        feed = {}
        for each in session.get_inputs():
            # The first axis is the batch here too; the others are odd enough where they are tried again.
            shape = [side if isinstance(side, int) else FREE if axis else 1 for axis, side in enumerate(each.shape)]
            feed[each.name] = np.zeros(shape, types[each.type])
    except Exception:
        return 0
    return _run(lambda: session.run(None, feed), _limit(sum(array.size for array in feed.values())))


def _run(run: Callable[[], object], bound: int) -> int:
    try:
        run()
    except Exception as error:
        # Engines have names of their own for it.
        if isinstance(error, MemoryError) or "alloc" in str(error):
            print(f"it takes more than {bound / 2**30:.1f} GiB")
            return _GREEDY
        print((str(error).strip().splitlines() or [type(error).__name__])[0])
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
