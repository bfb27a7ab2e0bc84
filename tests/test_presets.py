"""The shipped presets: their files are the card's, their figures are true, their pages are what the cards say."""

import json
import shutil

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from model_contract import keeps_the_contract

import zoo
from releasing import pages, picture_terms, tflite_files
from releasing.preset import make_preset, training_card
from zoo import registry
from zoo.data import benchmark
from zoo.data.names import by_name
from zoo.data.records import write_records
from zoo.errors import UsageError
from zoo.evaluate import evaluate, mean
from zoo.graphs import tflite, tflite_metadata
from zoo.training import TrainConfig
from zoo.training.start import build_model

NAMES = zoo.list_presets()
# One of each architecture, the first; the others in the slow tier.
FIRST = {zoo.card(name)["model"]: name for name in reversed(NAMES)}.values()
EACH = [pytest.param(name, marks=() if name in FIRST else pytest.mark.slow) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_tflite_file_equals_the_weights(name):
    model = zoo.load(name)
    card = zoo.card(name)
    images = np.random.default_rng(0).random((1, 19, 26, card["channels"]), dtype=np.float32)
    interpreter = Interpreter(str(registry.preset_file(name, ".tflite")))
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, images)
    interpreter.invoke()
    received = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(received - model(images)).max() <= 1e-5
    assert card["parameters"] == model.count_params()
    # Control: the weights of a new network are others.
    fresh = zoo.create_model(card["model"], card["scale"], **card["options"])
    assert np.abs(received - fresh(images)).max() > 1e-3


@pytest.mark.parametrize("name", EACH)
def test_the_forms_of_a_preset_are_one_function(name, tmp_path):
    if zoo.card(name)["options"].get("upsampler") is None:
        with pytest.raises(UsageError, match="Expected no upsampler"):
            zoo.load(name, upsampler="transposed")
        return
    card = zoo.card(name)
    images = np.random.default_rng(1).random((2, 13, 10, card["channels"]), dtype=np.float32)
    for form in ("transposed", "zero_interleaved", "subpixel"):
        keeps_the_contract(zoo.load(name, upsampler=form), card["model"], form, card["scale"], images, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_cards_figures_on_set5(name, reference_data):
    card = zoo.card(name)
    pictures = benchmark(reference_data / "eval" / "Set5")
    received = mean(evaluate(zoo.load(name), pictures, card["scale"]))
    assert abs(received.psnr - card["results"]["Set5"]["psnr"]) <= 0.005
    assert abs(received.ssim - card["results"]["Set5"]["ssim"]) <= 0.0005
    assert received.psnr > mean(evaluate("bicubic", pictures, card["scale"])).psnr + 0.5


def test_a_file_that_is_not_the_cards_is_refused(tmp_path, monkeypatch):
    name = NAMES[0]
    for path in registry.PRESETS.glob(f"{name}.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(registry, "PRESETS", tmp_path)
    assert zoo.load(name).count_params() == zoo.card(name)["parameters"]
    weights = tmp_path / f"{name}.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(UsageError, match="Expected SHA-256"):
        zoo.load(name)
    weights.unlink()
    with pytest.raises(UsageError, match="Expected the preset's file"):
        zoo.load(name)


def test_the_zoos_own_presets_stand_beside_fsrcnn():
    def made(name, model, set5):
        results = {each: {"psnr": psnr} for each, psnr in zip(pages.SETS, (set5, 32.0, 31.0))}
        return {"name": name, "model": model, "macs_720p": 1e9, "results": results}

    cards = [
        made("fsrcnn_s_x2", "fsrcnn_s", 36.0), made("fsrcnn_x2", "fsrcnn", 37.0), made("gecko_jpeg_x2", "gecko", 40.0),
        made("gecko_dw_x2", "gecko", 36.9), made("gecko_s_x2", "gecko_s", 36.2), made("gecko_x2", "gecko", 37.104),
        made("gecko_research_x2", "gecko", 37.0), made("gecko_dw_s_x2", "gecko", 36.25),
    ]  # fmt: skip
    *_, separable, small, medium, research, thin = pages.beside_fsrcnn(cards).splitlines()
    assert thin == "| gecko_dw_s_x2 | 1.00 | fsrcnn_s_x2 | 1.00 | **+0.25** | +0.00 | +0.00 | – | +0.25 |"
    assert separable == "| gecko_dw_x2 | 1.00 | fsrcnn_x2 | 1.00 | -0.10 | +0.00 | +0.00 | – | +0.10 |"
    assert research.startswith("| gecko_research_x2 | 1.00 | fsrcnn_x2 |")
    assert small == "| gecko_s_x2 | 1.00 | fsrcnn_s_x2 | 1.00 | +0.20 | +0.00 | +0.00 | – | +0.25 |"
    assert medium == "| gecko_x2 | 1.00 | fsrcnn_x2 | 1.00 | **+0.10** | +0.00 | +0.00 | – | +0.10 |"


def test_the_pages_are_what_the_cards_say(tmp_path, monkeypatch, capsys):
    assert pages.main(["--check"]) == 0
    # Control: another figure in one card is noticed.
    for path in registry.PRESETS.glob("*.json"):
        shutil.copy(path, tmp_path)
    card = json.loads((tmp_path / f"{NAMES[0]}.json").read_text(encoding="utf-8"))
    card["results"]["Set5"]["psnr"] += 0.01
    (tmp_path / f"{NAMES[0]}.json").write_text(json.dumps(card), encoding="utf-8")
    monkeypatch.setattr(registry, "PRESETS", tmp_path)
    assert pages.main(["--check"]) == 1
    assert "presets.md is not what" in capsys.readouterr().err


@pytest.mark.slow
def test_a_tflite_file_is_made_anew_from_the_weights(tmp_path, monkeypatch, capsys):
    name = NAMES[0]
    for path in registry.PRESETS.glob(f"{name}.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(registry, "PRESETS", tmp_path)
    before = zoo.card(name)
    (tmp_path / f"{name}.tflite").write_bytes(b"another")
    with pytest.raises(UsageError, match="Expected SHA-256"):
        registry.preset_file(name, ".tflite")
    assert tflite_files.main([name]) == 0
    test_the_tflite_file_equals_the_weights(name)
    after = zoo.card(name)
    assert {**before, "sha256": None} == {**after, "sha256": None}
    assert before["sha256"]["weights.h5"] == after["sha256"]["weights.h5"]
    # Bytes and hash are the same whenever it is made.
    capsys.readouterr()
    assert tflite_files.main([name]) == 0 and capsys.readouterr().out == f"{name} is as it was\n"
    assert tflite_files.main(["none_x3"]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_whether_its_weights_may_be_shipped(name):
    card = zoo.card(name)
    assert picture_terms.redistribution(card["training"]).items() <= card.items()
    # A single picture for research, however early, and the weights are for research.
    seen = {"data": {"photos_free": "", "graphics": ""}, "started_from": {"data": {"sample": ""}}}
    free = picture_terms.redistribution(seen)
    assert free["redistribution"] == registry.FREE
    assert any("CC-BY-4.0" in line for line in free["credits"]) and any("scikit-image" in c for c in free["credits"])
    seen["started_from"]["started_from"] = {"data": {"sample": "", "T91": ""}}
    assert picture_terms.redistribution(seen) == {"redistribution": picture_terms.RESEARCH}


@pytest.mark.slow
def test_a_card_names_the_pictures_behind_prepared_data(tmp_path):
    write_records(by_name("sample,graphics", 3), tmp_path / "prepared")
    folder = run(tmp_path / "run", data=str(tmp_path / "prepared"))
    card = training_card(folder, TrainConfig.load(folder / "config.json"))
    assert list(card["data"]) == ["sample", "graphics"] and "--data=sample,graphics" in card["command"]
    assert set(card["data"].values()) <= set(picture_terms.TERMS.values())


def test_a_preset_is_small():
    for path in registry.PRESETS.iterdir():
        assert path.stat().st_size < 2**20, path.name


def run(folder, **settings):
    folder.mkdir()
    TrainConfig(**settings).save(folder / "config.json")
    (folder / "log.jsonl").write_text('{"step": 10, "steps_per_second": 2.0}\n')
    (folder / "best.json").write_text('{"step": 10, "psnr": 29.0}')
    (folder / "environment.json").write_text("{}")
    return folder


def test_a_card_carries_along_what_its_run_started_from(tmp_path, monkeypatch):
    presets = {"espcn_x3": {"training": {"command": "python train.py --first"}}}
    monkeypatch.setattr(zoo.registry, "card", lambda name: presets[name])
    first = run(tmp_path / "a", model="espcn", preset="espcn_x3")
    second = run(tmp_path / "b", model="espcn", scale=2, weights=str(first / "model.keras"))
    one, two = (training_card(path, TrainConfig.load(path / "config.json")) for path in (first, second))
    assert one["started_from"] == presets["espcn_x3"]["training"] and two["started_from"] == one
    assert "--weights=a/model.keras" in two["command"]
    assert "started_from" not in training_card(run(tmp_path / "c"), TrainConfig())
    # Once the run is the preset, its card is not what it started from.
    presets["espcn_x3"] = {"training": one}
    assert training_card(first, TrainConfig.load(first / "config.json")) == one


def test_what_cannot_be_measured_leaves_a_preset_as_it_was(tmp_path):
    workdir, output = run(tmp_path / "run", model="fsrcnn_s", scale=2), tmp_path / "presets"
    build_model(TrainConfig(model="fsrcnn_s", scale=2)).save_weights(workdir / "best.weights.h5")
    output.mkdir()
    for suffix in ("json", "weights.h5", "tflite"):
        (output / f"fsrcnn_s_x2.{suffix}").write_text("of before")
    with pytest.raises(UsageError, match="nowhere"):
        make_preset(workdir, "fsrcnn_s_x2", [tmp_path / "nowhere"], output)
    assert {path.read_text() for path in output.iterdir()} == {"of before"}
    # Control: with nothing to measure all three are new.
    make_preset(workdir, "fsrcnn_s_x2", [], output)
    assert len(list(output.iterdir())) == 3 and all(path.read_bytes() != b"of before" for path in output.iterdir())


def test_a_variants_file_tells_its_name(tmp_path):
    workdir, output = run(tmp_path / "run", model="fsrcnn_s", scale=2), tmp_path / "presets"
    build_model(TrainConfig(model="fsrcnn_s", scale=2)).save_weights(workdir / "best.weights.h5")
    make_preset(workdir, "fsrcnn_s_mine_x2", [], output)
    content = tflite.read(output / "fsrcnn_s_mine_x2.tflite").metadata(tflite_metadata.NAME)
    assert tflite_metadata.read(content).name == "fsrcnn_s_mine_x2"
