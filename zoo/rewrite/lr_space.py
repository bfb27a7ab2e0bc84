"""A Keras network rewritten into LR space, compared with its original, and what was done to it."""

import time
from typing import NamedTuple

import keras

from zoo.errors import UsageError, one_of
from zoo.rewrite.commute import commuted
from zoo.rewrite.copies import is_of_ones_own
from zoo.rewrite.explanation import Explanation
from zoo.rewrite.plain import said_plainly
from zoo.rewrite.plan import Decided, is_in_lr_space, plan
from zoo.rewrite.rebuild import Rebuild, lost_classes
from zoo.rewrite.rows import rows_of
from zoo.rewrite.same import Different, check_same
from zoo.rewrite.tracing import functional, graphs_of
from zoo.rewrite.whole import Whole
from zoo.targets.choice import EVERYTHING, Choice, named
from zoo.targets.facts import Upsampling

BORDERS = ("exact", "interior")


def to_lr_space(
    model: keras.Model,
    target: str | Choice = "any",
    border: str = "exact",
    whole: bool = False,
    check: bool = True,
) -> keras.Model:
    """The same function with its upsampling computed in LR space, then shuffled, wherever the target is better off.

    Moves transposed convolutions (any kernel, padding and output padding), nearest-neighbour enlargement followed by a
    convolution (also with pointwise layers between and concatenated with HR maps) and the zoo's own forms. Another
    enlargement is swapped for the zoo's `FixedUpsampler`. What has no exact form stays, and so does what the target
    computes right and fast as it is (bilinear enlargement, mostly); `explain` says which, and why.

    The new layers are plain (`Conv2D`, `DepthToSpace`, padding and cropping), trainable like the ones they replace, and
    the last of each group bears the replaced layer's name. Weights are copies; the original is not touched. Only a
    layer that cannot be made anew from its configuration is taken over as it is: both models then share it and its
    weights, and `explain` names it. Training
    state is not carried over: optimizer, compilation, losses, and a replaced layer's regularizers and constraints. What
    was tied stays tied only where it is one layer: a nearest-neighbour enlargement's LR kernel has more free weights
    than the HR kernel it came from, and biases are repeated scale² times.

    Args:
        model: a functional or built Sequential Keras model; nested models, shared layers and several inputs and outputs
            are followed. A subclassed model that was called once, and layers that hold upsampling layers, are run once
            on symbolic tensors, and the graph that this draws is taken. channels_last.
        target: `"any"`: what LiteRT's GPU delegate refuses or computes wrongly moves whatever it costs, and what it
            takes right moves where it is not expected to be slower on a CPU. `"xnnpack"`: what is expected to be faster
            in TFLite on a CPU; a transposed convolution that stays is then computed wrongly by the GPU delegate at many
            sizes. `"gpu_delegate"`: only what that delegate refuses or computes wrongly. A vendor's chip: what its
            record says (`zoo.targets.records`). Or a `zoo.targets.choice.Choice` of one's own.
        border: `"exact"`: equal at every pixel. `"interior"`: bilinear or bicubic enlargement followed by a convolution
            becomes one LR convolution too, which differs in a border that `explain` states.
        whole: also moves the HR convolutions after an upsampling into LR space, with everything pointwise between them:
            the paper's containment argument, constructed. More multiplications, not fewer; for proof, not for speed.
            Batch normalisation is then computed phase by phase, the same at inference and not in training, and a layer
            that is called more than once stays in HR space. Bicubic that mirrors needs LR sides of 2 px at least.
        check: compares both models on noise and on a ramp at two small sizes, as long as a second or a tenth of the
            rewrite's time lasts, and at one size whatever it takes. Where `border` lets the result differ at the
            border, the exact rewrite is compared in its place. A warning says where no comparison was possible.
    Returns:
        A new model of the same inputs, outputs and names; of the same class where that is made from a graph, else a
        plain `keras.Model`, and `explain` says so.
    Raises:
        UsageError: no Keras model, an unbuilt one, a subclassed one whose call draws no graph, or the result differs
            from the original: with the name of the first layer where they part.

    Example:
        >>> import keras
        >>> image = keras.Input((None, None, 8))
        >>> model = keras.Model(image, keras.layers.Conv2DTranspose(1, 9, strides=3, padding="same", name="up")(image))
        >>> [type(layer).__name__ for layer in to_lr_space(model).layers]
        ['InputLayer', 'Conv2D', 'DepthToSpace']
    """
    return rewritten(model, target, border, whole, check).model


def explain(
    model: keras.Model, target: str | Choice = "any", border: str = "exact", whole: bool = False
) -> Explanation:
    """What `to_lr_space` with the same arguments does to each upsampling, and why; prints as a table.

    The rows hold kernel shapes, multiplications before and after by both countings, and structural zeros. With
    `whole=True` there is one for each layer that moves, and `totals` sets the free weights of the HR network against
    those of the LR network that contains it.

    Example:
        >>> import zoo
        >>> (row,) = explain(zoo.create_model("fsrcnn_s", scale=2, upsampler="transposed")).rows
        >>> row.action, row.becomes
        ('moved', 'SubpixelUpsampler')
    """
    return rewritten(model, target, border, whole, check=False).explanation


class Rewritten(NamedTuple):
    """A model in LR space, and what was done to get there."""

    model: keras.Model
    explanation: Explanation


def rewritten(
    model: keras.Model,
    target: str | Choice = "any",
    border: str = "exact",
    whole: bool = False,
    check: bool = True,
) -> Rewritten:
    """The results of `to_lr_space` and of `explain` from one rewriting; arguments and errors are `to_lr_space`'s.

    Example:
        >>> import keras
        >>> import zoo
        >>> image = keras.Input((None, None, 4))
        >>> up = keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same", name="up")
        >>> fast, explanation = zoo.rewrite.rewritten(keras.Model(image, up(image)))
        >>> [(row.layer, row.action) for row in explanation.rows]
        [('up', 'moved')]
        >>> fast.output_shape
        (None, None, None, 1)
    """
    started = time.monotonic()
    original, model = model, functional(model)
    if check and original is not model:
        check_same(model, original)
    kept: list[keras.layers.Layer] = []
    while True:
        result, facts, explanation = _rewrite(model, target, border, whole, kept)
        if not check:
            break
        exact = result
        if any(upsampling.inexact for upsampling in facts):
            exact, _, _ = _rewrite(model, target, "exact", whole, kept)
        seconds = max(1.0, (time.monotonic() - started) / 10)
        try:
            check_same(model, exact, seconds)
            break
        except Different as difference:
            layer = difference.layer
            if layer is None or not is_of_ones_own(layer) or any(layer is each for each in kept):
                raise
            kept.append(layer)
    explanation.lost = lost_classes(original, result)
    return Rewritten(result, explanation)


def _rewrite(
    model: keras.Model, target: str | Choice, border: str, whole: bool, kept: list[keras.layers.Layer]
) -> tuple[keras.Model, list[Upsampling], Explanation]:
    choice = named(target)
    one_of("border", border, BORDERS)
    if whole and choice.name != "any":
        raise UsageError(f"Expected whole or a target. Received: both, {choice.name!r}; the whole is never cheaper")
    model, plainly = said_plainly(model, kept)
    model, moved, before = (model, set(), []) if whole else commuted(model, choice, kept)
    graphs = graphs_of(model, kept)
    found = plan(graphs, border == "interior", EVERYTHING if whole else choice)
    maker: Rebuild = Whole(graphs, found, kept) if whole else Rebuild(graphs, found, kept)
    result = maker.model(graphs[0])
    decided = [each for each in found.decided if not _is_of(each, moved)]
    rows = maker.rows if isinstance(maker, Whole) else before + rows_of(decided, choice)
    shared = [f"{layer.name!r} ({type(layer).__name__}): {reason}" for layer, reason in maker.copies.shared]
    return result, found.facts, Explanation(model.name, rows, whole, shared, choice.runtime, plainly)


def _is_of(decided: Decided, moved: set[str]) -> bool:
    """Whether it is the shuffle of a layer that came before an enlargement, which has its own row."""
    is_shuffle = decided.replaced is None and is_in_lr_space(decided.node.operation)
    return is_shuffle and decided.name.removesuffix("_lr_shuffle") in moved
