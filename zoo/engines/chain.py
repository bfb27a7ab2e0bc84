"""Networks one after another as one engine."""

import math

import numpy as np

from zoo.engines.engine import Engine
from zoo.engines.opening import without_cells
from zoo.engines.tiles import run_picture
from zoo.errors import UsageError


class Chain(Engine):
    """Networks one after another, as one: ×8 is ×4, then ×2. What passes between them is clipped to [0, 1].

    A tile of the first begins within a cell of the second: engines of cells are replaced by those without.
    """

    def __init__(self, engines: list[Engine]):
        channels = {engine.channels for engine in engines}
        if len(channels) != 1:
            raise UsageError(
                "Expected networks with the same number of channels. "
                f"Received: {', '.join(f'{engine.name} with {engine.channels}' for engine in engines)}"
            )
        # A network that comes twice is opened once.
        known = {id(engine): without_cells(engine) for engine in engines}
        engines = [known[id(engine)] for engine in engines]
        unbounded, scale, step = "", 1, 1
        radius: int | None = 0
        for engine in engines:
            if engine.radius is None:
                radius, unbounded = None, unbounded or f"{engine.name}: {engine.unbounded}"
            elif radius is not None:
                radius += math.ceil(engine.radius / scale)
            step = math.lcm(step, engine.step // math.gcd(engine.step, scale))
            scale *= engine.scale
        name = " · ".join(engine.name for engine in engines)
        kind = " · ".join(engine.kind for engine in engines)
        super().__init__(name, scale, channels.pop(), radius, unbounded, step=step, kind=kind)
        self.engines = engines

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        image = lr_image
        for position, engine in enumerate(self.engines):
            image = run_picture(engine, np.clip(image, 0, 1) if position else image)
        return image

    def fingerprint(self) -> str:
        return " ".join(engine.fingerprint() for engine in self.engines)

    def kinds(self) -> dict[str, str]:
        return {fingerprint: kind for engine in self.engines for fingerprint, kind in engine.kinds().items()}
