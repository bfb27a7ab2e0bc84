"""Whether an upsampling of a network moves into LR space: how each target chooses, from its record and from costs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from zoo.errors import one_of
from zoo.targets import gpu_delegate, records, xnnpack
from zoo.targets.facts import Upsampling
from zoo.targets.record import Target

# "Not slower": what the costs are known to, and what nobody would notice.
SLOWER = 1.05


class Decision(NamedTuple):
    """What becomes of an upsampling on a target.

    Attributes:
        moves: whether it moves into LR space.
        reason: why it stays; or why it moves although that is expected to be slower on a CPU.
    """

    moves: bool
    reason: str = ""


@dataclass(frozen=True)
class Choice:
    """How it is chosen what moves.

    Attributes:
        name: as `--target` takes it.
        decide: the decision on an upsampling, from its facts.
        runtime: whose verdicts these are, for people.
        judge: `"right"`, `"wrong"` or `"refused"`: what it makes of an upsampling as it stands.
        verdict_after: what it makes of a convolution and a DEPTH_TO_SPACE.
    """

    name: str
    decide: Callable[[Upsampling], Decision]
    runtime: str = "GPU delegate"
    judge: Callable[[Upsampling], str] = lambda upsampling: gpu_delegate.obstacle(upsampling)[0]
    verdict_after: str = "right"


def _gpu_delegate(upsampling: Upsampling) -> Decision:
    verdict, why = gpu_delegate.obstacle(upsampling)
    if verdict == "right":
        return Decision(False, "the GPU delegate computes it right as it is")
    gain = xnnpack.speedup(upsampling)
    does = "refuses it" if verdict == "refused" else "computes it wrongly"
    return Decision(True, f"the GPU delegate {does} ({why}); {xnnpack.slower(gain)}" if gain * SLOWER < 1 else "")


def _any(upsampling: Upsampling) -> Decision:
    decision, gain = _gpu_delegate(upsampling), xnnpack.speedup(upsampling)
    if decision.moves:
        return decision
    if gain * SLOWER >= 1:
        return Decision(True)
    return Decision(False, f"{decision.reason}, and it is {xnnpack.slower(gain)}")


def _xnnpack(upsampling: Upsampling) -> Decision:
    gain = xnnpack.speedup(upsampling)
    return Decision(True) if gain >= 1 else Decision(False, xnnpack.slower(gain))


def _judged(target: Target, upsampling: Upsampling) -> str:
    """A vendor's verdict, as far as the list of its operations gives one."""
    operation = {"transposed": "TRANSPOSE_CONV", "bilinear": "RESIZE_BILINEAR"}.get(upsampling.kind, "CONV_2D")
    taken = target.takes(operation) and not upsampling.tiled and upsampling.kind != "bicubic"
    return "right" if taken else "refused"


def _by_record(target: Target, upsampling: Upsampling) -> Decision:
    if not target.takes("DEPTH_TO_SPACE"):
        return Decision(False, f"the {target.title} takes no DEPTH_TO_SPACE")
    if upsampling.kind == "bilinear" and _judged(target, upsampling) == "right":
        return Decision(False, f"the {target.title} takes it as it is")
    return Decision(True)


def _of(target: Target) -> Choice:
    after = "right" if target.takes("DEPTH_TO_SPACE") else "refused"
    return Choice(target.name, partial(_by_record, target), target.title, partial(_judged, target), after)


# Moves whatever can move: to measure it, and for a runtime of which nothing is known.
EVERYTHING = Choice("everything", lambda upsampling: Decision(True))
CHOICES = {choice.name: choice for choice in map(_of, records.TARGETS.values())}
CHOICES = {
    # What the GPU delegate refuses or computes wrongly, whatever it costs; what it takes right where a CPU is not
    # slower with it.
    "any": Choice("any", _any),
    **CHOICES,
    # What is faster in TFLite on a CPU.
    "xnnpack": Choice("xnnpack", _xnnpack, "XNNPACK", CHOICES["xnnpack"].judge),
    # What LiteRT's GPU delegate refuses or computes wrongly.
    "gpu_delegate": Choice("gpu_delegate", _gpu_delegate),
}


def named(target: str | Choice) -> Choice:
    """The choice of this name; a choice itself as it is.

    Raises:
        UsageError: no such name.

    Example:
        >>> named("xnnpack").decide(Upsampling("bilinear", 2, 64, 64, lr_kernel=(3, 3, 1, 256))).moves
        False
    """
    return target if isinstance(target, Choice) else CHOICES[one_of("target", target, CHOICES)]
