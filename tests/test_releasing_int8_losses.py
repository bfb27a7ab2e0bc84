"""What int8 costs is in every preset's card, little for those that promise it, and measured by a command."""

import numpy as np
import pytest
from PIL import Image

import zoo
from benchmarks import int8_page
from export import formats
from export.int8.pictures import Crops, drawn, hardest, mixed, noise
from export.options import fitting
from releasing import int8_losses, pages
from releasing.screens import screens
from zoo.data import benchmark, sample
from zoo.engines.keras import KerasEngine
from zoo.evaluate import evaluate
from zoo.registry import FREE

NAMES = zoo.list_presets()
PATTERNS = ("noise", "checkerboard")
SEEN = ("text", "lines", "interface", "map")
# Depthwise separable, and for RGB or trained without screenshots: no int8 file to advise, and docs/export.md says so.
UNUSED_TO = [
    card["name"]
    for card in map(zoo.card, NAMES)
    if card["options"].get("separable") and (card["channels"] == 3 or "screenshots" not in card["training"]["data"])
]
FIT = [name for name in NAMES if name not in UNUSED_TO]


@pytest.fixture
def pictures(tmp_path):
    """A test set of one photograph, of an odd size."""
    folder = tmp_path / "Photos" / "HR"
    folder.mkdir(parents=True)
    _, _, picture = next(iter(sample(3, 3, "heldout").pictures()))
    Image.fromarray(picture[:143, :161]).save(folder / "one.png")
    return folder.parent


@pytest.mark.parametrize("name", FIT)
def test_int8_loses_little_on_photographs(name):
    losses = zoo.card(name)["int8_loss_db"]
    assert set(losses) >= {"Set5", "Set14", "BSD100"} and min(losses.values()) >= -0.15


@pytest.mark.parametrize("name", [name for name in NAMES if zoo.card(name)["redistribution"] == FREE])
def test_the_own_networks_files_lose_a_tenth_at_most_besides_what_an_input_of_8_bits_does(name):
    card = zoo.card(name)
    assert card["int8_loss_db"].keys() == card["int8_input_loss_db"].keys()
    assert min(loss - card["int8_input_loss_db"][folder] for folder, loss in card["int8_loss_db"].items()) >= -0.10


def test_the_inputs_part_is_what_rounding_it_costs(pictures):
    class Rounding(KerasEngine):
        def run(self, image):
            return super().run(np.round(image * 255).astype(np.uint8) / np.float32(255))

    model = zoo.load("gecko_x3")
    plain, rounding = (kind(model) for kind in (KerasEngine, Rounding))
    cost = int8_losses.input_loss(plain, pictures)
    apart = [evaluate(engine, benchmark(pictures), 3)[0].psnr for engine in (rounding, plain)]
    assert cost == pytest.approx(apart[0] - apart[1], abs=1e-9) and -0.2 < cost < -0.001
    # Control: what was rounded once stays as it is.
    assert int8_losses.input_loss(rounding, pictures) == 0


@pytest.mark.parametrize("name", FIT)
def test_int8_holds_off_photographs(name):
    agreement = zoo.card(name)["int8_agreement_db"]
    assert min(agreement[kind] for kind in SEEN) >= 40
    assert min(agreement[kind] for kind in PATTERNS) >= 32


def test_what_loses_more_is_measured_all_the_same_and_not_advised():
    assert UNUSED_TO
    for name in UNUSED_TO:
        card = zoo.card(name)
        assert set(card["int8_loss_db"]) >= {"Set5", "Set14", "BSD100"}
        # Where one comes to hold what the others do, it belongs among them.
        agreement = card["int8_agreement_db"]
        screens, patterns = (min(agreement[kind] for kind in kinds) for kinds in (SEEN, PATTERNS))
        assert screens < int8_page.TEXT or patterns < 32 or min(card["int8_loss_db"].values()) < -0.15


def test_presets_go_without_further_channels_only_where_they_lose_less_than_others_may():
    without = [name for name in NAMES if fitting(zoo.card(name))["copies"] == 0]
    assert without and all(min(zoo.card(name)["int8_loss_db"].values()) >= -0.10 for name in without)


def test_the_pictures_that_measure_are_of_all_kinds_and_not_those_that_int8_is_fitted_to():
    for channels in (1, 3):
        kinds = screens(channels)
        assert set(kinds) == {*SEEN, "noise", "checkerboard"}
        fitted = np.concatenate([drawn(channels, 32), noise(channels, 8), hardest(channels, 24)])
        for kind, group in kinds.items():
            for picture in group:
                assert picture.shape == (110, 150, channels) and np.ptp(picture.astype(int)) > 90
                # A checkerboard has no other form.
                apart = min(np.abs(picture[:48, :48] / 255 - crop).max() for crop in fitted)
                assert apart > 0.1 or kind == "checkerboard"
    # Black on white and white on black.
    assert screens(1)["text"][0].mean() > 150 and screens(1)["text"][1].mean() < 100


@pytest.mark.slow
def test_the_command_measures_and_writes_nothing_else(presets, pictures, capsys, monkeypatch):
    name = "gecko_x3"
    before = zoo.card(name)
    assert int8_losses.main([name, f"--data={pictures}"]) == 0
    after = zoo.card(name)
    # A smooth photograph: at 40.5 dB from the original an error at 54 dB costs 0.2 dB.
    assert -0.2 < after.pop("int8_loss_db")["Photos"] < after.pop("int8_input_loss_db")["Photos"] + 0.05 < 0.05
    agreement = after.pop("int8_agreement_db")
    for kind, value in (before.pop("int8_agreement_db") or {}).items():
        assert abs(agreement[kind] - value) < 1.5
    before.pop("int8_loss_db"), before.pop("int8_input_loss_db")
    assert after == before and name in capsys.readouterr().out
    # Control: fitted to photographs alone, int8 falls apart on text and noise.
    only = lambda *given, **options: Crops(*(part[:64] for part in mixed(*given, **options)))  # noqa: E731
    monkeypatch.setattr(formats, "mixed", only)
    agreement = int8_losses.int8_figures(zoo.load(name), [pictures])["int8_agreement_db"]
    assert agreement["photograph"] > 40 and agreement["text"] < 40 and agreement["noise"] < 32


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nothing", "--data=."], "Expected the preset to be one of"),
        ([NAMES[0], "--data=nowhere"], "nowhere"),
        ([NAMES[0], "--data="], "Expected folders of test sets"),
    ],
)
def test_refusals_change_no_card(presets, arguments, sentence, capsys):
    before = {path.name: path.read_bytes() for path in presets.iterdir()}
    assert int8_losses.main(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in presets.iterdir()} == before


def test_rgb_figures_stand_beside_those_that_others_published():
    found = {"float": 29.876, "int8": 29.811}
    ours = {"name": "mine_x3", "scale": 3, "int8_rgb": {"DIV2K_valid_crop256": {"rgb": found, "rgb8": {}}}}
    lines = pages.int8_beside([ours, {"name": "luma_x3", "scale": 3}]).splitlines()
    (mine,) = [line for line in lines if "mine_x3" in line]
    assert "| 29.88 | 29.81 | -0.07 | here |" in mine and "centre crops of 256×256" in mine
    # Below those that are measured on the like, above the others; a source's digits and no more.
    before, after = (lines[lines.index(mine) + step] for step in (-1, 1))
    assert "DIV2K" in before and "| 29.3 | 29.3 | +0.0 |" in after
    assert not any("luma_x3" in line for line in lines)


def test_an_rgb_network_is_measured_by_both_protocols(pictures):
    model = zoo.create_model("espcn", 3, channels=3)
    engine = KerasEngine(model)
    figures = int8_losses.rgb_figures({"float": engine, "int8": engine}, pictures)
    assert set(figures) == {"rgb", "rgb8"}
    for protocol, found in figures.items():
        (row,) = evaluate(engine, benchmark(pictures), 3, protocol)
        assert found == {"float": round(row.psnr, 4), "int8": round(row.psnr, 4)}
    assert figures["rgb"] != figures["rgb8"]
