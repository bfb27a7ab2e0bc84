"""Kinds of engines that are TFLite with something added to its result, and what was measured of them."""

import numpy as np

from zoo import machine
from zoo.engines import choices, kinds, opening
from zoo.engines.engine import Engine
from zoo.engines.kinds import Kind
from zoo.engines.tflite import TFLiteEngine


class Shifted(Engine):
    """TFLite by another name, and `shift` added to its result."""

    def __init__(self, engine: TFLiteEngine, kind: str, shift: float = 0):
        super().__init__(engine.name, engine.scale, engine.channels, engine.radius, engine.unbounded, kind=kind)
        self.original, self.shift = engine, np.float32(shift)

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        return self.original.run(lr_image) + self.shift

    def fingerprint(self) -> str:
        return self.original.fingerprint()


def install(setattr, made: dict[str, Kind], guess: list[str]) -> None:
    """Makes these the only kinds.

    Args:
        setattr: monkeypatch's, or Python's own where the process is one's own.
    """
    setattr(machine, "taken", lambda: 0.0)
    for module in (kinds, choices, opening):
        setattr(module, "KINDS", made)
    setattr(opening, "guess", lambda: guess)


def install_shifted(setattr) -> None:
    """Two kinds whose pictures differ visibly, and both are taken for right; the guess is "a"."""
    setattr(kinds, "TOLERANCE", 1)
    shifted = {name: Kind(lambda engine, how=how: Shifted(engine, *how)) for name, how in SHIFTS.items()}
    install(setattr, shifted, ["a"])


SHIFTS = {"a": ("a", 0.0), "b": ("b", 0.1)}


def measured(engine: Engine, best: str, threads: int | None = None) -> None:
    """What was measured of the engine's network from now on: one kind is the fastest."""
    key = choices.of(engine.fingerprint(), threads or engine.original.threads)
    choices.keep(key, choices.Choice({"a": 0.2, "b": 0.2} | {best: 0.1}, {"a": 0.0, "b": 0.0}, {}))
