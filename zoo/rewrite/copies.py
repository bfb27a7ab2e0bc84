"""A layer made anew with weights of its own; what cannot be made anew the same is taken over as it is."""

from collections.abc import Sequence

import keras
import numpy as np

from zoo.errors import UsageError

# What every layer has: it says how a layer was used, not what it computes.
_BOOKKEEPING = frozenset(vars(keras.layers.Layer(name="any")))
# Longer reasons of Keras quote whole configurations.
_LONGEST = 160


class Copies:
    """Copies of layers and operations, each made once, however often it is called.

    Args:
        kept: layers that are taken over in any case.

    Attributes:
        shared: (layer, reason) of those that are taken over as they are: the copy shares its weights with the original.
    """

    def __init__(self, kept: Sequence[keras.layers.Layer] = ()) -> None:
        self.shared = [(layer, "its copy computes something else") for layer in kept]
        self._made = {id(layer): layer for layer in kept}

    def once(self, operation, make):
        """What stands for an operation in the new model, made at its first call."""
        if id(operation) not in self._made:
            self._made[id(operation)] = make()
        return self._made[id(operation)]

    def call(self, operation, arguments: tuple, keywords: dict, name: str | None = None):
        """The outputs of the operation's copy; of the very operation where a copy would be something else.

        Args:
            name: of the copy; default the same.
        """
        if self._made.get(id(operation)) is not operation:
            try:
                copy = self.once(operation, lambda: clone(operation, name))
                outputs = copy(*arguments, **keywords)
                if isinstance(copy, keras.layers.Layer):
                    copy_state(operation, copy)
                return outputs
            except Exception as error:  # A constructor or a call of one's own raises what it likes.
                if not isinstance(operation, keras.layers.Layer):
                    raise
                self._made[id(operation)] = operation
                own = error.__cause__ if isinstance(error, UsageError) else None
                self.shared.append((operation, _reason(own if isinstance(own, Exception) else error)))
        return operation(*arguments, **keywords)


def clone(operation, name: str | None = None, dtype: str | None = None):
    """The same layer or operation made from its configuration, with weights of its own (copied by `copy_state`).

    Args:
        name, dtype: of the copy; default the same.
    Raises:
        UsageError: its configuration does not make it.
    """
    if type(operation) is keras.layers.Lambda:
        # Its configuration holds code, which Keras loads in unsafe mode only; the function itself is at hand.
        return type(operation)(
            operation.function,
            output_shape=operation._output_shape,
            mask=operation.mask,
            arguments=operation.arguments,
            name=name or operation.name,
            dtype=dtype or operation.dtype_policy,
        )
    changes = {"name": name, "dtype": dtype if isinstance(operation, keras.layers.Layer) else None}
    changes = {key: value for key, value in changes.items() if value is not None}
    try:
        copy = type(operation).from_config({**operation.get_config(), **changes})
    except Exception as error:  # Keras raises NotImplementedError, TypeError, ValueError; others what they like.
        if not isinstance(operation, keras.layers.Layer):
            return operation  # An operation without a configuration has no state either.
        raise UsageError(
            f"Expected layers that can be made anew from get_config(). Received: {operation.name!r}, "
            f"{type(operation).__name__}: {_reason(error)}"
        ) from error
    # A configuration that Keras makes by itself has the name only where the layer was given one.
    copy.name = name or operation.name
    take_over_activations(operation, copy)
    return copy


def clone_or_itself(layer: keras.layers.Layer, name: str | None = None) -> keras.layers.Layer:
    """As `clone`; the very layer, under its own name, where its configuration does not make it."""
    try:
        return clone(layer, name)
    except UsageError:
        return layer


def copy_state(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Copies weights and statistics, and takes the activation functions over; the target has been called.

    Raises:
        UsageError: the target is not made of the same, so that its configuration left something out.
    """
    weights = source.get_weights()
    if [w.shape for w in weights] != [w.shape for w in target.get_weights()]:
        raise UsageError(
            f"Expected that {source.name!r}, made anew from get_config(), has the same weights. "
            f"Received: {len(target.weights)} weights of {type(source).__name__} where the original has {len(weights)}"
        )
    for old, new in zip(source._flatten_layers(), target._flatten_layers()):
        take_over_activations(old, new)
        if forgotten := _forgotten(old, new):
            raise UsageError(
                f"Expected that {source.name!r}, made anew from get_config(), is the same. "
                f"Received: another {forgotten!r} of {type(old).__name__} {old.name!r}"
            )
        # What such a layer derives from its weights (Normalization's means), it derives when it loads them.
        if type(new).load_own_variables is not keras.layers.Layer.load_own_variables and old.weights:
            store: dict = {}
            old.save_own_variables(store)
            new.load_own_variables(store)
    # After that: a layer with LoRA merges what it saves.
    if weights:
        target.set_weights(weights)


def take_over_activations(source, target) -> None:
    """The very functions: in a configuration a function of one's own is a name, which Keras may have another for."""
    for name, value in vars(source).items():
        if "activation" in name and callable(value) and not isinstance(value, keras.layers.Layer):
            setattr(target, name, value)


def is_of_ones_own(layer) -> bool:
    """Whether a layer's class is neither Keras' nor the zoo's."""
    return type(layer).__module__.split(".")[0] not in ("keras", "zoo")


def _forgotten(source, target) -> str | None:
    """The first number, text, array or function of a layer of one's own that its copy has otherwise."""
    if not is_of_ones_own(source):
        return None
    theirs = vars(target)
    for name, value in vars(source).items():
        if name not in _BOOKKEEPING and name in theirs and not _alike(value, theirs[name]):
            return name
    return None


def _alike(one, other) -> bool:
    """Whether two attributes hold the same, as far as that can be said: objects of other kinds count as alike."""
    if isinstance(one, (list, tuple)):
        same_length = isinstance(other, (list, tuple)) and len(one) == len(other)
        return same_length and all(_alike(*pair) for pair in zip(one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and all(key in other and _alike(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if one is None or isinstance(one, (bool, int, float, complex, str, bytes)):
        return type(one) is type(other) and (one == other or one != one)
    if callable(one) and not isinstance(one, keras.Operation) and hasattr(one, "__code__"):
        return one is other or getattr(other, "__code__", None) is one.__code__ and one.__closure__ is None
    return True


def _reason(error: Exception) -> str:
    """Keras' own reason is the last line of a message that quotes the whole configuration first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = (lines[-1] if lines else type(error).__name__).removeprefix("Exception encountered: ")
    reason = reason.partition(": {'")[0]  # what cannot be interpreted is quoted, for a lambda its code in base64
    return reason if len(reason) <= _LONGEST else reason[: _LONGEST - 1] + "…"
