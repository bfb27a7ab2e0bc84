"""How far a rewritten ONNX model is from its original, in onnxruntime, on random inputs."""

from typing import Any, NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.graphs.apart import farthest, range_of, share_of_range
from zoo.graphs.onnx_graph import package
from zoo.graphs.sizes import fitting

# Of an output's range; half precision rounds its sums in either order.
ALLOWED = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12, np.dtype(np.float16): 4e-3}
# Sides of what a file leaves free, by axis; odd and different.
_SIZES = ((2, 3, 23, 18), (1, 3, 14, 37))
# Where a quantized value ends up an engine may round to the next level; these hand levels on as they are.
_HAND_ON = {"Slice", "DepthToSpace", "Reshape", "Transpose", "Identity", "Clip", "Relu"}
_TYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_TYPES |= {"tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
# Places in a table, a number of times, a choice: 0 or 1.
_CHOICES: dict[str, Any] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}
_INPUTS = 3
_WHOLE_SUMS = "session.x64quantprecision"
# In the names of the operators that compute with levels, ONNX' and onnxruntime's.
_OF_LEVELS = (b"uantize", b"Integer", b"QLinear", b"QGemm", b"QAttention")


class Difference(NamedTuple):
    """The largest of all values of all outputs, over several random inputs of one size; a part of the range.

    Attributes:
        size: the first input's.
        value, allowed: the difference, with 8-bit sums held whole, and what it may be.
        by_default: the difference as onnxruntime runs the result if nothing is set, 0 where each output is within its
            own limit. Without VNNI an x86 processor adds pairs of 8-bit products in 16 bits, where large ones are cut
            off (onnxruntime, "Quantize ONNX models").
    """

    size: tuple[int, ...]
    value: float
    allowed: float
    by_default: float

    def __str__(self) -> str:
        size = "×".join(map(str, self.size))
        said = f"onnxruntime, {size}: largest difference {self.value:.1e} of the output's range"
        if not self.by_default or self.value > self.allowed:
            return said
        return (
            f"{said}; {self.by_default:.1e} unless {_WHOLE_SUMS} is set to 1, "
            "as this processor cuts off sums of 8-bit products"
        )


def differences(before: bytes, after: bytes) -> list[Difference]:
    """Compares two models of the same inputs and outputs.

    Returns:
        One entry for each of two sizes, or for the file's own.

    Raises:
        UsageError: onnxruntime is not installed, or does not run one of them, or an input is of another type.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UsageError(
            "Expected onnxruntime to compare ONNX files (pip install 'subpixel-zoo[onnx]'). Received: no such package"
        ) from None

    def session(content: bytes, whole_sums: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry(_WHOLE_SUMS, whole_sums)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    try:
        sessions = [session(before, "1"), session(after, "1")]
        # Without sums of 8-bit products the default is the same.
        if any(word in after for word in _OF_LEVELS):
            sessions.append(session(after, "0"))
        free = any(not isinstance(side, int) for each in sessions[0].get_inputs() for side in each.shape)
        levels = _levels(before)
        sizes = (
            fitting(_SIZES, 2, lambda size: sessions[0].run(None, _noise(sessions[0], size, 0))) if free else _SIZES[:1]
        )
        return [_difference(sessions, size, levels) for size in sizes]
    except UsageError:
        raise
    except Exception as error:  # onnxruntime's errors have no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"Expected an ONNX model that onnxruntime runs, to compare. Received: {reason}") from error


def _levels(content: bytes) -> list[float]:
    """For each output how much one level is of it: 0 where it is not quantized."""
    onnx = package()
    graph = onnx.load_model_from_string(content).graph
    makers = {name: node for node in graph.node for name in node.output}
    held = {each.name: each for each in graph.initializer}
    levels = []
    for output in graph.output:
        node = makers.get(output.name)
        while node is not None and node.op_type in _HAND_ON:
            node = makers.get(node.input[0])
        level = 0.0
        if node is not None and node.op_type == "DequantizeLinear" and node.input[1] in held:
            level = float(np.max(onnx.numpy_helper.to_array(held[node.input[1]])))
        if node is not None and node.op_type == "QuantizeLinear":
            level = 1.0
        levels.append(level)
    return levels


def _difference(sessions: list[Any], sizes: tuple[int, ...], levels: list[float]) -> Difference:
    found: list[tuple[float, float]] = []
    by_default = 0.0
    size: tuple[int, ...] = ()
    for seed in range(_INPUTS):
        feed = _noise(sessions[0], sizes, seed)
        size = size or next((values.shape for values in feed.values()), ())
        outputs = [session.run(None, feed) for session in sessions]
        for expected, received, default, level in zip(outputs[0], outputs[1], outputs[-1], levels, strict=True):
            allowed = max(ALLOWED.get(expected.dtype, 0.0), 1.01 * level / range_of(expected))
            found.append((_apart(expected, received), allowed))
            if (unset := _apart(expected, default)) > allowed:
                by_default = max(by_default, unset)
    return Difference(size, *farthest(found), by_default)


def _apart(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.shape != received.shape:
        return float("inf")
    return float(share_of_range(expected, received).max(initial=0.0))


def _noise(session: Any, sizes: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """An input for each of a model's; `sizes` are those of free sides, by axis.

    Raises:
        UsageError: an input of another type.
    """
    rng, feed = np.random.default_rng(seed), {}
    named: dict[Any, int] = {}
    for each in session.get_inputs():
        if each.type not in _TYPES | _CHOICES:
            raise UsageError(
                f"Expected inputs of floats, integers or booleans, to compare. Received: {each.name!r} of {each.type}"
            )
        # Free sides of one name are one size.
        free = [sizes[axis % 4] for axis in range(len(each.shape))]
        shape = [
            side if isinstance(side, int) else named.setdefault(side or (each.name, axis), free[axis])
            for axis, side in enumerate(each.shape)
        ]
        kind = np.dtype((_TYPES | _CHOICES)[each.type])
        most = 2 if each.type in _CHOICES else 128
        feed[each.name] = (rng.random(shape) if kind.kind == "f" else rng.integers(0, most, shape)).astype(kind)
    return feed
