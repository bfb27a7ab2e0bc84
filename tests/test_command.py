"""The `zoo` command: every word leads to the same code as its `python -m` form."""

import subprocess
import sys

import pytest

from zoo import command, registry


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
def test_every_word_explains_its_flags(word):
    process = subprocess.run(
        [sys.executable, "-m", "zoo.command", word, "--help"], capture_output=True, text=True, timeout=120
    )
    # absl's --help exits with 1 after printing.
    assert process.returncode in (0, 1), process.stderr
    assert "--" in process.stdout and "Traceback" not in process.stderr
