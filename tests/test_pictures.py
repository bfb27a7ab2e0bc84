"""The sheets of details: every network of a scale beside bicubic and the original, in as many rows as they need."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.data import imresize
from zoo.metrics import psnr
from zoo.training.comparison import GAP, LINE, WIDTH, Comparison

ROOT = Path(__file__).parent.parent


def level(value: float, scale: int):
    """A network that gives one grey."""

    def network(images):
        count, height, width, channels = images.shape
        return np.full((count, scale * height, scale * width, channels), value, np.float32)

    return network


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 2), (5, 2), (6, 3)])
def test_each_network_has_its_cell(colours, count, rows):
    hr_image = np.random.default_rng(0).integers(0, 256, (101, 130, colours), np.uint8)
    networks = {f"n{index}": (level(index / 10, 3), colours) for index in range(count)}
    comparison = Comparison(hr_image, 3, "")
    sheet = comparison.details(networks, columns=4)
    step = LINE + WIDTH + GAP
    assert sheet.shape == (rows * step, GAP + min(4, count + 3) * (WIDTH + GAP), 3)

    def cell(index):
        top, left = index // 4 * step + LINE, GAP + index % 4 * (WIDTH + GAP)
        return sheet[top : top + WIDTH, left : left + WIDTH]

    for index in range(count):
        assert (cell(2 + index) == np.floor(index * 25.5 + 0.5)).all(), index
    top, left = comparison.corner
    original = comparison.hr_image[top : top + 64, left : left + 64]
    assert np.array_equal(cell(2 + count)[2::5, 2::5], np.broadcast_to(original, (64, 64, 3)))
    bicubic = imresize(imresize(comparison.hr_image, 1 / 3), 3)[top : top + 64, left : left + 64]
    assert np.array_equal(cell(1)[2::5, 2::5], np.broadcast_to(bicubic, (64, 64, 3)))
    # Control: the two are told apart.
    assert psnr(original, bicubic) < 20


@pytest.mark.slow
def test_the_command_writes_a_sheet_for_every_scale_and_shows_it(tmp_path):
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    (tmp_path / "docs" / "presets").mkdir(parents=True)
    pictures.main([f"--root={tmp_path}"])
    scales = sorted({zoo.card(name)["scale"] for name in zoo.list_presets()})
    assert sorted(path.name for path in tmp_path.rglob("*.jpg")) == [f"x{scale}.jpg" for scale in scales]
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    for scale in scales:
        assert f"](presets/x{scale}.jpg)" in page
        count = 3 + sum(zoo.card(name)["scale"] == scale for name in zoo.list_presets())
        with Image.open(tmp_path / f"docs/presets/x{scale}.jpg") as sheet:
            assert sheet.height == -(-count // 4) * (LINE + WIDTH + GAP)
