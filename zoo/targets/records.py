"""The records of all targets, by name."""

from zoo.errors import one_of
from zoo.targets import gpu_delegate, vendors, xnnpack
from zoo.targets.record import Target

TARGETS: dict[str, Target] = {target.name: target for target in (gpu_delegate.TARGET, xnnpack.TARGET, *vendors.TARGETS)}


def named(name: str) -> Target:
    """The record of a target.

    Raises:
        UsageError: there is none of this name.
    """
    return TARGETS[one_of("the target", name, TARGETS)]
