"""Which of several engines is the fastest on this machine, found out in about a second."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from zoo.engines.engine import Engine

# Height and width, LR px, of what is kept of the noise: that of a window of a larger picture
# (`zoo.engines.tiles.WINDOW`), and that of networks which would take too long for it.
SIZE, SMALL = (200, 640), (80, 160)
SECONDS = 1.0
# What a run may take, s: with half a dozen of engines that run twice each, it is about a second.
RUN = 0.2
# Between two runs, s: the threads of the engine before spin on for a while and would slow down the next one.
PAUSE = 0.01
# Who has taken so much longer than the fastest is not asked again.
FAR = 1.25


class Time(NamedTuple):
    """What an engine takes, s: the least for a run, and how much more for the first of another size, where asked."""

    run: float
    ready: float | None = None


def times(
    engines: Mapping[str, Engine],
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
    pause: float = PAUSE,
) -> dict[str, Time]:
    """How long each engine takes for a window of noise.

    They take turns, so that whatever disturbs the machine disturbs them alike, and the order turns round. The first
    round does not count; those far behind take part in one more only, and are not asked for another size.

    Args:
        engines: name → engine, all of one network; the last one shows how large a window may be.
        seconds: after which no further round begins, but for the first that counts.
        clock: returns seconds; another one makes the order testable.
        pause: s between two runs.

    Returns:
        name → time; {} where the network is too slow to be measured in about a second.
    """
    last = [*engines.values()][-1]
    noise = _window(last, clock)
    if noise is None:
        return {}
    begun = clock()
    taken: dict[str, float] = {}
    for engine in engines.values():
        _run(engine, noise)
    names = list(engines)
    while not taken or (len(names) > 1 and clock() - begun < seconds):
        for name in names:
            time.sleep(pause)
            start = clock()
            _run(engines[name], noise)
            taken[name] = min(clock() - start, taken.get(name, float("inf")))
        best = min(taken.values())
        names = [name for name in reversed(names) if taken[name] <= FAR * best]
    found = {name: Time(run) for name, run in taken.items()}
    for name in names if last.size is None else []:
        time.sleep(pause)
        start = clock()
        _run(engines[name], noise[: -last.step, : -last.step])
        found[name] = Time(taken[name], max(clock() - start - taken[name], 0.0))
    return found


def _run(engine: Engine, noise: np.ndarray) -> None:
    """As pictures are run, which go on mirrored: a window's margin is read and not kept, and engines differ in that."""
    around = _margin(engine)
    rows, columns = (slice(around, side - around) for side in noise.shape[:2])
    engine.run_part(noise, rows, columns)


def _margin(engine: Engine) -> int:
    return 0 if engine.size else engine.radius or 0


def _window(engine: Engine, clock: Callable[[], float]) -> np.ndarray | None:
    """The noise: of the largest size that does not take too long."""
    random = np.random.default_rng(1)
    for size in [engine.size] if engine.size else [SIZE, SMALL]:
        sides = [engine.whole(side + 2 * _margin(engine)) for side in size]
        noise = random.random((*sides, engine.channels), np.float32)
        tried = noise if engine.size else noise[: engine.whole(SMALL[0]), : engine.whole(SMALL[1])]
        engine.run(tried)
        start = clock()
        engine.run(tried)
        if (clock() - start) * noise.size <= RUN * tried.size:
            return noise
    return None
