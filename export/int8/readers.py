"""Who reads a tensor with weights: the convolutions behind it, also through a concatenation."""

from typing import NamedTuple

from export.int8.simulation import Simulation


class Reader(NamedTuple):
    """A convolution that reads a tensor, and where among its input channels.

    Attributes:
        number: of the operation.
        weights: the tensor of its kernels, whose last axis is the channels that it reads.
        offset: the tensor's first channel there.
        joined: the numbers of the concatenations between, in order.
    """

    number: int
    weights: int
    offset: int
    joined: tuple[int, ...] = ()


def readers(simulation: Simulation, tensor: int) -> list[Reader] | None:
    """All that reads a tensor, where that is convolutions only, at least one, and nobody sees the tensor itself."""
    found = []
    for number, (name, inputs, (after, *_), _) in enumerate(simulation.operations):
        if tensor not in inputs:
            continue
        if name == "CONCATENATION":
            behind = readers(simulation, after)
            sides = [simulation.graph.tensors[index].shape[-1] for index in inputs[: inputs.index(tensor)]]
            if not behind or inputs.count(tensor) > 1:
                return None
            found += [
                reader._replace(offset=sum(sides) + reader.offset, joined=(number, *reader.joined)) for reader in behind
            ]
        elif name in ("CONV_2D", "TRANSPOSE_CONV"):
            found.append(Reader(number, inputs[1], 0))
        else:
            return None
    return found if tensor != simulation.output else None


def widen(simulation: Simulation, reader: Reader, channels: int) -> None:
    """Says in the shapes of the concatenations between that so many channels are added."""
    for number in reader.joined:
        (joined,) = simulation.graph.operations[number].outputs
        joined.shape = (*joined.shape[:-1], joined.shape[-1] + channels)
