"""Any Keras network into LR space: the same function, its upsampling done by a convolution and a shuffle.

    new = zoo.rewrite.to_lr_space(model)
    print(zoo.rewrite.explain(model))
    zoo.rewrite.convert(zoo_model, "transposed")

The identities are those of arXiv 1609.07009; docs/identity.md explains them with pictures.
"""

import keras

from zoo.errors import UsageError
from zoo.rewrite.explanation import Explanation, Row
from zoo.rewrite.forms import convert
from zoo.rewrite.graph import graphs_of
from zoo.rewrite.plan import plan
from zoo.rewrite.rebuild import rebuild

__all__ = ["Explanation", "Row", "convert", "explain", "to_lr_space"]

BORDERS = ("exact", "interior")


def to_lr_space(model: keras.Model, border: str = "exact") -> keras.Model:
    """The same function with every upsampling that can move computed in LR space, then shuffled.

    Moves transposed convolutions (any kernel, padding and output padding), nearest-neighbour enlargement followed by a
    convolution (also with pointwise layers between and concatenated with HR maps), the zoo's own forms, and every other
    enlargement into the zoo's `FixedUpsampler`. What has no exact form stays, and `explain` says why.

    The new layers are plain (`Conv2D`, `DepthToSpace`, padding and cropping), trainable like the ones they replace, and
    the last of each group bears the replaced layer's name. Weights are copies; the original is not touched. Training
    state is not carried over: optimizer, compilation, losses, and a replaced layer's regularizers and constraints. What
    was tied stays tied only where it is one layer: a nearest-neighbour enlargement's LR kernel has more free weights
    than the HR kernel it came from, and biases are repeated scale² times.

    Args:
        model: a functional or built Sequential Keras model; nested models, shared layers and several inputs and outputs
            are followed. channels_last.
        border: `"exact"`: equal at every pixel. `"interior"`: bilinear or bicubic enlargement followed by a convolution
            becomes one LR convolution too, which differs in a border that `explain` states.
    Returns:
        A new model of the same inputs, outputs and names.
    Raises:
        UsageError: a subclassed or unbuilt model, or a layer that cannot be made anew.
    """
    return _rewrite(model, border)[0]


def explain(model: keras.Model, border: str = "exact") -> Explanation:
    """What `to_lr_space` with the same arguments does to each upsampling, and why; prints as a table."""
    return Explanation(model.name, _rewrite(model, border)[1])


def _rewrite(model, border: str) -> tuple[keras.Model, list[Row]]:
    if border not in BORDERS:
        raise UsageError(f"Expected border to be one of {BORDERS}. Received: {border!r}")
    graphs = graphs_of(model)
    found = plan(graphs, border == "interior", lambda row: None)
    return rebuild(graphs, found), found.rows
