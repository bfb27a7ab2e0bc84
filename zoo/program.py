"""What the running program is: its name in its own help, as it was typed, and the processors that it may use."""

import os
import sys


def program(module: str) -> str:
    """`"zoo upscale"` where the `zoo` command has started the module, else `"python -m zoo.upscale"`."""
    return sys.argv[0] if sys.argv[0].startswith("zoo ") else f"python -m {module}"


def available_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
