"""What presets for JPEG files make of them: measured as the cards say, and refused for presets of another kind."""

import pytest
from PIL import Image

import zoo
from releasing import compressed
from zoo.data import sample


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["gecko_x2", "--data=."], "NAME_jpeg_xSCALE trained with"),
        (["gecko_jpeg_x2", "--data="], "folders of test sets"),
        (["nothing", "--data=."], "to be one of"),
    ],
)
def test_refusals_change_no_card(presets, capsys, arguments, sentence):
    before = {path.name: path.read_bytes() for path in presets.iterdir()}
    assert compressed.main(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in presets.iterdir()}


def test_the_command_measures_and_writes_nothing_else(presets, tmp_path, monkeypatch):
    (tmp_path / "Photos").mkdir()
    _, _, picture = next(iter(sample(2, 3, "heldout").pictures()))
    Image.fromarray(picture[:143, :161]).save(tmp_path / "Photos/one.png")
    assert compressed.PROTOCOLS == ("jpeg30", "jpeg45", "jpeg60", "jpeg90", "rgb8")
    monkeypatch.setattr(compressed, "PROTOCOLS", ("jpeg30", "rgb8"))
    before = zoo.card("gecko_jpeg_x2")
    assert compressed.main(["gecko_jpeg_x2", f"--data={tmp_path / 'Photos'}"]) == 0
    after = zoo.card("gecko_jpeg_x2")
    (found,) = after.pop("compressed").values()
    before.pop("compressed")
    assert after == before and set(found) == {"jpeg30", "rgb8"}
    # Trained for compressed pictures it is ahead there; on clean ones the plain preset is.
    for protocol, better, worse in (("jpeg30", "gecko_jpeg_x2", "gecko_x2"), ("rgb8", "gecko_x2", "gecko_jpeg_x2")):
        assert found[protocol][better]["psnr"] > found[protocol][worse]["psnr"] > 20
    assert found["jpeg30"]["gecko_jpeg_x2"]["blocking"] < found["jpeg30"]["gecko_x2"]["blocking"]
