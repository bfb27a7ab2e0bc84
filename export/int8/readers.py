"""Who reads a tensor with weights: the convolutions behind it, also through a concatenation or channel by channel."""

from typing import NamedTuple

import numpy as np

from export.int8.simulation import Simulation


class Reader(NamedTuple):
    """A convolution that reads a tensor, and where among its input channels.

    Attributes:
        number: of the operation.
        weights: the tensor of its kernels, whose last axis is the channels that it reads.
        offset: the tensor's first channel there.
        between: the numbers of the depthwise convolutions between, in order; they stand before the concatenations.
        joined: the numbers of the concatenations between, in order.
    """

    number: int
    weights: int
    offset: int
    between: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The number of the operation that reads the tensor itself."""
        return (*self.between, *self.joined, self.number)[0]


def readers(simulation: Simulation, tensor: int, past_depthwise: bool = True) -> list[Reader] | None:
    """All that reads a tensor, where that is convolutions only, at least one, and nobody sees the tensor itself.

    Args:
        past_depthwise: whether a depthwise convolution counts as what stands between, else as a reader.
    """
    found = []
    for number, (name, inputs, (after, *_), _) in enumerate(simulation.operations):
        if tensor not in inputs:
            continue
        if name == "CONCATENATION":
            behind = readers(simulation, after, past_depthwise)
            sides = [simulation.graph.tensors[index].shape[-1] for index in inputs[: inputs.index(tensor)]]
            if not behind or inputs.count(tensor) > 1 or any(reader.between for reader in behind):
                return None
            found += [
                reader._replace(offset=sum(sides) + reader.offset, joined=(number, *reader.joined)) for reader in behind
            ]
        elif name in ("CONV_2D", "TRANSPOSE_CONV"):
            found.append(Reader(number, inputs[1], 0))
        elif is_depthwise(simulation, number) and past_depthwise:
            behind = readers(simulation, after)
            if not behind:
                return None
            found += [reader._replace(between=(number, *reader.between)) for reader in behind]
        elif is_depthwise(simulation, number):
            found.append(Reader(number, inputs[1], 0))
        else:
            return None
    return found if tensor != simulation.output else None


def is_depthwise(simulation: Simulation, number: int) -> bool:
    """Whether an operation convolves each channel by itself, gives as many, and applies nothing to them."""
    name, inputs, (after, *_), options = simulation.operations[number]
    tensors = simulation.graph.tensors
    alike = name == "DEPTHWISE_CONV_2D" and tensors[inputs[0]].shape[-1] == tensors[after].shape[-1]
    return alike and len(inputs) > 2 and not options.fusedActivationFunction


def backwards(found: list[Reader]) -> list[Reader]:
    """Readers in an order in which channels can be put into their kernels: the other places stay where they are."""
    return sorted(found, key=lambda reader: -reader.offset)


def between(found: list[Reader]) -> list[int]:
    """The numbers of the depthwise convolutions before some readers, each once."""
    return list(dict.fromkeys(number for reader in found for number in reader.between))


def takes_shifts(simulation: Simulation, reader: Reader) -> bool:
    """Whether its bias can take off what was added to all that it reads: a border of zeros would not have it."""
    name, inputs, _, _ = simulation.operations[reader.number]
    return name == "CONV_2D" and len(inputs) > 2 and np.shape(simulation.constants[reader.weights])[1:3] == (1, 1)


def take_off(simulation: Simulation, constants: dict, reader: Reader, kernels: np.ndarray, added: np.ndarray) -> None:
    """Takes what was added to some channels off again, in the bias of the convolution that reads them.

    Args:
        constants: of the graph; changed.
        reader: one that `takes_shifts`.
        kernels: its weights for these channels, (O, 1, 1, C).
        added: (C,).
    """
    bias = simulation.operations[reader.number][1][2]
    constants[bias] = constants[bias] - kernels[:, 0, 0] @ added


def shifted(simulation: Simulation, found: list[Reader]) -> list[int]:
    """Of the depthwise convolutions before some readers, those whose bias all readers behind can take off."""
    behind = {number: [reader for reader in found if number in reader.between] for number in between(found)}
    return [
        number
        for number, own in behind.items()
        if all(reader.between[-1] == number and takes_shifts(simulation, reader) for reader in own)
    ]


def add_channels(simulation: Simulation, constants: dict, found: list[Reader], copied, biased) -> None:
    """Takes further channels of a tensor, behind its own, to its readers; their kernels there are the caller's.

    A convolution that reads the tensor at several places is among its readers as often: `backwards`.

    Args:
        constants: of the graph; changed.
        found: all that reads the tensor.
        copied: the channels that the further ones are copies of.
        biased: the numbers of the depthwise convolutions that add their bias to the further ones too.
    """
    graph = simulation.graph
    for number in between(found):
        weights, bias = simulation.operations[number][1][1:3]
        constants[weights] = np.concatenate([constants[weights], constants[weights][..., copied]], axis=-1)
        constants[bias] = np.concatenate([constants[bias], constants[bias][copied] * (number in biased)])
        _widen(graph, number, len(copied))
    # A concatenation gets them on every way that leads there, however many read it.
    ways = {(each.between, each.joined[: end + 1]) for each in found for end in range(len(each.joined))}
    for _, joined in ways:
        _widen(graph, joined[-1], len(copied))


def _widen(graph, number: int, channels: int) -> None:
    (after,) = graph.operations[number].outputs
    after.shape = (*after.shape[:-1], after.shape[-1] + channels)
