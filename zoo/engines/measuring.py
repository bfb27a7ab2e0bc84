"""Which of several engines is the fastest on this machine, found out in about a second."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from zoo.engines.engine import Engine

# Height and width, LR px, of the noise: what a window of a larger picture has (`zoo.engines.tiles.WINDOW`).
SIZE = (200, 640)
SECONDS = 1.0
# Who has taken so much longer than the fastest is not asked again.
FAR = 1.25


def times(
    engines: Mapping[str, Engine],
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The least time that each engine took for a window of noise.

    They take turns, so that whatever disturbs the machine disturbs them alike, and the order turns round. The first
    round, in which they get ready for the size, does not count; those far behind take part in one more only.

    Args:
        engines: name → engine, all of one network.
        seconds: after which no further round begins, but for the first that counts.
        clock: returns seconds; another one makes the order testable.

    Returns:
        name → seconds.
    """
    first = next(iter(engines.values()))
    noise = np.random.default_rng(1).random((*(first.size or SIZE), first.channels), np.float32)
    begun = clock()
    taken: dict[str, float] = {}
    for engine in engines.values():
        engine.run(noise)
    names = list(engines)
    while not taken or (len(names) > 1 and clock() - begun < seconds):
        for name in names:
            start = clock()
            engines[name].run(noise)
            taken[name] = min(clock() - start, taken.get(name, float("inf")))
        best = min(taken.values())
        names = [name for name in reversed(names) if taken[name] <= FAR * best]
    return taken
