"""The contract of an engine: a network behind one call, whatever computes it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


class Unfit(Exception):
    """A network that a kind of engine does not take, or does not compute as the others do."""


@dataclass(frozen=True, eq=False)
class Engine:
    """A network (h, w, channels) float32 in [0, 1] → (scale·h, scale·w, channels) float32, unclipped.

    What it says of itself is said when it is made and stays: tiles and chains were planned by it.

    Attributes:
        name: what to call it in a sentence.
        scale, channels: of the network; channels is 1 (luma) or 3 (RGB).
        radius: an output pixel reads nothing farther than this from its LR pixel, LR px; None where there is no bound.
        unbounded: where `radius` is None, the reason.
        size: the only (height, width) that the network takes, LR px; None if any.
        cell: (height, width), LR px, of the grid from the picture's corner on whose lines tiles have to meet, so that
            they change no bit. (1, 1): anywhere.
        step: windows begin at multiples of it, and their lengths differ from the picture's by multiples: a network with
            strides gives other pixels elsewhere; see `zoo.reach.Reach`.
        kind: what computes it, as `zoo engines` names it: another kind adds up in another order.
    """

    name: str
    scale: int
    channels: int
    radius: int | None
    unbounded: str = ""
    size: tuple[int, int] | None = None
    cell: tuple[int, int] = (1, 1)
    step: int = 1
    kind: str = ""

    def __post_init__(self):
        if (self.radius is None) != bool(self.unbounded):
            raise ValueError(
                "Expected an engine's radius, or the reason why it has none. "
                f"Received: radius={self.radius}, unbounded={self.unbounded!r}"
            )

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        """One picture or tile through the network."""
        raise NotImplementedError

    def run_part(self, lr_image: np.ndarray, rows: slice, columns: slice, ensemble: bool = False) -> np.ndarray:
        """The network's result for a part of a window, (scale·rows, scale·columns, channels) float32.

        Args:
            lr_image: the window: the part and around it `radius` px, or fewer where the picture ends.
            rows, columns: of the part in the window, LR px; in the picture they start on the grid of `cell`.
            ensemble: average over the 8 flips and quarter turns.
        """
        if ensemble:
            sr_image = ensemble_of(lambda turned, *_: self.run(np.ascontiguousarray(turned)), lr_image)
        else:
            sr_image = self.run(lr_image)
        return sr_image[hr_slice(rows, self.scale), hr_slice(columns, self.scale)]

    def whole(self, length: int) -> int:
        """The next length of a side that the network takes, where it takes only multiples of its step."""
        return -(-length // self.step) * self.step

    def fingerprint(self) -> str:
        """What tells one network from another, for work that goes on later."""
        return self.name

    def kinds(self) -> dict[str, str]:
        """Fingerprint → kind, for work that goes on later: what is added up in the same order has the same bits."""
        return {self.fingerprint(): self.kind}


def hr_slice(part: slice, scale: int, origin: int = 0) -> slice:
    """The HR pixels of LR pixels along one axis, counted from those of the LR pixel `origin`."""
    return slice(scale * (part.start - origin), scale * (part.stop - origin))


def ensemble_of(run: Callable[[np.ndarray, int, bool], np.ndarray], lr_image: np.ndarray) -> np.ndarray:
    """The mean of a network's answers to the 8 flips and quarter turns of an image, each turned back.

    Args:
        run: is given the image mirrored left to right, if `flip`, and then turned `turns` times by `np.rot90`; `turns`
            and `flip`.

    References: Timofte et al., Seven ways to improve example-based single image super resolution, CVPR 2016, 3.5.
    """
    total: np.ndarray = np.zeros((), np.float32)
    # The upright four first: a window that is not square changes its size only once.
    for turns in (0, 2, 1, 3):
        for flip in (False, True):
            turned = np.rot90(lr_image[:, ::-1] if flip else lr_image, turns)
            result = np.rot90(run(turned, turns, flip), -turns)
            total = total + (result[:, ::-1] if flip else result)
    return total / np.float32(8)
