"""Linear operations in a row and side by side that are one convolution, whatever the format of their network.

A format says what each of its operations is (`Step`); here they are followed back from each end and joined with
`zoo.identities.collapse`, as long as that is exact and multiplies no more than before.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from zoo.errors import one_of
from zoo.identities import collapse
from zoo.identities.collapse import Collapsed, Convolution
from zoo.rewrite.explanation import Row

BORDERS = ("exact", "interior")
# A tensor as a format holds it, or a name that stands for one.
Value: TypeAlias = Any


class Step(NamedTuple):
    """A linear operation.

    Attributes:
        name: for people.
        output: the tensor that it gives.
        reads: the tensor that it reads, or those that it adds.
        convolution: what it does with the one; None where it adds.
        cost: its multiplications a pixel.
        once: whether one other operation reads its output, and nothing else.
        activated: whether an activation is part of it, so that nothing that follows can be joined.
    """

    name: str
    output: Value
    reads: tuple[Value, ...]
    convolution: Convolution | None
    cost: int = 0
    once: bool = True
    activated: bool = False


class Run(NamedTuple):
    """Several steps that are one convolution.

    Attributes:
        source: the tensor that it reads.
        convolution: of that tensor less `shift`.
        shift: a value a channel that is taken off the source first, so that zeros around it carry a bias; or None.
        steps: what it replaces, the last one first.
        ring: whether pixels along the border differ.
    """

    source: Value
    convolution: Convolution
    shift: np.ndarray | None
    steps: tuple[Step, ...]
    ring: tuple = ((0, 0), (0, 0))

    @property
    def cost(self) -> int:
        """Multiplications a pixel of what it replaces."""
        return sum(step.cost for step in self.steps)

    @property
    def exact(self) -> bool:
        """Whether every pixel is the same."""
        return not np.any(self.ring)


class Apart(NamedTuple):
    """A step that stays a convolution of its own behind a run.

    Attributes:
        reason: why, in words.
    """

    step: Step
    convolution: Convolution
    before: Run
    reason: str


def runs(steps: Iterable[Step], border: str = "exact") -> tuple[list[Run], list[Apart]]:
    """What can be one convolution.

    Args:
        steps: all linear operations of a graph, in order.
        border: `"exact"`, or `"interior"` to join k×k with k×k too, which differs in a ring along the border.

    Returns:
        The runs of two steps and more, and each place where two convolutions stay apart.

    Raises:
        UsageError: an unknown `border`.
    """
    one_of("collapse", border, BORDERS)
    steps = list(steps)
    followed = _Followed({step.output: step for step in steps}, border == "interior")
    found, inside = [], set()
    for step in reversed(steps):
        if step.output not in inside:
            run = followed.back(step)
            inside |= {each.output for each in run.steps} if run is not None else set()
            if run is not None and len(run.steps) > 1 and run.convolution.kernel.size <= run.cost:
                found.append(run)
    ends = {run.steps[0].output for run in found}
    return found[::-1], [each for output, each in followed.apart.items() if output not in ends]


class _Followed:
    """Steps followed back; notes where they stay apart."""

    def __init__(self, steps: dict[Value, Step], interior: bool):
        self._steps, self._interior = steps, interior
        self.apart: dict[Value, Apart] = {}

    def back(self, step: Step) -> Run | None:
        """The longest run that ends with a step; None for a sum of different tensors."""
        if step.convolution is None:
            return self._sum(step)
        own = Run(step.reads[0], step.convolution, None, (step,))
        before = self._before(step.reads[0])
        return own if before is None else self._in_a_row(step, step.convolution, before) or own

    def _before(self, tensor: Value) -> Run | None:
        """The run that gives a tensor which nothing else reads."""
        step = self._steps.get(tensor)
        return None if step is None or not step.once or step.activated else self.back(step)

    def _in_a_row(self, step: Step, own: Convolution, before: Run) -> Run | None:
        """A step behind a run; None where they stay two."""
        first, shift = before.convolution, before.shift
        if first.groups != own.groups:
            alike = _in_the_same_groups(first, own) or _dense(first, own, before.cost + step.cost)
            if alike is None:
                self.apart[step.output] = _multiplies_more(step, own, before)
                return None
            first, own = alike
        joined = collapse.in_a_row(first, own)
        if not joined.exact and shift is None and first.kernel.shape[:2] == (1, 1) and not np.any(first.pads):
            shift = collapse.carried_by_padding(first)
            if shift is not None:
                # first(x) = first'(x - shift) without a bias, and zeros stay zeros.
                joined = collapse.in_a_row(first._replace(bias=np.zeros_like(first.bias)), own)
        ring = _rings(before, joined, own)
        if not joined.exact and not self._interior:
            widths = "×".join(str(max(pair)) for pair in joined.ring)
            reason = (
                f"together with {before.steps[0].name} it would differ in a border of {widths} px: the map in between "
                "is padded with zeros; --collapse=interior takes that"
            )
            self.apart[step.output] = Apart(step, own, before, reason)
            return None
        if _cost(joined.convolution.kernel) > before.cost + step.cost:
            self.apart[step.output] = _multiplies_more(step, own, before)
            return None
        return Run(before.source, joined.convolution, shift, (step, *before.steps), ring)

    def _sum(self, step: Step) -> Run | None:
        found = [(tensor, self._before(tensor)) for tensor in step.reads]
        # What is passed on as it is has as many channels as the other branches give.
        maps = {len(run.convolution.bias) for _, run in found if run is not None}
        if len(maps) != 1:
            return None
        skip = collapse.skip(maps.pop())
        parts = [run or Run(tensor, skip, None, ()) for tensor, run in found]
        if len({part.source for part in parts}) != 1 or any(part.shift is not None for part in parts):
            return None
        branches = _in_the_same_groups(*(part.convolution for part in parts))
        if branches is None:
            return None
        try:
            joined = collapse.side_by_side(*branches)
        except ValueError:
            return None
        steps = (step, *(each for part in parts for each in part.steps))
        ring = tuple(np.max([part.ring for part in parts], axis=0).tolist())
        run = Run(parts[0].source, joined, None, steps, ring)
        return run if joined.kernel.size <= run.cost else None


def _in_the_same_groups(*convolutions: Convolution) -> tuple[Convolution, ...] | None:
    """The same ones in as many groups as one of them has, the most; None where each of these mixes another's maps."""
    for groups in sorted({each.groups for each in convolutions}, reverse=True):
        found = [collapse.in_groups(each, groups) for each in convolutions if groups > 1 or each.groups == 1]
        alike = tuple(each for each in found if each is not None)
        if len(alike) == len(convolutions):
            return alike
    return None


def _dense(first: Convolution, second: Convolution, most: int) -> tuple[Convolution, ...] | None:
    """Both without groups; None where one convolution for both would multiply more than `most` a pixel."""
    sides = (one + other - 1 for one, other in zip(first.kernel.shape[:2], second.kernel.shape[:2]))
    if math.prod(sides) * first.kernel.shape[-2] * first.groups * len(second.bias) > most:
        return None
    return tuple(each._replace(kernel=collapse.dense(each.flat, each.groups)) for each in (first, second))


def _multiplies_more(step: Step, own: Convolution, before: Run) -> Apart:
    return Apart(step, own, before, f"one convolution with {before.steps[0].name} would multiply more")


def _cost(kernel: np.ndarray) -> int:
    """Multiplications a pixel; a gain for each channel is no full convolution yet."""
    matrix = kernel[0, 0]
    alone = kernel.ndim == 4 and kernel.shape[:2] == (1, 1) and np.array_equal(matrix, np.diag(np.diagonal(matrix)))
    return len(matrix) if alone and matrix.shape[0] == matrix.shape[1] else kernel.size


def _rings(before: Run, joined: Collapsed, own: Convolution) -> tuple:
    """The border that differs, of a run that had one already: wider by what the step pads, narrower by what it cuts."""
    if joined.exact and before.exact:
        return before.ring
    return tuple(
        tuple(max(new, old + zeros if old else 0) for new, old, zeros in zip(*sides))
        for sides in zip(joined.ring, before.ring, own.pads)
    )


def rows_of(found: Iterable[Run], apart: Iterable[Apart]) -> list[Row]:
    """What became of each run, and why the others stay two."""
    return [*map(_row_of_run, found), *map(_row_of_apart, apart)]


def _row_of_apart(apart: Apart) -> Row:
    own, before = ("×".join(map(str, each.kernel.shape[:2])) for each in (apart.convolution, apart.before.convolution))
    return Row(apart.step.name, f"convolution {own} after convolution {before}", note=apart.reason)


def _row_of_run(run: Run) -> Row:
    kernel, groups = run.convolution.kernel, run.convolution.groups
    last, *others = run.steps
    notes = ["a value is taken off first, so that zeros carry the bias"] if run.shift is not None else []
    notes += [f"differs in a border of {max(map(max, run.ring))} px"] if not run.exact else []
    return Row(
        last.name,
        f"{len(run.steps)} linear operations: {', '.join(step.name for step in reversed(others))}, {last.name}",
        action="moved",
        becomes=f"convolution {kernel.shape[0]}×{kernel.shape[1]}{f', {groups} groups' if groups > 1 else ''}",
        note="; ".join(notes),
        macs=run.cost,
        macs_quoted=run.cost,
        macs_after=kernel.size,
        weights_after=kernel.size + len(run.convolution.bias),
        inexact=max(map(max, run.ring)),
    )
