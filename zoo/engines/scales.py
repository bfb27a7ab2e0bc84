"""Enlargements that no single network has: the same network again, or several presets of one family."""

import math
from collections.abc import Mapping
from typing import Any

from zoo import registry
from zoo.engines import ranges
from zoo.engines.chain import Chain
from zoo.engines.engine import Engine
from zoo.engines.opening import open_engine
from zoo.errors import UsageError

# As a model: of every scale the preset that is the best one.
BEST = "best"


def open_scaled(
    model: str,
    scale: int | None = None,
    threads: int | None = None,
    radius: int | None = None,
    measure: bool = False,
    kinds: Mapping[str, str] | None = None,
    sizes: bool = False,
    values: str = "",
) -> Engine:
    """Opens what `--model` and `--scale` name.

    Args:
        model: a preset or a file; several, with commas, follow one another; or the name of a family of presets (the
            part before `_x`), whose members are combined by the scale, largest first: 8 = 4·2. `BEST` is the family
            of the best presets.
        scale: the whole enlargement. Default: the product of the models'. A single model is repeated to reach it.
        threads, radius, measure, kinds, sizes, values: as in `open_engine`; `values` of files, where some are presets.

    Raises:
        UsageError: no such model, or none that reaches the scale.
    """
    names = [name for name in model.split(",") if name]
    family = {} if len(names) != 1 else family_of(names[0])
    if family:
        if scale is None:
            raise UsageError(f"Expected --scale, or one of {', '.join(family.values())}. Received: --model={model}")
        steps = factors(scale, list(family))
        if not steps:
            # `BEST` is no word that anybody types.
            whose = "" if names == [BEST] else f" for {model}"
            raise UsageError(f"Expected a scale made of {sorted(family)}{whose}. Received: --scale={scale}")
        names = [family[step] for step in steps]
    # A network that comes twice is opened once.
    several = dict.fromkeys(names or [model])
    options: dict[str, Any] = {"radius": radius, "kinds": kinds, "sizes": sizes}
    given = ranges.for_files(values, several)
    engines = {name: open_engine(name, threads, measure, values=given[name], **options) for name in several}
    chain = [engines[name] for name in names]
    if len(chain) == 1 and scale is not None:
        steps = factors(scale, [chain[0].scale])
        chain *= len(steps) or 1
    reached = math.prod(engine.scale for engine in chain)
    if scale not in (None, reached):
        power = " or its powers" if len(chain) == 1 else ""
        raise UsageError(f"Expected the scale {reached}{power} for {model}. Received: --scale={scale}")
    return chain[0] if len(chain) == 1 else Chain(chain)


def family_of(name: str) -> dict[int, str]:
    """Scale → preset for the presets NAME_xSCALE, or for the best ones, largest first; empty if there is none."""
    if name == BEST:
        return dict(sorted(registry.best_presets().items(), reverse=True))
    scales = {int(preset.rpartition("_x")[2]): preset for preset in registry.family_presets(name)}
    return dict(sorted(scales.items(), reverse=True))


def factors(scale: int, available: list[int]) -> list[int]:
    """The fewest of the available factors, the largest first, that multiply to the scale; empty if none do."""
    if scale in available:
        return [scale]
    best: list[int] = []
    for step in sorted(available, reverse=True):
        if scale % step == 0 and scale > step > 1:
            rest = factors(scale // step, available)
            if rest and (not best or len(rest) + 1 < len(best)):
                best = sorted([step, *rest], reverse=True)
    return best
