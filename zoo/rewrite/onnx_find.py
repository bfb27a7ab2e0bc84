"""What of an ONNX graph can move into LR space: each as LR convolutions of its groups, or as a shuffle."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from zoo.graphs.onnx_graph import OnnxGraph
from zoo.identities.axes import InLrSpace, along_axes
from zoo.identities.lr_convolution import Transposed, lr_convolution, resized_convolution
from zoo.identities.phases import Pair, pair
from zoo.rewrite.explanation import Row
from zoo.rewrite.onnx_constants import Constant
from zoo.rewrite.onnx_repeated import MOVES, Repeated, repeated
from zoo.rewrite.tflite_constants import Stays


class Enlargement(NamedTuple):
    """Nodes that are one LR convolution and a shuffle.

    Attributes:
        node: a ConvTranspose, or the Conv behind a Resize.
        enlargement: that Resize, or None where there is none.
        forms: the LR convolution of each group of channels; of a sequence the columns are its places, of one row.
        weights: their kernels, and the bias if there is one.
        spelt_out: what repeats pixels before a Conv where no Resize does.
    """

    node: Any
    enlargement: Any | None
    forms: list[InLrSpace]
    weights: Constant
    bias: Constant | None
    spelt_out: Repeated | None = None

    @property
    def image(self) -> str:
        """The name of what is read."""
        return self.spelt_out.source if self.spelt_out else (self.enlargement or self.node).input[0]

    @property
    def sequence(self) -> bool:
        """Whether it is one-dimensional."""
        return self.weights.values.ndim == 3


def deconvolution(graph: OnnxGraph, node: Any) -> Enlargement:
    """A ConvTranspose.

    Raises:
        Stays: it has no exact form in LR space.
    """
    options, held = graph.attributes(node), Constant(graph, node.input[1], axis=1)
    axes = held.values.ndim - 2
    if axes not in (1, 2):
        raise Stays("it is neither one- nor two-dimensional")
    ones, groups = [1] * axes, options.get("group", 1)
    strides, dilations = options.get("strides", ones), options.get("dilations", ones)
    sides = [(side - 1) * dilation + 1 for side, dilation in zip(held.values.shape[2:], dilations)]
    offsets, extras = _geometry(graph, node, options, strides, sides)
    weights = held.values
    if axes == 1:
        # A picture of one row.
        weights, strides, dilations, sides = weights[:, :, None], [1, *strides], [1, *dilations], [1, *sides]
        offsets, extras = (0, *offsets), (0, *extras)
    spread = np.zeros((*weights.shape[:2], *sides))
    spread[:, :, :: dilations[0], :: dilations[1]] = weights
    taps = np.zeros(sides, bool)
    taps[:: dilations[0], :: dilations[1]] = True
    # ONNX has (I, O / groups, Ky, Kx).
    kernels = np.split(spread.transpose(2, 3, 1, 0), groups, axis=3)
    if groups > 1 and held.per_channel:
        raise Stays("its groups share the scales of their channels")
    where = pair(offsets), pair(extras)
    if len(set(strides)) == 1:
        forms: list[InLrSpace] = [lr_convolution(Transposed(kernel, strides[0], *where, taps)) for kernel in kernels]
    else:
        forms = [along_axes(kernel, pair(strides), *where, taps) for kernel in kernels]
    return Enlargement(node, None, forms, held, _bias(graph, node))


def _geometry(graph: OnnxGraph, node: Any, options: dict, strides: list[int], sides: list[int]):
    """Rows and columns dropped at the start, and output less stride · input, per axis."""
    axes = len(sides)
    zeros, wanted, auto = [0] * axes, options.get("output_shape"), options.get("auto_pad", "NOTSET")
    pads, more = options.get("pads", 2 * zeros), options.get("output_padding", zeros)
    full = [side - stride + each for side, stride, each in zip(sides, strides, more)]
    if wanted is None and auto in ("NOTSET", "VALID"):
        before, after = (zeros, zeros) if auto == "VALID" else (pads[:axes], pads[axes:])
        return tuple(before), tuple(each - start - end for each, start, end in zip(full, before, after))
    extras = zeros
    if wanted is not None:
        given = graph.shape(node.input[0])[2:]
        known = [side for side in given if side is not None]
        if len(given) != axes or len(known) != axes:
            raise Stays("its output has one size and its input any")
        extras = [out - stride * side for out, stride, side in zip(wanted[-axes:], strides, known)]
    totals = [each - extra for each, extra in zip(full, extras)]
    if min(totals) < 0:
        raise Stays("its output is larger than what its taps reach, which runtimes place differently")
    if wanted is not None and any(total % 2 for total in totals):
        raise Stays("runtimes differ on which side an odd padding for output_shape goes")
    upper = auto != "SAME_LOWER"
    return tuple(total // 2 if upper else total - total // 2 for total in totals), tuple(extras)


def resized(graph: OnnxGraph, node: Any) -> Enlargement | None:
    """A Conv behind a nearest Resize, or behind what repeats pixels otherwise; None where neither stands before it.

    Raises:
        Stays: it has no exact form in LR space.
    """
    enlargement = graph.maker(node.input[0], "Resize", shared=True)
    spelt_out = repeated(graph, node.input[0]) if enlargement is None else None
    if enlargement is None and spelt_out is None:
        return None
    scale = spelt_out.scale if spelt_out else _scale(graph, enlargement)
    options, held = graph.attributes(node), Constant(graph, node.input[1])
    weights = held.values
    if weights.ndim != 4:
        raise Stays("it is not two-dimensional")
    if held.quantized:
        raise Stays("sums of its quantized taps may not fit in their type")
    if set(options.get("strides", [1, 1])) != {1}:
        raise Stays("its convolution has strides")
    dilation = tuple(options.get("dilations", [1, 1]))
    reach = [(side - 1) * step for side, step in zip(weights.shape[2:], dilation)]
    padding = padding_of(options, reach)
    # ONNX has (O, I / groups, Ky, Kx).
    kernels = np.split(weights.astype(np.float64).transpose(2, 3, 1, 0), options.get("group", 1), axis=3)
    forms: list[InLrSpace] = [
        lr_convolution(resized_convolution(kernel, "nearest", scale, dilation, padding)) for kernel in kernels
    ]
    return Enlargement(node, enlargement, forms, held, _bias(graph, node), spelt_out)


def padding_of(options: dict, reach: list[int]) -> tuple[Pair, Pair]:
    """Zeros (before, after) per axis of a Conv of stride 1 whose taps span `reach` pixels beyond the first."""
    auto, pads = options.get("auto_pad", "NOTSET"), options.get("pads", [0] * 4)
    if auto == "NOTSET":
        top, left, bottom, right = pads
        return (top, bottom), (left, right)
    ways: dict[str, Callable[[int], Pair]] = {"VALID": lambda r: (0, 0), "SAME_LOWER": lambda r: (r - r // 2, r // 2)}
    rows, columns = (ways.get(auto, lambda r: (r // 2, r - r // 2))(each) for each in reach)
    return rows, columns


def _scale(graph: OnnxGraph, node: Any) -> int:
    options, inputs = graph.attributes(node), [*node.input, "", "", ""]
    if options.get("mode", "nearest") != "nearest":
        raise Stays(f"{options['mode']} enlargement is the same inside the picture only")
    if options.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Stays("it keeps an aspect ratio")
    axes = options.get("axes", [0, 1, 2, 3])
    factors = graph.constant(inputs[2]) if inputs[2] else None
    if factors is None or factors.size == 0:
        sizes, given = graph.constant(inputs[3]) if inputs[3] else None, graph.shape(node.input[0])
        if sizes is None or len(given) != 4 or len(sizes) != len(axes) or None in [given[axis] for axis in axes]:
            raise Stays("its size is computed, or fixed for an input of any size")
        factors = sizes / np.asarray([given[axis] for axis in axes])
    named = {axis % 4: factor for axis, factor in zip(axes, factors, strict=False)}
    scale = int(named.get(3, 0))
    if scale < 2 or len(factors) != len(axes) or [named.get(axis, 1) for axis in range(4)] != [1, 1, scale, scale]:
        raise Stays("it does not enlarge both sides by one whole number")
    way = options.get("coordinate_transformation_mode", "half_pixel")
    rounding = options.get("nearest_mode", "round_prefer_floor")
    # Source: ONNX, operator Resize, coordinate_transformation_mode and nearest_mode. A half-pixel place is never a tie.
    places = np.arange(4 * scale) / scale
    if way in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        places = (np.arange(4 * scale) + 0.5) / scale - 0.5
    elif way != "asymmetric":
        raise Stays("it does not repeat each pixel alike")
    rounded = {"floor": np.floor, "ceil": np.ceil}.get(rounding, np.round)(places)
    if rounding.startswith("round") and way == "asymmetric":
        rounded = np.ceil(places - 0.5) if rounding == "round_prefer_floor" else np.floor(places + 0.5)
    if not np.array_equal(np.clip(rounded, 0, 3), np.arange(4 * scale) // scale):
        raise Stays("it does not repeat each pixel alike")
    return scale


def shuffle(graph: OnnxGraph, node: Any) -> tuple[list[Any], int, str] | None:
    """A Reshape, Transpose, Reshape that is a shuffle: its nodes, block and mode; None where it is none."""
    transpose = graph.maker(node.input[0], "Transpose")
    first = transpose and graph.maker(transpose.input[0], "Reshape")
    if not first:
        return None
    order = graph.attributes(transpose).get("perm")
    inner, before, after = (graph.shape(name) for name in (first.output[0], first.input[0], node.output[0]))
    modes = {(0, 3, 4, 1, 5, 2): ("DCR", 1), (0, 1, 4, 2, 5, 3): ("CRD", 2)}
    if tuple(order or ()) not in modes:
        return None
    if len(before) != 4 or len(inner) != 6:
        raise Stays("the sizes of its Reshape are computed")
    mode, place = modes[tuple(order or ())]
    block, channels, (height, width) = inner[place], inner[3 if mode == "DCR" else 1], before[2:]
    if block is None or channels is None or height is None or width is None:
        raise Stays("the sizes of its Reshape are computed")
    if before[1] is None or block != inner[place + 1]:
        raise Stays("the sizes of its Reshape are computed")
    if inner[4:] != [height, width] or before[1] != channels * block**2:
        return None
    if inner[0] != before[0] or after != [before[0], channels, block * height, block * width]:
        return None
    return [first, transpose, node], block, mode


def _bias(graph: OnnxGraph, node: Any) -> Constant | None:
    return Constant(graph, node.input[2]) if len(node.input) > 2 and node.input[2] else None


def why_not_moved(graph: OnnxGraph, node: Any) -> str:
    """Why no convolution takes a Resize in."""
    try:
        _scale(graph, node)
    except Stays as reason:
        return str(reason)
    readers = graph.readers(node.output[0])
    behind = [reader for each in readers or [] for name in each.output for reader in graph.readers(name) or []]
    if readers and {each.op_type for each in (*readers, *behind)} == {"QuantizeLinear", "DequantizeLinear"}:
        return (
            "its repeated pixels are quantized once more: sums of a convolution's integer taps need not fit in 8 bits"
        )
    kinds = "a subgraph or an output" if readers is None else ", ".join(each.op_type for each in readers)
    return f"what reads it is no convolution that can take it in: {kinds}"


def left_copies(graph: OnnxGraph) -> list[Row]:
    """A row for pixels that are repeated without a Resize, and that no Conv reads."""
    ends = [(node, name) for node in graph.graph.node if node.op_type not in (*MOVES, "Conv") for name in node.input]
    note = "what reads it is no convolution that can take it in"
    return [
        Row(name, f"pixels repeated ×{found.scale}", note=f"{note}: {node.op_type}")
        for node, name in ends
        if (found := repeated(graph, name)) is not None
    ]


def hidden(graph: OnnxGraph, kinds: tuple[str, ...]) -> list[Row]:
    """Rows of what is in subgraphs and the model's own functions."""
    note = "it is in a subgraph or function, which are left alone"
    return [
        Row(node.name or node.output[0], node.op_type, note=note) for node in graph.hidden() if node.op_type in kinds
    ]
