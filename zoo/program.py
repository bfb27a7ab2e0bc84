"""What the running program is: its name in its own help, as it was typed, and what it says."""

import contextlib
import os
import sys
from collections.abc import Iterator


def program(module: str) -> str:
    """`"zoo upscale"` where the `zoo` command has started the module, else `"python -m zoo.upscale"`."""
    return sys.argv[0] if sys.argv[0].startswith("zoo ") else f"python -m {module}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps LiteRT's greeting, which it writes past Python, out of a command's output."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
