"""Real photographs without a download: those that come with scikit-image, public domain or CC0."""

from zoo.data.sources import Picture, Source
from zoo.errors import one_of

# Terms as scikit-image states them: NASA, public domain (astronaut); SpaceX, public domain (rocket); Brooklyn Museum,
# no known restrictions (coins); CC0 (the others). Astronaut is held out: it has skin, hair, cloth and fine print.
_SPLITS = {
    "train": ("camera", "chelsea", "coffee", "rocket", "coins", "brick", "grass", "gravel"),
    "heldout": ("astronaut",),
}
_MOST_PIXELS = 427 * 640


def sample(scale: int, channels: int = 1, split: str = "train") -> Source:
    """Opens the sample photographs.

    Args:
        scale: HR side / LR side, at least 2.
        channels: 1 for luma, 3 for RGB.
        split: "train" (8 pictures, 1.9 Mpx), or "heldout" (1 picture that is not among them).

    Raises:
        UsageError: on another split, scale or number of channels.

    Example:
        >>> name, lr_image, hr_image = next(iter(sample(3, split="heldout").pictures()))
        >>> hr_image.shape == (3 * lr_image.shape[0], 3 * lr_image.shape[1], 1)
        True
    """
    one_of("split", split, _SPLITS)
    pictures = [Picture(name, f"skimage.data.{name}", _reader(name)) for name in _SPLITS[split]]
    return Source(f"sample/{split}", scale, channels, pictures, pixels=len(pictures) * _MOST_PIXELS)


def _reader(name: str):
    def read():
        import skimage.data

        return getattr(skimage.data, name)(), None

    return read
