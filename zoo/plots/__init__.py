"""Pictures of kernels, checkerboards, costs and errors, each by one command: `zoo plots NAME --output=…`.

Every module of this room keeps what is measured apart from how it is drawn. Charts and maps need matplotlib, which the
extra `[plots]` installs: axes, logarithms and colour bars are its work.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.plots import checkerboard, cost, difference, kernels, split

__all__ = ["checkerboard", "cost", "difference", "kernels", "split"]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"zoo.plots.{name}")
    raise AttributeError(f"module 'zoo.plots' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
