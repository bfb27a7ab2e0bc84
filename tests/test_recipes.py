"""The comparison of training settings: what differs is found, the page is what the figures say."""

import json

import pytest

from benchmarks import recipes
from zoo.errors import UsageError
from zoo.training import TrainConfig


def run(folder, psnr=(28.0, 29.25), **settings):
    folder.mkdir()
    TrainConfig(data="a/photos,b/more", steps=20, **settings).save(folder / "config.json")
    lines = [{"step": 0, "psnr": psnr[0]}]
    lines += [{"step": step, "loss": 0.1, "steps_per_second": speed} for step, speed in ((5, 9), (10, 30), (15, 10))]
    lines += [{"step": 20, "psnr": psnr[1]}]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_only_what_differs_makes_the_rows(tmp_path):
    runs = [run(tmp_path / "a"), run(tmp_path / "b", psnr=(28.0, 29.5), optimizer="soap")]
    comparison = recipes.compare([recipes.figures_of(each) for each in runs])
    assert [row["settings"] for row in comparison["rows"]] == [{"optimizer": "adam"}, {"optimizer": "soap"}]
    assert comparison["rows"][1]["psnr"] == {"0": 28.0, "20": 29.5}
    assert comparison["rows"][1]["steps_per_second"] == 10
    # Folders by their names; defaults are left out.
    assert comparison["shared"] == {"model": "fsrcnn", "scale": 3, "data": "photos,more", "steps": 20}
    text = recipes.section("Which optimizer?", comparison)
    assert "| `--optimizer=soap` | 10 | 28.00 | 29.50 |" in text and "b/more" not in text


def test_harmless_settings_make_no_difference(tmp_path):
    runs = [run(tmp_path / "a"), run(tmp_path / "b", threads=1, validate_every=7)]
    assert recipes.compare([recipes.figures_of(each) for each in runs])["rows"][1]["settings"] == {}


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Expected the workdir of a training run. Received"):
        recipes.figures_of(tmp_path)
    folder = run(tmp_path / "a")
    (folder / "log.jsonl").write_text("")
    with pytest.raises(UsageError, match="validated"):
        recipes.figures_of(folder)
    assert recipes.main([str(folder)]) == 2


def test_the_page_is_what_the_figures_say(tmp_path, monkeypatch):
    assert recipes.main(["--check"]) == 0
    other = tmp_path / "recipes.md"
    other.write_text(recipes.PAGE.read_text(encoding="utf-8").replace("2", "3"))
    monkeypatch.setattr(recipes, "PAGE", other)
    assert recipes.main(["--check"]) == 1
