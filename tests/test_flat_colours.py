"""A network that is held to even phases leaves flat colours flat, as its changelog line says."""

import itertools

import numpy as np
import pytest

import zoo

STEPS = (0, 36, 73, 109, 146, 182, 219, 255)


def worst(name: str) -> tuple[float, int]:
    """Levels between a flat colour and its result, far from the border; colours on which a pattern exceeds 2 levels."""
    model, difference, patterns = zoo.load(name), 0.0, 0
    for colours in np.array_split(np.array(list(itertools.product(STEPS, STEPS, STEPS))), 16):
        flat = np.broadcast_to(colours[:, None, None, :] / 255, (len(colours), 28, 28, 3)).astype(np.float32)
        inside = 255 * np.clip(np.asarray(model(flat)), 0, 1)[:, 36:-36, 36:-36]
        difference = max(difference, float(np.abs(np.round(inside) - colours[:, None, None, :]).max()))
        patterns += int((np.ptp(inside, axis=(1, 2)).max(-1) > 2).sum())
    return difference, patterns


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gecko_rgb_x3", "gecko_dw_rgb_x3"])
def test_flat_colours_come_out_flat(name):
    difference, patterns = worst(name)
    assert difference <= 1 and patterns == 0


@pytest.mark.slow
def test_a_network_without_even_phases_puts_a_pattern_on_some():
    difference, patterns = worst("fsrcnn_rgb_x3")
    assert difference > 1 and patterns > 0
