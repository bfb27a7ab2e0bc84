"""TFLite files that say what they are: names in the signature, and metadata that apps and tools read.

What the picture is, which values it holds, how much it is enlarged, how far an output pixel looks, under which terms
the weights come.
"""

from zoo.graphs import tflite, tflite_metadata
from zoo.graphs.tflite_metadata import Description, Picture

INPUT, OUTPUT = "lr_image", "sr_image"
_VALUES = {"float32": "float32 from 0 to 1", "uint8": "levels from 0 to 255"}
_COLOURS = {1: "luma (Y of BT.601, studio range)", 3: "RGB"}


def describe(file: tflite.File, name: str, scale: int, terms: str = "", clipped: bool = False) -> None:
    """Gives a file of one picture in and one out its names and its metadata.

    Args:
        file: changed in place.
        name: the model's.
        scale: the enlargement.
        terms: licence of the weights and credits of the pictures behind them, where they are known.
        clipped: whether the output is within the input's range.
    """
    (image,), (result,) = file.inputs, file.outputs
    channels = image.shape[-1]
    colour = _COLOURS.get(channels, f"{channels} channels")
    texts = [f"{colour}, {_size(tensor)}, {_VALUES.get(tensor.dtype, tensor.dtype)}" for tensor in (image, result)]
    texts[1] += "" if clipped or result.dtype == "uint8" else ", not clipped"
    known = Description(
        name,
        f"Enlarges a picture {scale} times: {colour}, batch 1, channels last.",
        "",
        "subpixel-zoo",
        terms,
        [Picture(INPUT, texts[0], channels)],
        [Picture(OUTPUT, texts[1], channels)],
    )
    file.set_metadata(tflite_metadata.NAME, tflite_metadata.packed(known))
    for signature in file.raw.signatureDefs or ():
        for (entry,), given in ((signature.inputs, INPUT), (signature.outputs, OUTPUT)):
            entry.name = given.encode()


def _size(tensor: tflite.Tensor) -> str:
    """Height and width."""
    return " x ".join("any" if side is None else str(side) for side in tensor.shape[1:3]) + " px"


def terms(card: dict) -> str:
    """What a preset's card says of shipping its weights, and whom to credit."""
    lines = [f"Weights of the preset {card['name']}: {card['redistribution']}."]
    lines += [f"Pictures: {line}" for line in card.get("credits", ())]
    if not card.get("credits"):
        lines += [f"Trained on {name}: {text}" for name, text in card["training"]["data"].items()]
    return "\n".join(lines)


def limits(file: tflite.File) -> tuple[float, float] | None:
    """What a file's metadata say that the values of its first input lie between; None where they say nothing."""
    content = file.metadata(tflite_metadata.NAME)
    if content is None:
        return None
    try:
        inputs = tflite_metadata.read(content).inputs
    except ValueError:
        return None
    return (inputs[0].low, inputs[0].high) if inputs and inputs[0].low < inputs[0].high else None
