"""Memory, of what runs in a process of its own: what was freed before would be taken again without being seen."""

import os
import subprocess
import sys
from pathlib import Path


def most_memory() -> int:
    """Bytes that the process has held at once so far; what `getrusage` says includes the parent's size at the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def in_a_process_of_its_own(call: str) -> None:
    """Runs `module.function(…)` of these tests; what it raises fails the test."""
    code = f"import {call.split('.')[0]}; {call}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
