"""ncnn on ARM64, by emulation: what TFLite computes there, of networks of every kind that ncnn takes."""

import json
import subprocess

import pytest

from export.arm import emulator
from zoo.engines.kinds import TOLERANCE

# Run by an emulated Python; it prints a line of JSON for each preset.
PROGRAM = """
import json, platform, sys
import numpy as np
from zoo.engines.opening import of_preset, open_engine

for name in sys.argv[1:]:
    engine, expected = open_engine(name, threads=1), of_preset(name, threads=1)
    shape = engine.cell[0] + 18, engine.cell[1] + 25, engine.channels
    noise = np.random.default_rng(7).random(shape, np.float32)
    ours, theirs, other = engine.run(noise), expected.run(noise), expected.run(np.roll(noise, 1, axis=0))
    off, control = (float(np.abs(each - theirs).max() / np.ptp(theirs)) for each in (ours, other))
    print(json.dumps([name, platform.machine(), engine.kind, off, control]), flush=True)
"""
PRESETS = ["espcn_x3", "fsrcnn_s_x2", "gecko_rgb_x3"]


@pytest.mark.slow
@pytest.mark.parametrize("cpu", emulator.CPUS)
def test_ncnn_is_taken_and_right_on_arm(cpu, tmp_path):
    if not (emulator.folder() / "wheels/ncnn").is_dir():
        pytest.skip(emulator.MISSING)
    command, environment = emulator.python(cpu)
    environment["ZOO_CACHE"] = str(tmp_path)
    done = subprocess.run(
        [*command, "-c", PROGRAM, *PRESETS], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in found] == PRESETS
    for name, machine, kind, off, control in found:
        # Chosen after the comparison that every engine has to pass, in another picture here.
        assert machine == "aarch64" and kind.startswith("ncnn"), (name, kind)
        assert off <= TOLERANCE < control, (name, off, control)
