"""What a network costs before it is run: parameters, multiplications by both countings, receptive field, memory.

`zoo models` prints the whole registry as one table. The names resolve on first use, before which Keras
is not imported.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.complexity.counting import count, receptive_field
    from zoo.complexity.table import rows, summary

_HOME = {"count": "counting", "receptive_field": "counting", "rows": "table", "summary": "table"}
__all__ = ["count", "receptive_field", "rows", "summary"]
__getattr__, __dir__ = lazy(__name__, _HOME)
