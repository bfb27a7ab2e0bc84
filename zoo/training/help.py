"""`--help` of the training command, in groups, with every choice."""

import dataclasses
import textwrap

from zoo.training.config import TrainConfig

# The first flag of each group of TrainConfig, in the order of its fields.
GROUPS = {
    "model": "What is trained",
    "data": "On what",
    "steps": "How long, how much at once",
    "loss": "How",
    "preset": "From where",
    "checkpoint_every": "What does not change the weights",
}


def usage(program: str, others: dict[str, str]) -> str:
    """The text of `--help`.

    Args:
        program: what the command is called.
        others: name → help of the flags that are no fields of `TrainConfig`.
    """
    lines = [
        f"usage: {program} --workdir=DIR [--flag=value …]",
        "",
        "Trains a network. The same command goes on where a run was stopped, to the last bit.",
        f"Example: {program} --data=my_pictures --model=fsrcnn --scale=3 --workdir=runs/mine",
        "",
    ]
    for name, text in others.items():
        lines += _entry(f"--{name}", text)
    for field in dataclasses.fields(TrainConfig):
        if field.name in GROUPS:
            lines += ["", f"{GROUPS[field.name]}:"]
        text, choices = field.metadata["help"], field.metadata["choices"]
        text += f" One of {', '.join(map(str, choices))}." if choices else ""
        if field.type is bool:
            default = f"--{'' if field.default else 'no'}{field.name}"
            lines += _entry(f"--[no]{field.name}", f"{text} Default: {default}.")
        else:
            lines += _entry(f"--{field.name}", f"{text} Default: {field.default}." if field.default != "" else text)
    return "\n".join(lines)


def _entry(flag: str, text: str) -> list[str]:
    first, *more = textwrap.wrap(text, 78, break_on_hyphens=False)
    return [f"  {flag:<20}  {first}", *(" " * 24 + line for line in more)]
