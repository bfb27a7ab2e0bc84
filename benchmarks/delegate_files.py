"""The TFLite files that the GPU benchmark runs: each preset with its deconvolution and in LR form, at two sizes.

In a file of its own, because a machine with a GPU need not have TensorFlow, which only writing needs.
"""

import dataclasses
import json
from pathlib import Path

from zoo.errors import UsageError

SIZES = ((360, 640), (720, 1280))
LR_FORM, DECONVOLUTION, SINGLE = "LR form", "deconvolution", "its only form"
INDEX, PROBE = "index.json", "probe.tflite"


@dataclasses.dataclass(frozen=True)
class Case:
    """One network at one LR size, height × width: the form's name → its file."""

    network: str
    lr_size: tuple[int, int]
    files: dict[str, Path]


def write_probe(folder: Path) -> None:
    """Writes the small file that a GPU is looked for with; needs TensorFlow."""
    from export.prepare import prepare
    from export.tflite import write_tflite
    from zoo.registry import create_model

    folder.mkdir(parents=True, exist_ok=True)
    write_tflite(prepare(create_model("espcn", scale=2)), folder / PROBE, (16, 16))


def write(folder: Path, quick: bool) -> None:
    """Writes the files of every preset and an index of them; needs TensorFlow."""
    from export import export_model
    from zoo import registry

    sizes, index = SIZES[:1] if quick else SIZES, []
    for network in registry.list_presets():
        made = {}
        for form, model in _forms(network).items():
            target = Path(network) / form.replace(" ", "_")
            files = export_model(
                model, folder / target, sizes, ["tflite_fp32"], keep_form=form == DECONVOLUTION, check=False
            )["files"]
            made[form] = [str(target / file["name"]) for file in files]
        index += [
            {"network": network, "lr_size": size, "files": {form: files[place] for form, files in made.items()}}
            for place, size in enumerate(sizes)
        ]
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _forms(network: str) -> dict:
    """Form → the preset's model in it. SRCNN enlarges before it computes and has one form."""
    from zoo import registry

    try:
        return {LR_FORM: registry.load(network, "subpixel"), DECONVOLUTION: registry.load(network, "transposed")}
    except UsageError:
        return {SINGLE: registry.load(network)}


def read(folder: Path) -> list[Case]:
    """What `write` wrote, the frames of 640×360 first.

    Raises:
        UsageError: the folder has no index.
    """
    path = folder / INDEX
    if not path.is_file():
        raise UsageError(f"Expected a folder that --write made, with {INDEX} in it. Received: {folder}")
    cases = [
        Case(each["network"], tuple(each["lr_size"]), {form: folder / file for form, file in each["files"].items()})
        for each in json.loads(path.read_text(encoding="utf-8"))
    ]
    return sorted(cases, key=lambda case: case.lr_size)
