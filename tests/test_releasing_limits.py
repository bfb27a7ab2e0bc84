"""docs/limits.md: what is done to the pictures, how it is measured, and that the page is what was measured."""

import numpy as np
import pytest

from releasing import limit_cases, limits, limits_text
from releasing.sheets import GAP, LINE, sheet
from zoo.data import imresize
from zoo.registry import best_presets, card, list_presets


def test_every_case_gives_pictures_of_both_sizes():
    for name, case in limit_cases.cases().items():
        for scale in limits.SCALES:
            height, width = (side // scale for side in case.hr_image.shape[:2])
            lr_image = case.lr_image(scale)
            assert lr_image.shape == (height, width, 3) and lr_image.dtype == np.uint8, name
        y, x = case.corner
        assert y + limits.DETAIL <= case.hr_image.shape[0] and x + limits.DETAIL <= case.hr_image.shape[1], name


def test_what_makes_pictures_worse_does_what_it_says():
    flat = np.full((40, 60, 3), 100, np.uint8)
    noisy = limit_cases.noise(5)(flat).astype(float)
    assert noisy.std() == pytest.approx(5, abs=0.2) and noisy.mean() == pytest.approx(100, abs=0.2)
    assert np.array_equal(limit_cases.blur(flat), flat)
    spot = np.zeros((21, 31, 3), np.uint8)
    spot[10, 15] = 255
    place = np.arange(-4, 5)
    gauss = np.exp(-(place**2) / 2) / np.exp(-(place**2) / 2).sum()
    assert np.abs(limit_cases.blur(spot)[6:15, 11:20, 0] - 255 * np.outer(gauss, gauss)).max() <= 0.5
    steps = np.arange(24, dtype=np.uint8).reshape(4, 6, 1).repeat(3, axis=2)
    assert limit_cases.averaged(steps, 2)[..., 0].tolist() == [[4, 6, 8], [16, 18, 20]]  # means x.5, rounded half up
    photograph = limit_cases.cases()["photograph"].lr_image(4)
    errors = [np.abs(limit_cases.jpeg(quality)(photograph) - photograph.astype(float)).mean() for quality in (90, 30)]
    assert 0 < errors[0] < errors[1]
    assert set(np.unique(limit_cases.hard_text())) == {0, 255}


def test_bicubic_is_measured_as_the_metric_has_it_and_has_no_echoes():
    case = limit_cases.cases()["thin lines, reduced"]
    rows = limits.measured(3, {}, {"lines": case})
    y = np.array([65.481, 128.553, 24.966]) / 255
    original, enlarged = (np.round(16 + each @ y) for each in (case.hr_image, imresize(case.lr_image(3), 3)))
    error = np.square(original - enlarged)[3:-3, 3:-3].mean()
    assert rows["lines"]["bicubic"] == pytest.approx(10 * np.log10(255**2 / error), abs=0.006)
    found = limits.echoes(4, {})
    assert found["text"]["bicubic"] == 0 and found["flat"] == {"bicubic": 0, "lanczos": 0}
    # Control: Lanczos looks a pixel farther.
    assert found["text"]["lanczos"] > 0


def test_the_page_names_the_best_that_may_be_shipped():
    cards = {name: card(name) for name in list_presets("*_x3")}
    ways = ("bicubic", "lanczos", *cards)
    rows = {name: dict.fromkeys(ways, 20.0) for names in limits_text.GROUPS.values() for name in names}
    assert all(name in rows for name in limit_cases.cases())
    for row in rows.values():
        row |= {"fsrcnn_x3": 30.0, "gecko_x3": 25.5}
    rows["noise, 5 levels"]["gecko_x3"] = rows["noise, 15 levels"]["gecko_x3"] = 10.0
    echoes = {3: {"text": dict.fromkeys(ways, 30) | {"bicubic": 0, "fsrcnn_x3": 2, "gecko_rgb_x3": 9}}}
    table = limits_text.choice({3: rows}, echoes, cards)
    assert "| none: repeat pixels; else gecko_rgb_x3, 9 of 255 |" in table
    assert "| clean photographs | gecko_x3, +5.50 dB |" in table and "| noise | bicubic |" in table
    assert "fsrcnn" not in table and "**30.00**" in limits_text.figures(rows)
    assert limits_text.text_gains({3: rows}, cards) == "×3 +5.50 and +5.50 dB"
    rows["JPEG, quality 60"] |= {
        "srcnn_x3": 20.25,
        "espcn_x3": 19.5,
        "bicubic": 20.0,
        "fsrcnn_x3": 20.0,
        "gecko_x3": 20.0,
    }
    rows["JPEG, quality 60"]["gecko_jpeg_x3"] = 40.0
    assert "  at quality 60 -0.50 to +0.25 dB (×3);" in limits_text.jpeg_gains({3: rows})
    assert "`gecko_dw_research_x3` (+" in limits_text.ahead(
        {name: card(name) for name in list_presets()}, best_presets()
    )


def test_pages_are_compared_by_their_words_and_nearly_by_their_figures():
    page = "| a | **30.12** | 29.00 |\n| b | 2 | 12 of 255 |"
    assert not limits.differs(page, page.replace("30.12", "30.14").replace("12 of", "13 of"))
    assert not limits.differs("+0.02 to", "-0.01 to") and limits.differs("+0.22 to", "-0.22 to")
    assert not limits.differs(page, "| a | 30.12 | **29.00** |\n| b | 2 | 12 of 255 |")
    for other in ("30.32", "21 of 255", "| c |"):
        changed = page.replace({"3": "30.12", "2": "12 of 255", "|": "| a |"}[other[0]], other)
        assert limits.differs(page, changed), other


def test_a_sheet_shows_the_pixels():
    details = [np.full((4, 6, 3), level, np.uint8) for level in (0, 90, 180)]
    made = np.asarray(sheet([{"a": details[0], "b": details[1]}, {"c": details[2]}], zoom=5))
    step_x, step_y = 5 * 6 + GAP, LINE + 5 * 4 + GAP
    assert made.shape == (2 * step_y, 2 * step_x, 3)
    assert (made[LINE : LINE + 20, step_x : step_x + 30] == 90).all() and (made[step_y + LINE :][:20, :30] == 180).all()


@pytest.mark.slow
def test_the_page_is_what_is_measured_here(tmp_path, capsys):
    assert limits.main(["--check"]) == 0, capsys.readouterr().err
    page = (limits.ROOT / "docs/limits.md").read_text(encoding="utf-8")
    (tmp_path / "limits.md").write_text(page.replace("| photograph | 31.", "| photograph | 41."), encoding="utf-8")
    assert limits.main(["--check", f"--docs={tmp_path}"]) == 1
