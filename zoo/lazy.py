"""A package's names that are imported when they are used, so that importing it needs little."""

import importlib
from collections.abc import Callable
from typing import Any


def lazy(package: str, homes: dict[str, str], *present: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns a package's `__getattr__` and `__dir__` (PEP 562).

    Args:
        package: its `__name__`.
        homes: public name → the module inside the package that defines it.
        present: public names that the package defines itself.

    Example:
        >>> find, names = lazy("zoo.data", {"imresize": "degrade"})
        >>> find("imresize").__name__, names()
        ('imresize', ['imresize'])
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find, lambda: sorted([*homes, *present])
