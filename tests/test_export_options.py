"""What an export says beforehand: which preset is the better one in int8."""

import pytest

import export.write
from export import __main__ as command
from export import options
from export.options import better_in_int8
from zoo.registry import FREE, card, list_presets


def preset(name, psnr, loss, **others):
    figures = {"results": {"Set5": {"psnr": psnr}, "Set14": {"psnr": psnr - 3}}}
    known = {"name": name, "scale": 2, "channels": 1, "redistribution": FREE, **figures}
    return {**known, "int8_loss_db": {"Set5": -loss, "Set14": -loss / 2}, **others}


def test_what_int8_turns_round_is_said():
    deep = preset("deep", 37.3, 0.5)
    plain, small = preset("plain", 37.1, 0.1), preset("small", 36.9, 0.0)
    said = "in int8 deep loses 0.50 dB on Set5 and is behind plain, which loses 0.10"
    assert better_in_int8(deep, [small, deep, plain]) == said
    # Who takes a preset that is behind anyway has other reasons.
    assert better_in_int8(small, [small, deep, plain]) == ""
    assert better_in_int8(plain, [small, deep, plain]) == ""
    # Nor where it stays ahead.
    assert better_in_int8(preset("deep", 37.3, 0.1), [plain]) == ""


@pytest.mark.parametrize(
    "other", [{"scale": 3}, {"channels": 3}, {"redistribution": "research only"}, {"compressed": {}}], ids=str
)
def test_presets_for_other_pictures_are_not_named(other):
    deep = preset("deep", 37.3, 0.5)
    assert better_in_int8(deep, [deep, preset("plain", 37.1, 0.1)])
    assert better_in_int8(deep, [deep, preset("plain", 37.1, 0.1, **other)]) == ""


def test_every_preset_is_compared():
    cards = [card(name) for name in list_presets()]
    for each in cards:
        said = better_in_int8(each, cards)
        assert said == "" or said.startswith(f"in int8 {each['name']} loses ")


@pytest.mark.parametrize("formats, told", [("tflite_int8", True), ("tflite_fp32", False)])
def test_the_command_says_it(monkeypatch, tmp_path, capsys, formats, told):
    monkeypatch.setattr(export.write, "export_model", lambda *args, **others: {})
    monkeypatch.setattr(options, "better_in_int8", lambda entry, cards: f"{entry['name']} of {len(list(cards))}")
    assert command.main(["--model=gecko_s_x2", f"--formats={formats}", "--nocheck", f"--output={tmp_path}"]) == 0
    assert (f"note: gecko_s_x2 of {len(list_presets())}\n" in capsys.readouterr().err) == told
