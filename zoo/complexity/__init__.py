"""What a network costs before it is run: parameters, multiplications by both countings, receptive field, memory.

`python -m zoo.complexity` prints the whole registry as one table. The names resolve on first use, before which Keras
is not imported.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.complexity.counting import count, receptive_field
    from zoo.complexity.table import rows, summary

_HOME = {"count": "counting", "receptive_field": "counting", "rows": "table", "summary": "table"}
__all__ = ["count", "receptive_field", "rows", "summary"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
