"""What comes after a step, alike in both engines: log, validation, checkpoint, the end, or a sentence why not."""

import dataclasses
import math
from pathlib import Path

from zoo.errors import UsageError
from zoo.training.config import TrainConfig
from zoo.training.interruption import Interrupted


@dataclasses.dataclass(frozen=True)
class Due:
    """What has to be done after a step."""

    logs: bool
    validates: bool
    saves: bool


def due(config: TrainConfig, step: int, stops: bool) -> Due:
    """Returns what is due after `step` updates; `stops`: the run was asked to stop. Nothing is kept unlogged."""
    last = step == config.steps
    validates = last or step % config.validate_every == 0
    saves = last or stops or step % config.checkpoint_every == 0
    return Due(validates or saves or step % config.log_every == 0, validates, saves)


def check_finite(step: int, loss: float, gradient_norm: float, kept: str) -> None:
    """Raises a UsageError where a loss or gradient is infinite or not a number; `kept` says what is not lost."""
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise UsageError(
            f"Expected a finite loss; at step {step} it is {loss} and the gradient's norm {gradient_norm}. "
            f"{kept}; try a smaller learning_rate, or clip_norm"
        )


def stopped(step: int, workdir: Path) -> Interrupted:
    """Returns what ends a run that was asked to stop, after its checkpoint."""
    return Interrupted(f"Stopped after step {step}, saved in {workdir}. The same command goes on from there.")
