"""The description of a training run: every choice that decides the weights, validated, and saved with the run."""

import ast
import dataclasses
import json
import math
import numbers
from pathlib import Path

from zoo.errors import UsageError, one_of


def _option(default, text, choices=None, minimum=None, maximum=None, harmless=False):
    """A field with what `train.py` shows and checks; `harmless` fields may differ when a run is resumed."""
    rules = {"help": text, "choices": choices, "minimum": minimum, "maximum": maximum, "harmless": harmless}
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What to train, on what, and how. The defaults train a good FSRCNN ×3 on the sample photographs.

    Raises:
        UsageError: where a value is not one of those expected.
    """

    model: str = _option("fsrcnn", "Architecture, one of zoo.list_models().")
    scale: int = _option(3, "How many times larger the output is, per side.", minimum=2)
    channels: int = _option(1, "1 trains on luma, 3 on RGB.", choices=(1, 3))
    upsampler: str = _option(
        "auto",
        "Form of the upsampling layer; auto: the architecture's own, in LR space where that is the same function.",
    )
    model_options: str = _option("", "More options of the architecture, as name=value,name=value.")

    data: str = _option(
        "sample",
        "sample, graphics and screenshots (drawn by code), div2k, or a folder of pictures, several joined with commas; "
        "or what zoo prepare wrote.",
    )
    valid: str = _option("", "Pictures to validate on, named as in --data; empty: those held out of sample or div2k.")
    lr_data: str = _option(
        "",
        "Folder with LR images of one's own for those of --data, named alike, or bicubic: made here; empty: those that "
        "lie beside the originals (zoo/data/pairs.py), else made.",
    )
    valid_lr_data: str = _option("", "The same for the pictures of --valid.")
    manual_dir: str = _option("", "Folder with the DIV2K archives fetched by hand, for --data=div2k.", harmless=True)

    engine: str = _option(
        "tensorflow",
        "tensorflow: TensorFlow and tf.data; device: the whole run on an accelerator, Keras on JAX.",
        choices=("tensorflow", "device"),
    )
    steps: int = _option(3000, "Number of weight updates.", minimum=1)
    batch: int = _option(16, "Patches per step, over all devices and machines together.", minimum=1)
    lr_size: int = _option(32, "Side of a training patch in LR pixels.", minimum=4)
    min_detail: float = _option(0.0, "Leave out patches with less detail than this; see zoo.data.", minimum=0.0)
    degradation: str = _option(
        "none",
        "none: LR patches as bicubic leaves them; jpeg: also blurred, noisy and compressed, drawn anew for each patch.",
        choices=("none", "jpeg"),
    )
    seed: int = _option(0, "Seed of the weights and of the batches.", minimum=0, maximum=2**32 - 1)

    loss: str = _option("l1", "What is minimised.", choices=("l1", "charbonnier", "mse"))
    # Inside a picture it makes no difference what is left out; a network that never sees padding in training gets the
    # frame of a picture wrong.
    loss_shave: int = _option(
        0, "HR pixels left out of the loss at each side; -1: all that the border of a patch can reach.", minimum=-1
    )
    optimizer: str = _option("adam", "How the weights are updated.", choices=("adam", "adamw", "soap", "sgd"))
    precision: str = _option(
        "float32",
        "mixed_bfloat16: layers compute in bfloat16, weights and sums stay float32; for GPUs that have it.",
        choices=("float32", "mixed_bfloat16"),
    )
    soap_refresh: int = _option(
        10, "Steps between two refreshes of SOAP's eigenbasis; costly on an accelerator.", minimum=1
    )
    learning_rate: float = _option(1e-3, "Learning rate after the warm-up.", minimum=0.0)
    schedule: str = _option("cosine", "How the learning rate falls.", choices=("cosine", "step", "constant"))
    warmup: int = _option(100, "Steps over which the learning rate rises from zero.", minimum=0)
    decay_every: int = _option(100_000, "For --schedule=step: steps between two drops.", minimum=1)
    decay_rate: float = _option(0.5, "For --schedule=step: what each drop multiplies the rate by.", minimum=0.0)
    final_rate: float = _option(0.01, "For --schedule=cosine: last learning rate as a share of the first.", minimum=0.0)
    lr_multipliers: str = _option("", "Learning rate of single layers, as layer=factor,layer=factor (part of a name).")
    clip_norm: float = _option(0.0, "Largest global norm of the gradient; 0: not clipped.", minimum=0.0)
    weight_decay: float = _option(0.0, "Decoupled weight decay of --optimizer=adamw.", minimum=0.0)
    ema: float = _option(0.999, "Decay of the averaged weights that are validated and saved.", minimum=0.0, maximum=1.0)

    preset: str = _option(
        "", "Start from this preset's weights; its card gives --model, --scale, --channels and --model_options too."
    )
    weights: str = _option("", "Start from this .keras or .weights.h5 file.")
    start: str = _option("interpolation", "How a network from scratch starts.", choices=("interpolation", "random"))
    freeze_body: bool = _option(False, "Train the upsampling layer only, as FSRCNN does to change the scale.")

    checkpoint_every: int = _option(500, "Steps between two checkpoints.", minimum=1, harmless=True)
    validate_every: int = _option(1000, "Steps between two validations.", minimum=1, harmless=True)
    keep: str = _option(
        "best",
        "The averaged weights to end with: of the best validation, or the last, where it does not show what is learnt.",
        choices=("best", "last"),
        harmless=True,
    )
    log_every: int = _option(100, "Steps between two lines of the log.", minimum=1, harmless=True)
    jit: str = _option(
        "auto", "Compile the step with XLA; auto: if that is faster.", choices=("auto", "on", "off"), harmless=True
    )
    threads: int = _option(0, "Cores that the run uses; 0: all.", minimum=0, harmless=True)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, rules = getattr(self, field.name), field.metadata
            if isinstance(value, numbers.Integral) and not isinstance(value, bool):
                value = int(value)  # NumPy's too
                object.__setattr__(self, field.name, value)
            if field.type is float and isinstance(value, int):
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not field.type:
                raise UsageError(f"Expected {field.name} to be {_words(field.type)}. Received: {value!r}")
            if rules["choices"]:
                one_of(field.name, value, rules["choices"])
            if rules["minimum"] is not None and not value >= rules["minimum"]:
                raise UsageError(f"Expected {field.name} to be at least {rules['minimum']}. Received: {value!r}")
            if rules["maximum"] is not None and not value <= rules["maximum"]:
                raise UsageError(f"Expected {field.name} to be at most {rules['maximum']}. Received: {value!r}")
            # JSON has neither infinity nor NaN.
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"Expected {field.name} to be finite. Received: {value!r}")
        if self.preset and self.weights:
            raise UsageError(f"Expected preset or weights, not both. Received: {self.preset!r} and {self.weights!r}")
        if self.degradation != "none" and self.channels != 1:
            raise UsageError(
                f"Expected channels=1 with degradation: JPEG is drawn for luma. Received: channels={self.channels}"
            )
        if self.freeze_body and not (self.preset or self.weights):
            raise UsageError("Expected preset or weights with freeze_body, which keeps the body as it starts.")
        for name in assignments(self.model_options, "model_options"):
            if name in ("scale", "channels", "upsampler"):
                raise UsageError(f"Expected {name} as a setting of its own. Received: it in model_options")
        for name, factor in assignments(self.lr_multipliers, "lr_multipliers").items():
            if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
                raise UsageError(f"Expected a factor of at least 0 in lr_multipliers. Received: {name}={factor}")

    def save(self, path: Path) -> None:
        """Writes the configuration as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "TrainConfig":
        """Reads what `save` wrote.

        Raises:
            UsageError: if the file is not such a description.
        """
        try:
            values = json.loads(path.read_text())
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise UsageError(f"Expected a training configuration in JSON. Received: {path}")
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise UsageError(
                f"Expected a configuration of this version in {path}. Received: {', '.join(sorted(unknown))}"
            )
        return cls(**values)

    def decisions(self) -> dict:
        """Returns the fields that decide the weights."""
        names = [field.name for field in dataclasses.fields(self) if not field.metadata["harmless"]]
        return {name: getattr(self, name) for name in names}

    def differences(self, other: "TrainConfig") -> list[str]:
        """Names what differs from `other` and decides the weights, as "name: here, there"."""
        return [
            f"{name}: {value!r} instead of {getattr(other, name)!r}"
            for name, value in self.decisions().items()
            if value != getattr(other, name)
        ]


def assignments(text: str, name: str) -> dict:
    """Reads "a=1,b=relu" as {"a": 1, "b": "relu"}; a value may hold commas inside brackets.

    Raises:
        UsageError: where a part is not name=value.
    """
    pairs = {}
    for part in filter(None, _between_commas(text)):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"Expected {name} as name=value,name=value. Received: {text!r}")
        try:
            pairs[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            pairs[key] = {"true": True, "false": False}.get(value.lower(), value)
    return pairs


def _between_commas(text: str) -> list[str]:
    """What stands between the commas that are in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _words(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
