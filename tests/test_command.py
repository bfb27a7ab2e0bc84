"""The `zoo` command: every word leads to the same code as its `python -m` form."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from zoo import command, registry
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


def test_presets_lists_all(capsys):
    assert command.main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == registry.list_presets()


@pytest.mark.slow
@pytest.mark.parametrize("word", [word for word in command.WORDS if word != "presets"])
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
    from importlib import metadata

    (entry,) = metadata.entry_points(group="console_scripts", name="zoo")
    assert entry.load() is command.main


def test_tensorflow_is_quiet_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    quiet_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    quiet_tensorflow(3)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["export.preset", "export.preset_int8", "export.preset_tflite"])
def test_tensorflow_is_told_before_it_is_imported(module):
    code = (
        "import sys; from zoo import program; imported = []\n"
        "program.quiet_tensorflow = lambda level=2: imported.append('tensorflow' in sys.modules)\n"
        f"import {module}; sys.exit(imported[0] or 'tensorflow' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
