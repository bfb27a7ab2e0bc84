"""The published protocol: PSNR and SSIM of a network on the public test sets, bicubic beside it.

`zoo evaluate --model=NAME_OR_FILE --data=FOLDER[,FOLDER…]` prints the table.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.evaluate.protocol import (
        PROTOCOLS,
        Mean,
        Protocol,
        Score,
        Upscaler,
        compared,
        evaluate,
        left_out,
        mean,
        unfit,
    )
    from zoo.evaluate.sets import open_network, tables

_PROTOCOL = ("PROTOCOLS", "Mean", "Protocol", "Score", "Upscaler", "compared", "evaluate", "left_out", "mean", "unfit")
_HOME = dict.fromkeys(_PROTOCOL, "protocol") | {"open_network": "sets", "tables": "sets"}
__all__ = [
    "PROTOCOLS",
    "Mean",
    "Protocol",
    "Score",
    "Upscaler",
    "compared",
    "evaluate",
    "left_out",
    "mean",
    "open_network",
    "tables",
    "unfit",
]
__getattr__, __dir__ = lazy(__name__, _HOME)
