"""What a finished run comes to: whether it may be used, whether a preset is better, and that it is finished."""

from pathlib import Path
from typing import Any

from zoo.files import read_record
from zoo.registry import FREE, card, list_presets
from zoo.training.config import TrainConfig, assignments
from zoo.training.recipes import network_of

# dB below the best validation. The first steps away from an interpolation may cost 6 and come back.
LOST = 10.0
BETTER, WORSE, DIVERGED = "better than bicubic", "worse than bicubic", "diverged"


def decibels(psnr: float | None) -> str:
    """A mean PSNR in words, also of a set where no picture could be measured.

    Example:
        >>> decibels(28.504), decibels(None)
        ('28.50 dB', 'not measured')
    """
    return "not measured" if psnr is None else f"{psnr:.2f} dB"


def judged(records: list[dict], bicubic: float | None, model: float | None) -> str:
    """`BETTER`, `WORSE` or `DIVERGED`, of which the last two are no success.

    Args:
        records: of the log, whose `psnr` are the validations.
        bicubic, model: mean PSNR of both at the end, dB; None where no picture could be measured.

    Example:
        >>> judged([{"psnr": 28.5}, {"psnr": 4.4}], 28.7, 28.5), judged([{"psnr": 28.5}, {"psnr": 29.1}], 28.7, 29.1)
        ('diverged', 'better than bicubic')
    """
    validations = [record["psnr"] for record in records if isinstance(record.get("psnr"), (int, float))]
    if validations and validations[-1] < max(validations) - LOST:
        return DIVERGED
    if bicubic is not None and model is not None and model <= bicubic:
        return WORSE
    return BETTER


def advice(results: dict[str, Any]) -> list[str]:
    """Sentences about a run that came to nothing, or that a preset is ahead of; none about any other."""
    lines, bicubic, model = [], results["bicubic"]["psnr"], results["model"]["psnr"]
    kept = results["config"]["keep"]
    if results["verdict"] == DIVERGED:
        lines.append(
            f"The run diverged: last validation {results['last_psnr']:.2f} dB. model.keras has the {kept} weights: "
            f"step {results['best_step']}'s. Try a smaller --learning_rate, or --clip_norm, in another workdir."
        )
    if results["verdict"] == WORSE:
        lines.append(
            f"Worse than bicubic: {model:.2f} against {bicubic:.2f} dB after {results['steps']} steps. More --steps, "
            "or other pictures?"
        )
    if results["best_step"] == 0 and (results["config"]["preset"] or results["config"]["weights"]):
        lines.append(
            "Nothing was gained: no validation was above the start's, and model.keras has those weights. "
            "--keep=last, in another workdir, ends with the last ones."
        )
    preset = results.get("preset", {})
    if preset and model is not None and preset["psnr"] > preset["model"]:
        lines.append(
            f"The preset {preset['name']} has {preset['psnr']:.2f} dB on these pictures, this run "
            f"{preset['model']:.2f}: {preset['flags']} starts from it."
        )
    return lines


def rival(config: TrainConfig) -> tuple[str, str] | None:
    """The preset that a run from scratch is held against, and the flags that make its network.

    Of those of its architecture one of its very network if there is one, then one that may be shipped, then the best.
    """
    if config.preset or config.weights or config.degradation != "none":
        return None
    cards = [card(name) for name in list_presets()]
    wanted = (config.model, config.scale, config.channels)
    cards = [each for each in cards if (each["model"], each["scale"], each["channels"]) == wanted]
    if not cards:
        return None

    def is_same(each: dict) -> bool:
        options = network_of(each["name"])["model_options"]
        return assignments(options, "model_options") == assignments(config.model_options, "model_options")

    def rank(each: dict) -> tuple[bool, bool, float]:
        psnr = each["results"].get("Set5", {}).get("psnr", 0.0)
        return is_same(each), each["redistribution"] == FREE, psnr

    best = max(cards, key=rank)
    flags = f"--preset={best['name']}"
    if not is_same(best):
        flags = f"--model_options={network_of(best['name'])['model_options']} {flags}"
    return best["name"], flags


def finished(config: TrainConfig, workdir: Path) -> dict[str, Any]:
    """The results of this very run, where it has been finished in `workdir`; else {}."""
    results = read_record(workdir / "results.json") if (workdir / "model.keras").is_file() else {}
    known = results.get("config")
    if not isinstance(known, dict) or results.get("steps") != config.steps or "verdict" not in results:
        return {}
    return results if {name: known.get(name) for name in config.decisions()} == config.decisions() else {}
