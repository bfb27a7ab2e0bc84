"""Starts for kernels: of upsamplers, in the one layout that all forms share, (K, K, O, I) in HR space; depthwise."""

import keras
import numpy as np

from zoo import identities
from zoo.errors import UsageError


@keras.saving.register_keras_serializable("zoo")
class ICNR(keras.initializers.Initializer):
    """Starts an upsampler as nearest-neighbour resize of a k×k convolution: no checkerboard at the start.

    A k×k kernel W0 is drawn and each of its weights repeated over a scale×scale block of the HR kernel, so that all
    phases of the subpixel form read the same LR window with the same weights (`tile(W0, [1, 1, 1, scale²])` in
    TensorFlow's channel order). k is the largest side whose blocks, aligned with the LR pixels, fit into K; taps that
    no block reaches are 0.

    Args:
        scale: the upsampler's scale.
        initializer: what W0 is drawn from; its shape is (k, k, I, O).
        seed: seed for `initializer` when it is given by name.

    Raises:
        UsageError: K is smaller than scale, so that some phases have no tap.

    References: arXiv 1707.02937, section 3.
    """

    def __init__(self, scale: int, initializer="glorot_uniform", seed: int | None = None):
        self.scale = scale
        self.initializer = keras.initializers.get(initializer)
        self.seed = seed
        if seed is not None and hasattr(self.initializer, "seed"):
            self.initializer = type(self.initializer).from_config({**self.initializer.get_config(), "seed": seed})

    def __call__(self, shape, dtype=None):
        side, _, outputs, inputs = shape
        start = identities.same_offset(side, self.scale) % self.scale
        blocks = (side - start) // self.scale
        if blocks < 1:
            raise UsageError(f"Expected kernel_size of at least scale={self.scale} for ICNR. Received: {side}")
        first = keras.ops.convert_to_numpy(self.initializer((blocks, blocks, inputs, outputs), dtype="float32"))
        kernel = first.transpose(0, 1, 3, 2).repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        end = side - start - blocks * self.scale
        kernel = np.pad(kernel, [(start, end), (start, end), (0, 0), (0, 0)])
        return keras.ops.convert_to_tensor(kernel, dtype=dtype or keras.config.floatx())

    def get_config(self):
        return {
            "scale": self.scale,
            "initializer": keras.initializers.serialize(self.initializer),
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("zoo")
class Interpolation(keras.initializers.Initializer):
    """Starts an upsampler with as many outputs as inputs as a fixed interpolation, cut to its K×K taps.

    Args:
        method: `"nearest"`, `"bilinear"` or `"bicubic"`.
        scale: the upsampler's scale.

    Raises:
        UsageError: the numbers of input and output channels differ.

    References: Long et al., arXiv 1411.4038, section 4.3 (the bilinear start of FCN's deconvolutions).
    """

    def __init__(self, method: str, scale: int):
        self.method = method
        self.scale = scale

    def __call__(self, shape, dtype=None):
        side, _, outputs, inputs = shape
        if outputs != inputs:
            raise UsageError(f"Expected as many outputs as inputs. Received: {inputs} inputs, {outputs} outputs")
        kernel = identities.interpolation_to_transposed(self.method, side, self.scale, inputs)
        return keras.ops.convert_to_tensor(kernel, dtype=dtype or keras.config.floatx())

    def get_config(self):
        return {"method": self.method, "scale": self.scale}


@keras.saving.register_keras_serializable("zoo")
class NearIdentity(keras.initializers.Initializer):
    """Starts a depthwise convolution so that each map comes out nearly as it went in: 1 at the centre, and noise.

    Keras' own initialisers take the maps of a depthwise kernel for inputs of one sum: what they draw is too small by
    the root of their number.

    Args:
        stddev: of the noise on all taps.
        seed: of the noise; None for another at every call.

    Example:
        >>> kernel = np.asarray(NearIdentity(stddev=0.0)((3, 3, 8, 1)))
        >>> float(kernel[1, 1].mean()), float(kernel.sum())
        (1.0, 8.0)
    """

    def __init__(self, stddev: float = 0.15, seed: int | None = None):
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape, dtype=None):
        rows, columns = shape[:2]
        kernel = np.zeros(shape)
        kernel[(rows - 1) // 2, (columns - 1) // 2] = 1
        noise = keras.random.normal(shape, stddev=self.stddev, dtype=dtype or keras.config.floatx(), seed=self.seed)
        return keras.ops.convert_to_tensor(kernel, dtype=noise.dtype) + noise

    def get_config(self):
        return {"stddev": self.stddev, "seed": self.seed}
