"""What int8 costs is in every preset's card, little for those that promise it, and measured by a command."""

import shutil

import pytest
from PIL import Image

import zoo
from export import int8
from releasing import int8_losses
from zoo import registry
from zoo.data import sample

NAMES = zoo.list_presets()


@pytest.fixture
def presets(tmp_path, monkeypatch):
    """The folder of the presets, a copy that a test may change."""
    folder = shutil.copytree(registry.PRESETS, tmp_path / "presets")
    monkeypatch.setattr(registry, "PRESETS", folder)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A test set of one photograph, of an odd size."""
    folder = tmp_path / "Photos" / "HR"
    folder.mkdir(parents=True)
    _, _, picture = next(iter(sample(3, 3, "heldout").pictures()))
    Image.fromarray(picture[:143, :161]).save(folder / "one.png")
    return folder.parent


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_int8_costs(name):
    assert set(zoo.card(name)["int8_loss_db"]) >= {"Set5", "Set14"}


@pytest.mark.parametrize("name", [name for name in NAMES if zoo.card(name)["model"] in ("espcn", "fsrcnn", "fsrcnn_s")])
def test_int8_loses_at_most_a_tenth_of_a_decibel(name):
    assert min(zoo.card(name)["int8_loss_db"].values()) >= -0.10


@pytest.mark.slow
def test_the_command_measures_and_writes_nothing_else(presets, pictures, capsys, monkeypatch):
    name = "espcn_x3"  # at ×2 the photograph is so easy, 44 dB, that int8 costs it 0.4 dB
    before = zoo.card(name)
    assert int8_losses.main([name, f"--data={pictures}"]) == 0
    after = zoo.card(name)
    assert -0.2 < after.pop("int8_loss_db")["Photos"] < 0.05
    before.pop("int8_loss_db")
    assert after == before and name in capsys.readouterr().out
    # Control: with weights half as large as they should be, int8 loses much.
    halved = lambda simulation, *_: {index: value / 2 for index, value in simulation.constants.items()}  # noqa: E731
    monkeypatch.setattr(int8, "fit", halved)
    assert int8_losses.int8_loss(zoo.load(name), [pictures])["Photos"] < -1


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
