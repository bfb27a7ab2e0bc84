"""Photographs that nothing was chosen by: which they are, what is measured on them, and where it stands."""

import re

import numpy as np
import pytest
from PIL import Image

import zoo
from releasing import held_out, pages
from zoo.data import imresize
from zoo.evaluate import evaluate

RANDOM = np.random.default_rng(8)


@pytest.fixture
def unpacked(tmp_path):
    """Both packages as they unpack, their pictures small ones; what is painted lies beside the photographs."""
    mate, plasma = tmp_path / "usr/share/backgrounds/mate/nature", tmp_path / "usr/share/wallpapers"
    mate.mkdir(parents=True)
    places = [mate / f"{name}.jpg" for name in "abcdefghijkl"]
    places += [plasma / name / "contents/images/2560x1600.jpg" for name in ("Autumn", *"mnopqrstuvw")]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(RANDOM.integers(0, 256, (7, 9, 3), np.uint8))
        coarse.resize((67, 51), Image.Resampling.BICUBIC).save(place)
    return tmp_path


def test_the_photographs_are_halved_and_the_painting_is_not_among_them(unpacked):
    found = dict(held_out.photographs(unpacked))
    assert len(found) == 23 and "Autumn" not in found and {"a", "w"} <= set(found)
    whole = np.asarray(Image.open(unpacked / "usr/share/backgrounds/mate/nature/a.jpg"))
    assert np.array_equal(found["a"], imresize(whole[:50, :66], 0.5))


def test_a_card_has_the_mean_over_them_and_nothing_else_changes(presets, unpacked, capsys):
    before = zoo.card("fsrcnn_s_x2")
    assert held_out.main(["fsrcnn_s_x2", f"--unpacked={unpacked}"]) == 0
    after = zoo.card("fsrcnn_s_x2")
    received = after.pop("held_out")
    before.pop("held_out", None)
    assert after == before and "23 photographs" in received["pictures"]
    scores = evaluate(zoo.load("fsrcnn_s_x2"), list(held_out.photographs(unpacked)), 2)
    assert received["psnr"] == pytest.approx(np.mean([score.psnr for score in scores]), abs=1e-4)
    assert f"fsrcnn_s_x2: {received['psnr']:.2f} dB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nothing"], "Expected the preset to be one of"),
        ([], "Expected the 23 photographs of both packages in .* Received: 22"),
    ],
)
def test_refusals_change_no_card(presets, unpacked, arguments, sentence, capsys):
    (unpacked / "usr/share/backgrounds/mate/nature/c.jpg").unlink()
    before = {path.name: path.read_bytes() for path in presets.iterdir()}
    assert held_out.main([*arguments, f"--unpacked={unpacked}"]) == 2
    assert re.search(sentence, capsys.readouterr().err)
    assert {path.name: path.read_bytes() for path in presets.iterdir()} == before


def test_every_card_has_them_and_the_table_shows_both():
    cards = {name: zoo.card(name) for name in zoo.list_presets()}
    assert all(20 < card["held_out"]["psnr"] < 60 for card in cards.values())
    (row,) = [line for line in pages.beside_fsrcnn(list(cards.values())).splitlines() if line.startswith("| gecko_x3 ")]
    ours, theirs = (round(cards[name]["held_out"]["psnr"], 2) for name in ("gecko_x3", "fsrcnn_x3"))
    assert f"{ours - theirs:+.2f}" in row.split("|")[8]
