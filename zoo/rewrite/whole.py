"""HR convolutions moved into LR space too: a network that upsamples first as one that upsamples last.

A proof of containment, built and countable (arXiv 1609.07009, section 3), and no way to speed: the LR kernels hold each
HR weight up to scale² times and zeros in between.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo import identities
from zoo import layers as zoo_layers
from zoo.identities.lr_convolution import LrConvolution, keras_transposed, lr_convolution, resized_convolution
from zoo.identities.phases import pair
from zoo.rewrite import replace
from zoo.rewrite.containment import Contained, contain_convolution, contain_upsampling
from zoo.rewrite.copies import clone
from zoo.rewrite.explanation import Row
from zoo.rewrite.find import Moved
from zoo.rewrite.graph import Graph, Node, array
from zoo.rewrite.plan import Plan, Swapped
from zoo.rewrite.pointwise import is_activation, is_function_of_one_value, is_per_channel
from zoo.rewrite.rebuild import Rebuild
from zoo.rewrite.rows import row_of, row_of_contained, row_that_stays
from zoo.targets.choice import EVERYTHING

MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)


@dataclass
class Phases:
    """An HR tensor held in LR space: its channels are those of the parts, each part scale²·C maps."""

    parts: list[keras.KerasTensor]
    scale: int

    @property
    def maps(self) -> list[int]:
        """HR maps of each part."""
        return [part.shape[-1] // self.scale**2 for part in self.parts]


class Whole(Rebuild):
    """Rebuilds graphs with everything after an upsampling in LR space, as far as it goes; `rows` says how far."""

    def __init__(self, graphs: list[Graph], plan: Plan, kept: Sequence[keras.layers.Layer] = ()):
        super().__init__(graphs, plan, kept)
        self.rows: list[Row] = []
        self._paths = {id(node): graph.path for graph in graphs for node in graph.nodes}
        self._calls = Counter(id(node.operation) for graph in graphs for node in graph.nodes)
        # What happens to a layer that this room leaves to the ordinary rewrite.
        self._ordinary = {id(each.node): each for each in plan.decided}
        self._shuffled: dict[int, keras.KerasTensor] = {}

    def call(self, node: Node, known: dict):
        layer, replaced = node.operation, self._plan.replaced.get(id(node))
        reads = replaced.reads if replaced is not None else node.input_tensors
        in_lr = any(isinstance(known[id(tensor)], Phases) for tensor in reads)
        result = self._in_phases(node, replaced, known, in_lr)
        if result is not None:
            return result
        path = self._paths[id(node)]
        if id(node) in self._ordinary:
            self.rows.append(row_of(self._ordinary[id(node)], EVERYTHING))
        elif in_lr and id(layer) not in self._graphs:
            shared = self._calls[id(layer)] > 1 and getattr(layer, "weights", [])
            reason = "shares its weights between calls" if shared else "has no form in LR space"
            self.rows.append(row_that_stays(path, layer, f"{reason}: the shuffle comes before it"))
        return super().call(node, {**known, **{id(tensor): self.hr(tensor, known) for tensor in reads}})

    def _in_phases(self, node: Node, replaced, known: dict, in_lr: bool):
        """The call's result held as phases (or what a layer that mixes maps makes of it); None where it cannot be."""
        layer = node.operation
        if self._calls[id(layer)] > 1 and getattr(layer, "weights", []):
            return None
        if isinstance(replaced, Moved):
            return self._upsample(replaced, known)
        value = known[id(node.input_tensors[0])]
        if isinstance(replaced, Swapped) or isinstance(layer, (zoo_layers.Upsampler, zoo_layers.FixedUpsampler)):
            return self._upsample_by_layer(node, replaced, value)
        if not in_lr:
            return None
        if type(layer) is keras.layers.Conv2D:
            return self._convolve(node, value)
        if type(layer) in MERGES or type(layer) is keras.layers.Concatenate:
            return self._merge(node, [known[id(tensor)] for tensor in node.input_tensors])
        if is_per_channel(layer) or type(layer) is keras.layers.Dropout:
            return self._per_channel(node, value)
        return None

    def output(self, tensor, known: dict):
        return self.hr(tensor, known)

    def hr(self, tensor, known: dict):
        """The HR tensor itself; where it is held as phases, shuffled, under the name of the layer that gave it."""
        value = known[id(tensor)]
        if not isinstance(value, Phases):
            return value
        if id(tensor) not in self._shuffled:
            self._shuffled[id(tensor)] = self._shuffle(tensor._keras_history.operation, value)
        return self._shuffled[id(tensor)]

    def _shuffle(self, layer, value: Phases):
        own = isinstance(layer, keras.layers.Layer) and self._calls[id(layer)] == 1
        name = layer.name if own else self.names.fresh(f"{layer.name}_hr")
        alone = len(value.parts) == 1
        shuffled = []
        for part in value.parts:
            part_name = name if alone else self.names.fresh(f"{layer.name}_shuffle")
            shuffled.append(zoo_layers.DepthToSpace(value.scale, name=part_name, dtype=_policy(layer))(part))
        return shuffled[0] if alone else keras.layers.Concatenate(name=name, dtype=_policy(layer))(shuffled)

    def _upsample(self, moved: Moved, known: dict) -> Phases | None:
        """A transposed convolution, or an enlargement with its convolution and what stood beside it in HR space."""
        if any(any(term.transposed.extras) for term in moved.terms):
            return None
        sources = []
        for term in moved.terms:
            value = known[id(term.tensor)]
            for node in term.between:
                value = self.call(node, {**known, id(node.input_tensors[0]): value})
            sources.append(value)
        scales = {_scale(value) for value in sources}
        if len(scales) > 1:
            return None
        (inner,) = scales
        scale, layer, sums = inner * moved.scale, moved.layer, []
        for term, value in zip(moved.terms, sources):
            lr = lr_convolution(term.transposed, crop=False)
            sums.append((value, contain_upsampling(lr, inner, _maps(value))))
        kernel = moved.rest_kernel
        if kernel is not None:
            held = self._all_held([known[id(tensor)] for tensor in moved.rest], scale, layer)
            if held is None:
                return None
            rest = Phases([part for each in held for part in each.parts], scale)
            before = _zeros_before(kernel, layer.dilation_rate)
            sums.append((rest, contain_convolution(kernel, scale, rest.maps, before, layer.dilation_rate)))
        return self._finish(moved.node, sums, scale, moved.scale)

    def _upsample_by_layer(self, node: Node, replaced: Swapped | None, value) -> Phases | None:
        """The zoo's layers and enlargements without a convolution."""
        layer = replaced.make("unused") if isinstance(replaced, Swapped) else node.operation
        scale, inner = layer.scale, _scale(value)
        if isinstance(layer, zoo_layers.Upsampler):
            kernel = array(node.operation.kernel)
            lr = lr_convolution(
                resized_convolution(kernel, "nearest", scale)
                if isinstance(layer, zoo_layers.ResizeUpsampler)
                else keras_transposed(kernel, scale, "same", None),
                crop=False,
            )
            return self._finish(node, [(value, contain_upsampling(lr, inner, _maps(value)))], scale * inner, scale)
        kernel = identities.interpolation_to_subpixel(layer.method, scale, sum(_maps(value)), cubic=layer.cubic)
        if layer.method == "nearest":
            ones = np.ones((1, 1, 1, scale**2))
            lr = LrConvolution(kernel, scale, ((0, 0), (0, 0)), ((0, 0), (0, 0)), ones)
            contained = contain_upsampling(lr, inner, _maps(value))
            return self._finish(node, [(value, contained)], scale * inner, scale, trainable=False)
        if inner > 1 or layer.border == "renormalise":
            return None
        radius = identities.interpolation_window(layer.method, scale).before
        # Mirrored at once, or the edge repeated by mirroring one pixel at a time.
        for pixels in [radius] if layer.border == "mirror" else [1] * radius:
            sides = (pixels, pixels)
            value = keras.ops.pad(value, [(0, 0), sides, sides, (0, 0)], mode="symmetric")
        contained = Contained(kernel, ((0, 0), (0, 0)), 1, 0, kernel.shape[0] ** 2 * scale**2)
        return self._finish(node, [(value, contained)], scale, scale, trainable=False)

    def _convolve(self, node: Node, value: Phases) -> Phases | None:
        layer = node.operation
        keeps_size = layer.padding == "same" or max(layer.kernel_size) == 1
        if not keeps_size or tuple(layer.strides) != (1, 1) or layer.groups != 1:
            return None
        kernel = array(layer.kernel)
        before = _zeros_before(kernel, layer.dilation_rate)
        contained = contain_convolution(kernel, value.scale, value.maps, before, layer.dilation_rate)
        return self._finish(node, [(value, contained)], value.scale, 1)

    def _finish(self, node: Node, sums: list, scale: int, enlarges: int, trainable: bool = True):
        """The sum of convolutions in LR space, then bias and activation."""
        layer = node.operation
        bias = array(layer.bias) if getattr(layer, "bias", None) is not None else None
        activation = getattr(layer, "activation", None) or keras.activations.linear
        pointwise = is_function_of_one_value(activation)
        results = []
        for number, (value, contained) in enumerate(sums):
            cascade = replace.Cascade(layer, self.names)
            replace.add_convolution(
                cascade,
                "lr" if len(sums) == 1 else f"lr_{number + 1}",
                contained.kernel,
                contained.pads,
                np.tile(bias, scale**2) if bias is not None and number == 0 else None,
                activation=activation if pointwise and len(sums) == 1 else None,
                trainable=trainable and layer.trainable,
                groups=contained.groups,
            )
            results.append(cascade(self._joined(value, layer), last=False))
        self.rows.append(row_of_contained(self._paths[id(node)], layer, sums, scale, enlarges))
        end = replace.Cascade(layer, self.names)
        result = results[0]
        if len(sums) > 1:
            result = results
            end.add("sum", keras.layers.Add)
            if pointwise and activation is not keras.activations.linear:
                replace.add_activation(end, activation)
        if pointwise:
            return Phases([end(result, last=False)], scale)
        # The activation looks at the maps of a pixel together, and they lie apart in LR space.
        end.add("shuffle", zoo_layers.DepthToSpace, scale=scale)
        replace.add_activation(end, activation)
        return end(result)

    def _merge(self, node: Node, values: list) -> Phases | None:
        scales = {value.scale for value in values if isinstance(value, Phases)}
        if len(scales) != 1:
            return None
        (scale,) = scales
        layer = node.operation
        held = self._all_held(values, scale, layer)
        if held is None:
            return None
        if type(layer) is keras.layers.Concatenate:
            if layer.axis not in (-1, 3):
                return None
            return Phases([part for each in held for part in each.parts], scale)
        if any(each.maps != held[0].maps or len(each.parts) > 1 for each in held):
            return None
        return Phases([self._in_lr(layer)([each.parts[0] for each in held])], scale)

    def _per_channel(self, node: Node, value: Phases) -> Phases | None:
        layer = node.operation
        if is_activation(layer) or not getattr(layer, "weights", []):
            new = self._in_lr(layer)
            return Phases([new(part) for part in value.parts], value.scale)
        if len(value.parts) > 1:
            return None
        new = self._in_lr(layer)
        result = new(value.parts[0])
        new.set_weights([np.tile(w, [1] * (w.ndim - 1) + [value.scale**2]) for w in layer.get_weights()])
        return Phases([result], value.scale)

    def _in_lr(self, operation):
        """A copy of an operation; a layer's under another name, since its own stands for an HR tensor."""
        named = isinstance(operation, keras.layers.Layer)
        return clone(operation, self.names.fresh(f"{operation.name}_lr") if named else None)

    def _joined(self, value, layer):
        """All maps of a tensor in one LR tensor."""
        parts = value.parts if isinstance(value, Phases) else [value]
        if len(parts) == 1:
            return parts[0]
        name = self.names.fresh(f"{layer.name}_maps")
        return keras.layers.Concatenate(axis=-1, name=name, dtype=_policy(layer))(parts)

    def _all_held(self, values: list, scale: int, layer) -> list[Phases] | None:
        """HR tensors as phases; None where one cannot be."""
        held = [self._held(value, scale, layer) for value in values]
        return None if None in held else [each for each in held if each is not None]

    def _held(self, value, scale: int, layer) -> Phases | None:
        """An HR tensor as phases; None where it is held at another scale or is broadcast along a picture's axis."""
        if isinstance(value, Phases):
            return value if value.scale == scale else None
        if len(value.shape) != 4 or any(side is not None and side % scale for side in value.shape[1:3]):
            return None
        name = self.names.fresh(f"{layer.name}_phases")
        return Phases([zoo_layers.SpaceToDepth(scale, name=name, dtype=_policy(layer))(value)], scale)


def _policy(layer):
    return getattr(layer, "dtype_policy", None)


def _scale(value) -> int:
    return value.scale if isinstance(value, Phases) else 1


def _maps(value) -> list[int]:
    return value.maps if isinstance(value, Phases) else [value.shape[-1]]


def _zeros_before(kernel: np.ndarray, dilation) -> tuple[int, int]:
    """Zeros before the first row and column with padding 'same'."""
    return pair(rate * (side - 1) // 2 for rate, side in zip(dilation, kernel.shape[:2]))
