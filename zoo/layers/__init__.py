"""Layers: the shuffle, the upsamplers and their starts.

Importing this module registers them for `.keras` files, and the metrics that a compiled model names.
"""

import zoo.metrics.compiled  # noqa: F401 — registers PSNR and SSIM
from zoo.layers.axes import DepthToAxis, Repeat, depth_to_axis
from zoo.layers.constraints import EvenPhases
from zoo.layers.initializers import ICNR, Interpolation, NearIdentity
from zoo.layers.interpolation import BORDERS, DENSE_MAPS, FixedUpsampler, check_scale
from zoo.layers.network import Network
from zoo.layers.shuffle import DepthToSpace, SpaceToDepth, depth_to_space, space_to_depth
from zoo.layers.steps import FoldSteps, UnfoldSteps
from zoo.layers.upsamplers import (
    EXACT,
    FORMS,
    LEARNED,
    ResizeUpsampler,
    SubpixelUpsampler,
    TransposedUpsampler,
    Upsampler,
    ZeroInterleavedUpsampler,
    make_upsampler,
)

__all__ = [
    "BORDERS",
    "DENSE_MAPS",
    "EXACT",
    "FORMS",
    "EvenPhases",
    "ICNR",
    "LEARNED",
    "DepthToAxis",
    "DepthToSpace",
    "FixedUpsampler",
    "FoldSteps",
    "Interpolation",
    "NearIdentity",
    "Network",
    "Repeat",
    "ResizeUpsampler",
    "SpaceToDepth",
    "SubpixelUpsampler",
    "TransposedUpsampler",
    "UnfoldSteps",
    "Upsampler",
    "ZeroInterleavedUpsampler",
    "check_scale",
    "depth_to_axis",
    "depth_to_space",
    "make_upsampler",
    "space_to_depth",
]


def __dir__() -> list[str]:
    return sorted(__all__)
