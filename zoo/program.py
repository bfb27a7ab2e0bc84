"""What a command is called in its own help: as the person who asks for it has typed it."""

import sys


def program(module: str) -> str:
    """`"zoo upscale"` where the `zoo` command has started the module, else `"python -m zoo.upscale"`."""
    return sys.argv[0] if sys.argv[0].startswith("zoo ") else f"python -m {module}"
