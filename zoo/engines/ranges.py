"""Whether a network takes and gives values in [0, 1]: many are made for 0 to 255, or for -1 to 1."""

import numpy as np

from zoo.engines.engine import Engine

# (height, width), LR px, of the ramp where the network leaves it free.
_SIZE = (24, 36)
# A larger picture would take too long for a remark.
_LARGEST = 1 << 20
# How far a ramp may come back from where it should be: a network that enlarges keeps a gentle ramp.
_RIGHT, _WRONG = 0.05, 0.1
# Name → what [0, 1] becomes: value · span + low.
_RANGES = {"0 to 1": (1.0, 0.0), "0 to 255": (255.0, 0.0), "-1 to 1": (2.0, -1.0)}


def remark(engine: Engine) -> str:
    """In a sentence, that a network seems to take or give other values than [0, 1]; "" where nothing speaks for it.

    A ramp of grey goes through it in each of the ranges. Only where it comes back in one of the others, and not from
    [0, 1] into [0, 1], something is said: a network that was never trained brings none back.

    Example:
        >>> from zoo.engines import open_engine
        >>> remark(open_engine("fsrcnn_s_x2"))
        ''
    """
    height, width = engine.size or _SIZE
    if height * width > _LARGEST:
        return ""
    line = np.linspace(0.1, 0.9, width, dtype=np.float32)
    ramp = np.broadcast_to(line[:, None], (height, width, engine.channels))
    centres = (np.arange(engine.scale * width) + 0.5) / engine.scale - 0.5
    expected = np.interp(centres, np.arange(width), line)[:, None]

    def errors(taken: str) -> dict[tuple[str, str], float]:
        """How far the ramp in one range comes back from where it should be, by the range that it may come back in."""
        span, low = _RANGES[taken]
        sr_image = engine.run(np.ascontiguousarray(ramp * np.float32(span) + np.float32(low)))
        return {
            (taken, given): float(np.nan_to_num(np.median(np.abs((sr_image - low) / span - expected)), nan=np.inf))
            for given, (span, low) in _RANGES.items()
        }

    # What a network makes of values that it is not made for may be an error.
    try:
        found = errors("0 to 1")
        if found["0 to 1", "0 to 1"] <= _WRONG:
            return ""
        found |= errors("0 to 255") | errors("-1 to 1")
    except Exception:
        return ""
    taken, given = min(found, key=lambda each: found[each])
    if found[taken, given] > _RIGHT:
        return ""
    return (
        f"{engine.name} seems to take values from {taken} and to give values from {given}, and is used from 0 to 1 to "
        "0 to 1: put the change of range into the network, as its first and last layer"
    )
