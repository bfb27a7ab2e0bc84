"""How far an output pixel looks: the radius of a network's receptive field, by following one axis of a picture.

`spans` is the algorithm, `field` makes a radius of it; `keras_model` and `tflite_file` say how each layer and operation
reads its input.
"""

from zoo.reach.field import Reach, Unbounded

__all__ = ["Reach", "Unbounded"]
