"""The paper's upsampling layers under one contract: one kernel, three ways to compute it.

`TransposedUpsampler`, `ZeroInterleavedUpsampler` and `SubpixelUpsampler` hold the same variables, `kernel` (K, K, O, I)
in Conv2DTranspose's layout and `bias` (O,), and compute the same function, borders included; they differ in how, and so
in speed. Weights move between them as they are (arXiv 1609.07009, section 2).
"""

import keras
from keras import ops

from zoo import identities
from zoo.errors import one_of, whole_number
from zoo.layers.interpolation import FixedUpsampler, check_scale
from zoo.layers.shuffle import depth_to_space


class Upsampler(keras.layers.Layer):
    """A linear layer (N, H, W, I) → (N, scale·H, scale·W, O) with a K×K kernel in HR space and zeros around the image.

    Args:
        filters: O, the number of output channels.
        kernel_size: K, the kernel's side in HR pixels, at least 1; odd, even or smaller than scale.
        scale: the enlargement, an integer of at least 2.
        use_bias: whether a bias (O,) is added to every HR pixel.
        kernel_initializer: start of the kernel; see `zoo.layers.ICNR` and `zoo.layers.Interpolation`.
        bias_initializer: start of the bias.
        kernel_constraint: what the kernel is held to while it is trained; see `zoo.layers.EvenPhases`.

    Input shape: (N, H, W, I), floating point, H and W may be unknown. Output shape: (N, scale·H, scale·W, O).

    Raises:
        UsageError: filters or kernel_size below 1, or scale below 2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        scale: int,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = whole_number("filters", filters, 1)
        self.kernel_size = whole_number("kernel_size", kernel_size, 1)
        self.scale = check_scale(scale)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _kernel_shape(self, inputs: int) -> tuple[int, int, int, int]:
        return self.kernel_size, self.kernel_size, self.filters, inputs

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(input_shape[-1]),
            initializer=self.kernel_initializer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)
        self.built = True

    def _add_bias(self, images):
        return images if self.bias is None else images + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return batch, *(None if side is None else side * self.scale for side in (height, width)), self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "scale": self.scale,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


@keras.saving.register_keras_serializable("zoo")
class TransposedUpsampler(Upsampler):
    """The transposed convolution, as `keras.layers.Conv2DTranspose(padding="same")` computes it.

    Output pixel scale·p + a is the sum over taps t of x[p + q - t]·W[scale·t + s] with q, s = divmod(a + p0, scale).
    K²·I·O multiplications per LR pixel. Slow in most engines, and shifted by the LiteRT GPU delegate at many sizes.
    """

    def call(self, images):
        images = ops.conv_transpose(
            images, self.kernel, strides=self.scale, padding="same", data_format="channels_last"
        )
        return self._add_bias(images)


@keras.saving.register_keras_serializable("zoo")
class ZeroInterleavedUpsampler(Upsampler):
    """Zeros between the LR pixels, then a K×K convolution in HR space: the paper's sub-pixel convolution.

    scale²·K²·I·O multiplications per LR pixel, most of them by zero: the form in which published FSRCNN figures count.
    """

    def call(self, images):
        # The shuffle of an image followed by scale² - 1 empty groups of channels is the image with zeros in between.
        empty = images.shape[-1] * (self.scale**2 - 1)
        images = depth_to_space(ops.pad(images, [(0, 0), (0, 0), (0, 0), (0, empty)]), self.scale)
        after = identities.same_offset(self.kernel_size, self.scale)
        sides = (self.kernel_size - 1 - after, after)
        # The kernel runs backwards: a transposed convolution scatters where a convolution gathers.
        kernel = ops.flip(ops.transpose(self.kernel, (0, 1, 3, 2)), axis=(0, 1))
        images = ops.conv(
            ops.pad(images, [(0, 0), sides, sides, (0, 0)]), kernel, padding="valid", data_format="channels_last"
        )
        return self._add_bias(images)


@keras.saving.register_keras_serializable("zoo")
class SubpixelUpsampler(Upsampler):
    """A convolution in LR space, then `tf.nn.depth_to_space`: the paper's efficient sub-pixel convolution.

    The LR kernel is gathered from the K×K kernel (`zoo.identities.transposed_to_subpixel`): a permutation of its
    weights, with zeros where a phase has no tap. About K²·I·O multiplications per LR pixel, all of them dense.
    ESPCN's 3×3 LR layer is K = 3·scale.
    """

    def lr_kernel(self):
        """The kernel of the LR convolution, (k, k, I, scale²·O), gathered from `kernel`."""
        window = identities.lr_window(self.kernel_size, self.scale)
        pads = identities.padding_of_taps(self.kernel_size, self.scale)
        taps = ops.pad(self.kernel, [pads, pads, (0, 0), (0, 0)])
        inputs = self.kernel.shape[3]
        phases = ops.reshape(taps, (window.taps, self.scale, window.taps, self.scale, self.filters, inputs))
        phases = ops.transpose(ops.flip(phases, axis=(0, 2)), (0, 2, 5, 1, 3, 4))
        return ops.reshape(phases, (window.taps, window.taps, inputs, self.scale**2 * self.filters))

    def call(self, images):
        window = identities.lr_window(self.kernel_size, self.scale)
        same = window.crop == 0 and window.before == window.after
        if not same:
            images = ops.pad(images, [(0, 0), window[1:3], window[1:3], (0, 0)])
        padding = "same" if same else "valid"
        images = ops.conv(images, self.lr_kernel(), padding=padding, data_format="channels_last")
        if self.bias is not None:
            # Before the shuffle, tiled: the same sum, and engines fuse it into the convolution.
            images = images + ops.tile(self.bias, [self.scale**2])
        images = depth_to_space(images, self.scale)
        if window.crop:
            inside = slice(window.crop, window.crop - self.scale)
            images = images[:, inside, inside]
        return images


@keras.saving.register_keras_serializable("zoo")
class ResizeUpsampler(Upsampler):
    """Nearest-neighbour resize, then a K×K convolution with padding 'same' in HR space (Odena et al., 2016).

    Its `kernel` is (K, K, I, O), as `keras.layers.Conv2D` holds it: another family of functions than the three forms
    above, contained in the subpixel form with tied weights (`zoo.identities.resize_to_subpixel`), not the other way.
    """

    def _kernel_shape(self, inputs: int) -> tuple[int, int, int, int]:
        return self.kernel_size, self.kernel_size, inputs, self.filters

    def call(self, images):
        images = depth_to_space(ops.concatenate([images] * self.scale**2, axis=-1), self.scale)
        images = ops.conv(images, self.kernel, padding="same", data_format="channels_last")
        return self._add_bias(images)


LEARNED = {
    "transposed": TransposedUpsampler,
    "zero_interleaved": ZeroInterleavedUpsampler,
    "subpixel": SubpixelUpsampler,
    "resize": ResizeUpsampler,
}
# One kernel, three ways to compute it: weights move between these as they are.
EXACT = ("transposed", "zero_interleaved", "subpixel")
FORMS = (*LEARNED, *identities.METHODS)


def make_upsampler(form: str, filters: int, kernel_size: int, scale: int, **options) -> keras.layers.Layer:
    """The upsampling layer of the given form.

    Args:
        form: one of `zoo.layers.FORMS`; the fixed ones (`"nearest"`, `"bilinear"`, `"bicubic"`) take neither
            filters nor kernel_size and keep the number of channels.
        filters, kernel_size, scale: see `Upsampler`.
        **options: passed to the layer: `name`, `dtype`, and for the learned forms `kernel_initializer` ….
    Raises:
        UsageError: an unknown form, with the valid ones listed.

    Example:
        >>> layer = make_upsampler("subpixel", filters=1, kernel_size=9, scale=3)
        >>> layer.compute_output_shape((1, 20, 30, 56))
        (1, 60, 90, 1)
    """
    if one_of("upsampler", form, FORMS) in LEARNED:
        return LEARNED[form](filters, kernel_size, scale, **options)
    return FixedUpsampler(form, scale, **{key: options[key] for key in ("name", "dtype") if key in options})
