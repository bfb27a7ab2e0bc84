"""PSNR and SSIM of one network on pictures, by the published protocol and by those that papers' figures differ by."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zoo import color, metrics
from zoo.data import crop_to_multiple, imresize
from zoo.data.jpeg import JUDGED, through_jpeg
from zoo.engines.engine import Engine
from zoo.engines.keras import KerasEngine
from zoo.errors import UsageError, one_of


@dataclass(frozen=True)
class Protocol:
    """One way to measure; two papers whose figures differ often differ only in this.

    Attributes:
        description: what is measured, in words for the table's caption.
        lr: `"y"`: the LR image is made from the 8-bit Y and not rounded; `"rgb"`: from the 8-bit RGB, to 8 bits.
        judged: `"y"`: Y of BT.601; `"rgb"`: all channels at once.
        full_range: Y in 0–255 instead of 16–235.
        shaved: whether `scale` px of the border are left out.
        quality: the LR image goes through a JPEG file of this quality, with its chroma halved; 0: it does not.
    """

    description: str
    lr: str = "y"
    judged: str = "y"
    full_range: bool = False
    shaved: bool = True
    quality: int = 0


PROTOCOLS = {
    "y": Protocol("8-bit Y of BT.601 in studio range, LR from that Y and not rounded, scale px shaved"),
    "rgb8": Protocol("Y of BT.601 of 8-bit RGB, not rounded, LR from the RGB and 8-bit, scale px shaved", lr="rgb"),
    "y_full": Protocol("like y with Y in full range: up to 1.32 dB below it", full_range=True),
    "y_unshaved": Protocol("like y with the border counted", shaved=False),
    **{
        f"jpeg{quality}": Protocol(f"like rgb8 with the LR as a JPEG file of quality {quality}", "rgb", quality=quality)
        for quality in JUDGED
    },
    "rgb": Protocol("8-bit RGB, all channels, LR from the RGB and 8-bit, scale px shaved", lr="rgb", judged="rgb"),
}


# A name and an HR picture; and the LR image where it is one's own.
Pair = tuple[str, np.ndarray] | tuple[str, np.ndarray, np.ndarray | None]


class Score(NamedTuple):
    """One picture's result: PSNR in dB, SSIM at most 1; None where nothing was measured.

    Attributes:
        left_out: why no mean counts the picture; "" where it does.
    """

    name: str
    psnr: float | None
    ssim: float | None
    left_out: str = ""


class Mean(NamedTuple):
    """The mean of the pictures that are not left out; None where none is left."""

    name: str
    psnr: float | None
    ssim: float | None


class Upscaler(NamedTuple):
    """A function from an LR image (h, w, channels), float32, to the SR image (scale·h, scale·w, channels).

    `channels` is 1 or 3, or None for bicubic, which takes any picture in its own type: on 8 bits it rounds as MATLAB.
    """

    function: Callable[[np.ndarray], np.ndarray]
    channels: int | None
    scale: int


def evaluate(model, pictures: Iterable[Pair], scale: int, protocol: str = "y") -> list[Score]:
    """Measures a network on pictures; `mean` of the rows is what papers report.

    Args:
        model: a Keras model (N, h, w, C) → (N, scale·h, scale·w, C) of 1 (luma) or 3 (RGB) channels, values in [0, 1];
            an engine, which gets whole pictures; a function of one LR luma image (h, w, 1) float32 that returns
            (scale·h, scale·w, 1); or `"bicubic"`.
            A luma network enlarges the Y of a colour picture, and bicubic its chroma.
        pictures: (name, HR picture uint8, grey (h, w) or RGB (h, w, 3)); each is cropped to a multiple of scale. A
            third item is its LR image, of the same kind, where that is one's own and not made as the protocol says.
        scale: the enlargement.
        protocol: one of `PROTOCOLS`. In all of them the output is clipped and rounded to 8 bits, and a grey picture
            counts as Y as it is.

    Returns:
        One row a picture. Left out, and named with the reason, are those that `unfit` names and those that come back
        exactly, whose PSNR is infinite.

    Raises:
        UsageError: an unknown protocol, a model of another scale or number of channels, an output that is not finite,
            an LR image of another size.

    References: the protocol behind the tables of arXiv 1609.05158, section 3 and arXiv 1608.00367, section 4.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 256, (36, 45), np.uint8)
        >>> [row] = evaluate("bicubic", [("noise", noise)], scale=3)
        >>> row.name, 8 < row.psnr < 16, 0 < row.ssim < 0.5
        ('noise', True, True)
    """
    shave = scale if _settings(protocol).shaved else 0
    upscaler, rows = _upscaler(model, scale), []
    for name, picture, *own in pictures:
        reason = unfit(picture, scale, shave)
        if reason:
            rows.append(Score(name, None, None, reason))
            continue
        hr_image, sr_image = compared(upscaler, picture, scale, protocol, *own)
        psnr = metrics.psnr(hr_image, sr_image, shave=shave)
        reason = "" if np.isfinite(psnr) else "it comes back exactly: its PSNR is infinite"
        rows.append(Score(name, psnr, metrics.ssim(hr_image, sr_image, shave=shave), reason))
    return rows


def unfit(picture: np.ndarray, scale: int, shave: int) -> str:
    """Why a picture (h, w) or (h, w, c) tells nothing of a network: smaller than SSIM's window, or flat; "" if it does.

    Args:
        scale: the picture is cropped to a multiple of it.
        shave: pixels left out on every side after that.

    Example:
        >>> unfit(np.zeros((60, 50), np.uint8), scale=3, shave=3)
        'flat: one colour everywhere'
    """
    height, width = (side // scale * scale - 2 * shave for side in picture.shape[:2])
    if min(height, width) < metrics.SSIM_WINDOW:
        least = metrics.SSIM_WINDOW
        return f"too small: {max(height, 0)}×{max(width, 0)} px count, and SSIM's window takes {least}×{least}"
    inside = picture[shave : shave + height, shave : shave + width]
    return "flat: one colour everywhere" if (inside == inside[:1, :1]).all() else ""


def compared(
    model, picture: np.ndarray, scale: int, protocol: str = "y", own_lr: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What the protocol compares on one picture, the border not shaved yet; arguments as for `evaluate`.

    Args:
        own_lr: the LR image where it is one's own; None: it is made.

    Returns:
        HR and SR image, (h, w) of Y or (h, w, 3) of RGB, cropped to a multiple of scale.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 256, (37, 45, 3), np.uint8)
        >>> hr_image, sr_image = compared("bicubic", noise, scale=3)
        >>> hr_image.shape, sr_image.shape, sr_image.dtype
        ((36, 45), (36, 45), dtype('uint8'))
    """
    settings = _settings(protocol)
    measure = _measure_from_y if settings.lr == "y" else _measure_from_rgb
    hr_image = crop_to_multiple(picture, scale)
    expected = (hr_image.shape[0] // scale, hr_image.shape[1] // scale, *hr_image.shape[2:])
    if own_lr is not None and own_lr.shape != expected:
        raise UsageError(f"Expected an LR image of shape {expected}. Received: {own_lr.shape}")
    return measure(_upscaler(model, scale), hr_image, settings, own_lr)


def _settings(protocol: str) -> Protocol:
    return PROTOCOLS[one_of("protocol", protocol, PROTOCOLS)]


def mean(rows: list[Score], without: Collection[str] = ()) -> Mean:
    """The mean of the pictures' PSNR and SSIM, as papers report a set (not the PSNR of the mean error).

    Args:
        without: names of pictures to leave out beside those left out already, so that networks are compared on the same
            ones; see `left_out`.

    Example:
        >>> mean([Score("baby", 30.0, 0.75), Score("bird", 33.0, 0.25), Score("sky", None, None, "flat")])
        Mean(name='mean', psnr=31.5, ssim=0.5)
    """
    counted = [row for row in rows if not row.left_out and row.name not in without]
    if not counted:
        return Mean("mean", None, None)
    psnr, ssim = np.array([(row.psnr, row.ssim) for row in counted], np.float64).mean(axis=0).tolist()
    return Mean("mean", psnr, ssim)


def left_out(networks: Iterable[list[Score]]) -> dict[str, str]:
    """Name → reason for the pictures that one network or another leaves out.

    Example:
        >>> sky, baby = Score("sky", None, None, "flat"), Score("baby", 30.0, 0.75)
        >>> left_out([[sky, baby], [sky, baby]])
        {'sky': 'flat'}
    """
    return {row.name: row.left_out for rows in networks for row in rows if row.left_out}


def _measure_from_y(
    upscaler: Upscaler, hr_image: np.ndarray, settings: Protocol, own_lr: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    truth = color.luma(hr_image, full_range=settings.full_range)
    if upscaler.channels != 3:
        own = None if own_lr is None else color.luma(own_lr, full_range=settings.full_range)
        return truth, color.to_uint8(_enlarge(upscaler, _in_floats(own, truth, upscaler.scale)))
    # An RGB network needs the colours; a grey picture goes through it as three equal channels, and their weighted
    # mean is its Y.
    grey = hr_image.ndim == 2
    lr_image = _in_floats(own_lr, hr_image, upscaler.scale)
    sr_image = color.to_uint8(_enlarge(upscaler, np.stack([lr_image] * 3, axis=-1) if grey else lr_image))
    return truth, color.rgb_to_y(sr_image, full_range=settings.full_range or grey)


def _in_floats(own_lr: np.ndarray | None, hr_image: np.ndarray, scale: int) -> np.ndarray:
    """The LR image in [0, 1]: one's own, or else made of the 8-bit HR image and not rounded."""
    return imresize(hr_image / 255.0, 1 / scale) if own_lr is None else own_lr / 255.0


def _measure_from_rgb(
    upscaler: Upscaler, hr_image: np.ndarray, settings: Protocol, own_lr: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    lr_image = imresize(hr_image, 1 / upscaler.scale) if own_lr is None else own_lr
    if settings.quality:
        lr_image = through_jpeg(lr_image, settings.quality)
    if upscaler.channels is None:
        sr_image = upscaler.function(lr_image)
    elif hr_image.ndim == 2 and upscaler.channels == 3:
        sr_image = color.to_uint8(_enlarge(upscaler, np.stack([lr_image] * 3, axis=-1) / 255.0).mean(axis=-1))
    elif hr_image.ndim == 2 or upscaler.channels == 3:
        sr_image = color.to_uint8(_enlarge(upscaler, lr_image / 255.0))
    else:
        ycbcr = color.rgb_to_ycbcr(lr_image / 255.0)
        y = _enlarge(upscaler, ycbcr[..., 0])[..., None]
        sr_ycbcr = np.concatenate([y, imresize(ycbcr[..., 1:], upscaler.scale)], axis=-1)
        sr_image = color.to_uint8(color.ycbcr_to_rgb(sr_ycbcr.clip(0, 1)))
    if settings.judged == "y":
        return color.luma(hr_image / 255.0), color.luma(sr_image / 255.0)
    return hr_image, sr_image


def _enlarge(upscaler: Upscaler, lr_image: np.ndarray) -> np.ndarray:
    """Runs the upscaler on (h, w) or (h, w, c) and checks what comes back."""
    scale, shape = upscaler.scale, lr_image.shape
    if upscaler.channels is None:
        return upscaler.function(lr_image)
    sr_image = np.asarray(upscaler.function(np.atleast_3d(lr_image).astype(np.float32)), np.float64)
    expected = (scale * shape[0], scale * shape[1], upscaler.channels)
    if sr_image.shape != expected or not np.isfinite(sr_image).all():
        what = f"shape {sr_image.shape}" if sr_image.shape != expected else "values that are not finite"
        raise UsageError(f"Expected finite values of shape {expected} from the network. Received: {what}")
    return sr_image.reshape(expected[:2] + shape[2:])


def _upscaler(model, scale: int) -> Upscaler:
    if isinstance(model, Upscaler):
        upscaler = model
    elif isinstance(model, str) and model == "bicubic":
        upscaler = Upscaler(lambda lr_image: imresize(lr_image, scale), None, scale)
    elif isinstance(model, Engine):
        upscaler = Upscaler(model.run, model.channels, model.scale)
    elif hasattr(model, "compute_output_shape"):
        return _upscaler(KerasEngine(model), scale)
    else:
        upscaler = Upscaler(model, 1, scale)
    if upscaler.scale != scale:
        raise UsageError(f"Expected a network of scale {scale}. Received: one of scale {upscaler.scale}")
    return upscaler
