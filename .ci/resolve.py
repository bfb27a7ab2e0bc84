"""Sees that what setup.py allows can be installed together, the oldest and the newest of it: `make resolve`.

Asks the package index for names and versions; installs nothing. Left out are the extras that have an environment of
their own (beam) and torch, which only a benchmark needs.
"""

import re
import runpy
import subprocess
import sys
from unittest import mock

LEFT_OUT = {"beam", "bench"}


def allowed() -> list[str]:
    """The requirements of setup.py, those of the extras too."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path("setup.py")
    told = setup.call_args.kwargs
    extras = [each for name, named in told["extras_require"].items() if name not in LEFT_OUT for each in named]
    return sorted({*told["install_requires"], *extras})


def main() -> int:
    newest = allowed()
    oldest = [re.sub(">=(.*)", r"==\1.*", requirement) for requirement in newest]
    for kind, requirements in (("oldest", oldest), ("newest", newest)):
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", *requirements]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" not in line]
            print(f"the {kind} allowed versions do not go together:", *lines, sep="\n", file=sys.stderr)
            return 1
        print(f"the {kind} allowed versions go together: {', '.join(requirements)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
