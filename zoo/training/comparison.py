"""One picture several times, side by side: LR, bicubic, networks, the original; and the same detail of each."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.color import luma, rgb_to_ycbcr, to_uint8, ycbcr_to_rgb
from zoo.data import crop_to_multiple, imresize
from zoo.metrics import psnr

DETAIL = 64
ZOOM = 5
WIDTH = DETAIL * ZOOM
GAP = 8
LINE = 26
INK, PAPER, FRAME = (20, 20, 20), (255, 255, 255), (230, 60, 40)


class Comparison:
    """A picture, its LR image and its bicubic enlargement, ready to be put beside a network's.

    Args:
        hr_image: uint8 (h, w, 1) or (h, w, 3).
        scale: of the network.
        name: of the network, for its caption.
        own_lr: the LR image, uint8, where it is one's own; None: it is made.
    """

    def __init__(self, hr_image: np.ndarray, scale: int, name: str, own_lr: np.ndarray | None = None):
        self.hr_image = crop_to_multiple(hr_image, scale)
        self.lr_image = imresize(self.hr_image, 1 / scale) if own_lr is None else own_lr
        self.bicubic = imresize(self.lr_image, scale)
        self.scale, self.name = scale, name
        self.corner = most_detailed(luma(self.hr_image), min(DETAIL, *self.hr_image.shape[:2]))

    def draw(self, network, channels: int) -> np.ndarray:
        """Returns the sheet as a uint8 image (h, w, 3).

        Args:
            network: function of (1, h, w, channels) float32 in [0, 1]; a luma network enlarges the Y of a colour
                picture and bicubic its chroma.
            channels: of the network.
        """
        sr_image = self._upscale(network, channels)
        nearest = self.lr_image.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        height, width = self.lr_image.shape[:2]
        panels = [
            (f"LR, {width} x {height}", nearest),
            (f"bicubic, {self._psnr(self.bicubic):.2f} dB", self.bicubic),
            (f"{self.name}, {self._psnr(sr_image):.2f} dB", sr_image),
            ("original", self.hr_image),
        ]
        return np.asarray(_sheet(panels, self.corner))

    def details(self, networks: dict, columns: int = 4) -> np.ndarray:
        """Returns a sheet, uint8 (h, w, 3), of the detail alone, in rows: where it lies, bicubic, networks, original.

        Args:
            networks: name → (network, channels), each as in `draw`; as many as there are.
            columns: details in a row.
        """
        panels = [(f"bicubic, {self._psnr(self.bicubic):.2f} dB", self.bicubic)]
        for name, (network, channels) in networks.items():
            sr_image = self._upscale(network, channels)
            panels.append((f"{name}, {self._psnr(sr_image):.2f} dB", sr_image))
        panels.append(("original", self.hr_image))
        whole, box = _picture(self.hr_image), _box(self.corner, self.hr_image)
        for colour, width in ((PAPER, whole.width // 60), (FRAME, whole.width // 120)):
            ImageDraw.Draw(whole).rectangle(box, outline=colour, width=max(1, width))
        whole.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
        cells = [("the picture", whole), *((caption, _detail(image, box)) for caption, image in panels)]
        rows = -(-len(cells) // columns)
        step = LINE + WIDTH + GAP
        sheet = Image.new("RGB", (GAP + min(columns, len(cells)) * (WIDTH + GAP), rows * step), PAPER)
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
        for index, (caption, cell) in enumerate(cells):
            left, top = GAP + index % columns * (WIDTH + GAP), index // columns * step
            pen.text((left, top + 4), caption, INK, font=font)
            sheet.paste(cell, (left, top + LINE))
        return np.asarray(sheet)

    def _upscale(self, network, channels: int) -> np.ndarray:
        if channels == self.hr_image.shape[-1]:
            return to_uint8(_run(network, self.lr_image / 255.0))
        ycbcr = rgb_to_ycbcr(self.lr_image / 255.0)
        chroma = imresize(ycbcr[..., 1:], self.scale)
        sr = np.concatenate([_run(network, ycbcr[..., :1]), chroma], axis=-1)
        return to_uint8(ycbcr_to_rgb(sr.clip(0, 1)))

    def _psnr(self, image: np.ndarray) -> float:
        return psnr(luma(self.hr_image), luma(image), shave=self.scale)


def most_detailed(gray: np.ndarray, side: int) -> tuple[int, int]:
    """Returns the corner (y, x) of the side×side square with the most differences between neighbours."""
    gray = gray.astype(np.float64)
    detail = np.abs(np.diff(gray, axis=0))[:, :-1] + np.abs(np.diff(gray, axis=1))[:-1]
    total = np.pad(detail.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inner = side - 1
    sums = total[inner:, inner:] - total[:-inner, inner:] - total[inner:, :-inner] + total[:-inner, :-inner]
    y, x = np.unravel_index(sums.argmax(), sums.shape)
    return int(y), int(x)


def _run(network, lr_image: np.ndarray) -> np.ndarray:
    return np.asarray(network(lr_image[None].astype(np.float32)))[0].astype(np.float64)


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.squeeze(image)).convert("RGB")


def _box(corner: tuple[int, int], image: np.ndarray) -> tuple[int, int, int, int]:
    side = min(DETAIL, *image.shape[:2])
    return corner[1], corner[0], corner[1] + side, corner[0] + side


def _detail(image: np.ndarray, box: tuple[int, int, int, int]) -> Image.Image:
    # Nearest neighbour: what is seen are the pixels themselves.
    return _picture(image).crop(box).resize((WIDTH, WIDTH), Image.Resampling.NEAREST)


def _sheet(panels: list[tuple[str, np.ndarray]], corner: tuple[int, int]) -> Image.Image:
    height, width = panels[0][1].shape[:2]
    box = _box(corner, panels[0][1])
    shown = (WIDTH, max(1, round(WIDTH * height / width)))
    sheet = Image.new("RGB", (GAP + len(panels) * (WIDTH + GAP), LINE + shown[1] + GAP + WIDTH + GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for index, (caption, image) in enumerate(panels):
        left = GAP + index * (WIDTH + GAP)
        pen.text((left, 4), caption, INK, font=font)
        sheet.paste(_picture(image).resize(shown, Image.Resampling.LANCZOS), (left, LINE))
        frame = [left + box[0] * WIDTH // width, LINE + box[1] * shown[1] // height]
        frame += [left + box[2] * WIDTH // width, LINE + box[3] * shown[1] // height]
        pen.rectangle(frame, outline=FRAME, width=2)
        sheet.paste(_detail(image, box), (left, LINE + shown[1] + GAP))
    return sheet
