"""The `zoo` command: every word leads to the same code as its `python -m` form."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import command, registry
from zoo.errors import UsageError
from zoo.program import program, quiet_tensorflow
from zoo.training import TrainConfig, help


def test_help_names_every_word(capsys):
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"zoo {word}" in shown for word in command.WORDS)


def test_an_unknown_word_is_one_sentence(capsys):
    assert command.main(["enhance"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Expected one of train, evaluate") and error.count("\n") == 1
    assert command.main(["upsacle"]) == 2
    assert capsys.readouterr().err.endswith("Received: 'upsacle'; did you mean 'upscale'?\n")


def test_a_home_after_a_flag_is_a_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert command.main(["plots", "split", "--output=~/x~y.svg"]) == 2
    assert f"Received: '{tmp_path / 'home'}', which is not there" in capsys.readouterr().err
    (tmp_path / "home").mkdir()
    assert command.main(["plots", "split", "--output=~/x~y.svg"]) == 0
    assert [each.name for each in tmp_path.rglob("*")] == ["home", "x~y.svg"]


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("export --modle=espcn_x3 --output=out", "flag --modle; did you mean '--model'? `zoo export --help` lists"),
        ("upscale a.png --outptu=out", "There is no flag --outptu; did you mean '--output'?"),
        ("presets --jsn", "There is no flag --jsn; did you mean '--json'?"),
        ("models --all", "There is no flag --all. `zoo models --help` lists all"),
        ("export --model=espcn_x3 --output=out --gate=smal", "Expected --gate to be one of full, small, off. Received: "
         "'smal'; did you mean 'small'?"),
        ("rewrite a.onnx b.onnx --form=transpsed", "did you mean 'transposed'?"),
        ("plots kernel --output=x.png", "did you mean 'kernels'?"),
        ("upscale a.png --output=b.png --scale=two", "--scale takes a whole number. Received: 'two'"),
        ("evaluate --data=.", "The following arguments are required: --model; `zoo evaluate --help` explains"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_a_sentence_that_names_the_nearest(line, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["zoo", *line.split()])
    assert command.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and sentence in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "line, kind",
    [
        ("upscale gone.mkv --output=out.mkv", "a video"),
        ("upscale gone.png --output=out", "a picture, a folder or a pattern"),
        ("upscale here.png --output=out --model=gone.tflite", "a .tflite file"),
        ("upscale here.png --output=out --model=gone.keras", "a .keras file"),
        ("evaluate --model=gone.tflite --data=.", "a .tflite file"),
        ("evaluate --model=gone.keras --data=.", "a .keras file"),
        ("evaluate --model=fsrcnn_s_x2 --data=gone", "a folder of pictures"),
        ("rewrite gone.tflite out.tflite", "a .tflite file"),
        ("rewrite gone.keras out.keras", "a .keras file"),
        ("rewrite gone.onnx out.onnx", "an .onnx file"),
        ("export --model=gone.keras --output=out", "a .keras file"),
        ("check gone.tflite", "a .tflite file"),
        ("check here.tflite --input=gone.png", "a picture"),
        ("prepare --data=gone --scale=2 --output=out", "a folder of pictures"),
        ("plots kernels --model=gone.keras --output=out.png", "a .keras file"),
        ("plots difference --picture=gone.png --output=out.png", "a picture"),
    ],
)
def test_every_command_says_the_same_of_what_is_not_there(line, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (40, 30), 9).save("here.png")
    shutil.copy(registry.preset_file("fsrcnn_s_x2", ".tflite"), "here.tflite")
    before = {*tmp_path.iterdir()}
    assert command.main(line.split()) == 2
    gone = re.search(r"\bgone(\.\w+)?", line)[0]
    assert capsys.readouterr().err == f"error: Expected {kind}. Received: {gone!r}, which is not there\n"
    assert {*tmp_path.iterdir()} == before


def test_anothers_package_of_the_same_name_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "export"]:
        monkeypatch.delitem(sys.modules, name)
    assert command.main(["export", "--help"]) == 2
    expected = f"error: Expected subpixel-zoo's own package 'export'. Received: {tmp_path / 'export'}\n"
    assert capsys.readouterr().err == expected


def test_presets_lists_all(capsys):
    assert command.main(["presets"]) == 0
    heading, *lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert heading.split()[:5] == ["preset", "scale", "input", "parameters", "GMAC"]
    assert [line.split()[0] for line in lines] == registry.list_presets()
    for line, name in zip(lines, registry.list_presets()):
        card = registry.card(name)
        assert line.endswith(card["redistribution"]) and f"{card['macs_720p'] / 1e9:.2f}" in line
        assert line.split()[1:3] == [f"×{card['scale']}", "RGB" if card["channels"] == 3 else "Y"]


def test_presets_by_a_pattern_as_json(capsys):
    assert command.main(["presets", "fsrcnn_s*", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["preset"] for row in found] == ["fsrcnn_s_x2", "fsrcnn_s_x3", "fsrcnn_s_x4"]
    assert found[0]["psnr"] == {n: r["psnr"] for n, r in registry.card("fsrcnn_s_x2")["results"].items()}
    assert command.main(["presets", "fsrcn_x3"]) == 2
    assert capsys.readouterr().err == (
        "error: Expected a pattern that matches presets. Received: 'fsrcn_x3', which matches none; "
        "did you mean 'fsrcnn_x3'?\n"
    )


def test_the_version_is_the_packages(capsys):
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"zoo {zoo.__version__}\n"


def test_engines_says_what_is_installed_and_chosen(capsys):
    from zoo.engines import open_engine

    assert command.main(["engines", "espcn_x2"]) == 0
    shown = capsys.readouterr().out
    assert f"{metadata.version('ai-edge-litert')} " in shown and "espcn_x3" not in shown
    assert re.search(rf"^  espcn_x2 +{open_engine('espcn_x2').kind} +a guess", shown, re.M)


def test_engines_says_what_was_measured_and_why_another_is_not_taken(cache, capsys, monkeypatch):
    from zoo.engines import measuring

    monkeypatch.setitem(sys.modules, "ncnn", None)
    measured = []

    def times(engines):
        measured.append(engines)
        return {name: measuring.Time(0.001 * (9 if name != "TFLite" else 5)) for name in engines}

    monkeypatch.setattr(measuring, "times", times)
    for flags in ([], ["--measure"], [], ["--measure"]):
        assert command.main(["engines", "espcn_x2", "--threads=1", *flags]) == 0
        shown = capsys.readouterr().out
        assert bool(re.search(r"^  espcn_x2 +TFLite +measured 2", shown, re.MULTILINE)) == bool(measured)
        assert ("    TFLite 5.0 ms" in shown) == bool(measured)
        assert (", the least of 2 measurements" in shown) == (len(measured) == 2)
        assert re.search("^    not ncnn 40x80, ncnn .*: not installed", shown, re.M)
    assert len(measured) == 2
    assert command.main(["engines", "espcnx2"]) == 2
    assert capsys.readouterr().err.startswith("error: Expected a pattern of presets, as 'fsrcnn*'. Received: 'espcnx2'")


def test_a_reader_that_has_enough_is_no_error():
    line = f"{sys.executable} -m zoo.command presets --json | head -n 1"
    process = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=60)
    assert (process.stdout, process.stderr) == ("[\n", "") and process.returncode in (0, 141)


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: zoo.load("fsrcn_x3"), "fsrcnn_x3"),
        (lambda: zoo.create_model("ESPCN", scale=3), "espcn"),
        (lambda: zoo.create_model("espcn", scale=3, chanels=3), "channels"),
        (lambda: zoo.create_model("espcn", scale=3, upsampler="sub_pixel"), "subpixel"),
        (lambda: zoo.engines.open_engine("espcnx3"), "espcn_x3"),
        (lambda: TrainConfig(optimizer="adamW2"), "adamw"),
        (lambda: zoo.data.from_folder(".", 3, split="trian"), "train"),
        (lambda: zoo.data.imresize(np.zeros((4, 4)), 2, border="mirrored"), "mirror"),
    ],
    ids=["preset", "model", "option", "form", "engine", "config", "split", "border"],
)
def test_a_name_nearly_right_is_answered_with_the_right_one(call, near):
    with pytest.raises(UsageError) as error:
        call()
    assert str(error.value).endswith(f"; did you mean {near!r}?")


def test_a_name_far_from_all_is_answered_with_none():
    with pytest.raises(UsageError, match=r"Received: 'unet'$"):
        zoo.create_model("unet", scale=3)


@pytest.mark.slow
@pytest.mark.parametrize("word", command.WORDS)
def test_every_word_explains_its_flags_by_the_name_that_was_typed(word):
    process = subprocess.run(
        [sys.executable, "-m", "zoo.command", word, "--help"], capture_output=True, text=True, timeout=120
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith(f"usage: zoo {word} ") and "python -m" not in process.stdout.splitlines()[0]


def test_the_help_of_training_has_every_flag_its_choices_and_its_default():
    text = help.usage("zoo train", {"workdir": "Folder of the run."})
    for field in dataclasses.fields(TrainConfig):
        entry = re.search(rf"^  --(\[no\])?{field.name} .*(\n {{24}}.*)*", text, re.M)[0]
        words = " ".join(entry.split())
        assert field.metadata["help"] in words
        assert all(str(choice) in words for choice in field.metadata["choices"] or ())
    assert "One of l1, charbonnier, mse. Default: l1." in text and "  --workdir             Folder of the run." in text
    words = " ".join(text.split())
    assert "One of auto, on, off. Default: auto." in words and "Default: --nofreeze_body." in words
    assert max(map(len, text.splitlines())) <= 104
    assert set(help.GROUPS) <= {field.name for field in dataclasses.fields(TrainConfig)}


def test_a_module_run_by_itself_is_called_by_its_own_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/pytest"])
    assert program("zoo.upscale") == "python -m zoo.upscale"
    monkeypatch.setattr(sys, "argv", ["zoo upscale"])
    assert program("zoo.upscale") == "zoo upscale"


def test_the_installed_command_is_this_one():
    (entry,) = metadata.entry_points(group="console_scripts", name="zoo")
    assert entry.load() is command.main


def test_tensorflow_is_quiet_unless_told_otherwise(monkeypatch):
    level = "2" if os.path.exists("/dev/nvidia0") else "3"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    quiet_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
    quiet_tensorflow(1)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level


@pytest.mark.slow
@pytest.mark.parametrize("told", [None, "0"])
def test_tensorflow_says_nothing_when_it_is_imported_and_started(told):
    code = (
        "from zoo.program import quiet_tensorflow; quiet_tensorflow()\n"
        "import tensorflow as tf; print(int(tf.constant(1) + 1))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": told} if told else {}
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert process.stdout == "2\n"
    # Control: with the level that shows all there is something to show.
    assert ("absl::InitializeLog" in process.stderr) == (told == "0"), process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ["releasing.preset", "releasing.int8_losses", "releasing.tflite_files"])
def test_tensorflow_is_told_before_it_is_imported(module):
    code = (
        "import sys; from zoo import program; imported = []\n"
        "program.quiet_tensorflow = lambda level=2: imported.append('tensorflow' in sys.modules)\n"
        f"import {module}; sys.exit(imported[0] or 'tensorflow' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


QUIET = {
    "export": "export --model=fsrcnn_s_x2 --sizes=24x32 --formats=tflite_fp32,tflite_int8,onnx,saved_model --gate=off "
    "--output=files",
    "evaluate": "evaluate --model=fsrcnn_s_x2 --data=pictures",
    "models": "models",
    "engines": "engines fsrcnn_s_x2",
    "upscale": "upscale pictures --output=large --model=fsrcnn_s_x2",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUIET)
def test_a_command_prints_nothing_that_its_libraries_say(name, tmp_path):
    (tmp_path / "pictures").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (48, 60, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "pictures" / "a.png")
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "zoo.command", *QUIET[name].split()]
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    foreign = r"WARNING|INFO|[IWE]0000|absl|\[W:|fully_quantize|oneDNN"
    assert process.returncode == 0 and not re.search(foreign, process.stderr + process.stdout), process.stderr
