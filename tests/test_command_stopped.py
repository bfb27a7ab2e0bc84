"""Ctrl-C in a command: one sentence and exit code 130, whatever a library makes of it."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import zoo.engines
from zoo.errors import STOPPED_WORDS


def interrupted(seconds, *arguments, cwd):
    """A `zoo` command that gets Ctrl-C when it has printed a line: its exit code, output and errors."""
    with subprocess.Popen(
        [sys.executable, "-m", "zoo.command", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
    ) as process:  # fmt: skip
        try:
            first = process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, first + out, error


@pytest.mark.slow
def test_ctrl_c_in_an_export_is_one_sentence(tmp_path):
    """While the second file is made: the first is whole, and nothing else is there."""
    formats = "--formats=tflite_fp32,tflite_fp16,tflite_int8,saved_model"
    flags = ["--model=fsrcnn_s_x2", "--sizes=48x64", formats, "--nocheck", "--output=files"]
    code, _, error = interrupted(0.3, "export", *flags, cwd=tmp_path)
    assert code == 130 and error == "Stopped. Files that are there are whole; the same command writes the others.\n"
    for path in (tmp_path / "files").iterdir():
        zoo.engines.open_engine(str(path)).run(np.zeros((48, 64, 1), np.float32))


def test_ctrl_c_that_python_ignores_ends_the_command_all_the_same():
    """In a destructor an exception is ignored. In a process of its own, as it ends."""
    code = (
        "import signal, sys, time; from zoo.errors import exit_on_usage_error\n"
        "from zoo.program import ends_on_ctrl_c\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Deaf:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "@exit_on_usage_error\n"
        "@ends_on_ctrl_c(seconds=0.2)\n"
        "def command():\n"
        "    part = Deaf(); del part; time.sleep(60)\n"
        "    return 0\n"
        "sys.exit(command())"
    )
    arrives = "part = Deaf(); del part; time.sleep(60)"

    def ended(instead: str) -> tuple[int, str]:
        command = [sys.executable, "-c", code.replace(arrives, instead)]
        process = subprocess.run(command, capture_output=True, text=True, timeout=50)
        return process.returncode, process.stderr

    said = (130, f"{STOPPED_WORDS}\n")
    assert ended(arrives) == said
    # One that arrives is caught, said once, and leaves the handler that was there; so is what a library makes of it.
    assert ended("signal.raise_signal(signal.SIGINT)") == said
    wrapped = "\n    try: signal.raise_signal(signal.SIGINT)\n    except BaseException: raise SystemError('no result')"
    assert ended(wrapped) == said
    # Control: an error that no Ctrl-C went before keeps its traceback.
    exit_code, error = ended("raise SystemError('result with error')")
    assert exit_code == 1 and error.endswith("SystemError: result with error\n")
