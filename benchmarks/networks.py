"""Networks as others write them, with random weights: what the rewrite is tested and measured on.

Each is built from plain Keras layers, in the conventions of the place it is known from. `width` scales the number of
maps: 1.0 is the published size.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import layers


class Network(NamedTuple):
    """How to build a network, and the input that it is measured at.

    Attributes:
        build: width → model.
        size: height and width of the input in the benchmark, px.
        multiple: heights and widths that the network takes are multiples of this.
    """

    build: Callable[[float], keras.Model]
    size: tuple[int, int]
    multiple: int = 1


def _maps(number: int, width: float) -> int:
    return max(2, round(number * width))


def dcgan(width: float = 1.0) -> keras.Model:
    """DCGAN's generator (Radford et al. 2015): 4×4 kernels, stride 2, no bias, batch normalisation."""
    noise = keras.Input((None, None, 100))
    x = layers.Conv2DTranspose(_maps(512, width), 4, use_bias=False, name="project")(noise)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for maps in (256, 128, 64):
        x = layers.Conv2DTranspose(_maps(maps, width), 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    image = layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh", name="image")(x)
    return keras.Model(noise, image, name="dcgan")


def _two_convolutions(x, maps: int):
    for _ in range(2):
        x = layers.Conv2D(maps, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    return x


def _encoder(image, widths):
    """U-Net's left side: the maps before each pooling, and what is below the last."""
    skips, x = [], image
    for maps in widths[:-1]:
        skips.append(_two_convolutions(x, maps))
        x = layers.MaxPooling2D()(skips[-1])
    return skips, _two_convolutions(x, widths[-1])


def unet(width: float = 1.0) -> keras.Model:
    """U-Net (Ronneberger et al. 2015) with 2×2 transposed convolutions of stride 2."""
    widths = [_maps(maps, width) for maps in (32, 64, 128)]
    image = keras.Input((None, None, 1))
    skips, x = _encoder(image, widths)
    for maps, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Conv2DTranspose(maps, 2, strides=2, padding="same")(x)
        x = _two_convolutions(layers.concatenate([x, skip]), maps)
    return keras.Model(image, layers.Conv2D(2, 1, activation="softmax")(x), name="unet")


def unet_upsampling(width: float = 1.0) -> keras.Model:
    """The U-Net of many tutorials: enlarge, concatenate with the skip connection, convolve."""
    widths = [_maps(maps, width) for maps in (32, 64, 128)]
    image = keras.Input((None, None, 3))
    skips, x = _encoder(image, widths)
    for maps, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
        x = _two_convolutions(x, maps)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x), name="unet_upsampling")


def unet_upconv(width: float = 1.0) -> keras.Model:
    """U-Net with the paper's "up-convolution" as enlargement and a 2×2 convolution, before the concatenation."""
    widths = [_maps(maps, width) for maps in (32, 64, 128)]
    image = keras.Input((None, None, 1))
    skips, x = _encoder(image, widths)
    for maps, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Conv2D(maps, 2, padding="same", activation="relu")(layers.UpSampling2D((2, 2))(x))
        x = _two_convolutions(layers.Concatenate(axis=3)([skip, x]), maps)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x), name="unet_upconv")


def _bilinear_start(shape, dtype=None):
    """FCN's start of a transposed convolution: bilinear interpolation, map by map."""
    side = shape[0]
    scale = (side + 1) // 2
    centre = scale - 1 if side % 2 else scale - 0.5
    axis = 1 - np.abs(np.arange(side) - centre) / scale
    return np.einsum("y,x,oi->yxoi", axis, axis, np.eye(*shape[2:])).astype(dtype)


def fcn8s(width: float = 1.0) -> keras.Model:
    """FCN-8s (Long et al. 2015): scores of three depths, enlarged ×2, ×2 and ×8 with a bilinear start."""
    classes, x, pools = 21, None, []
    image = keras.Input((None, None, 3))
    x = image
    for maps, depth in ((16, 1), (32, 1), (64, 2), (128, 2), (128, 2)):
        for _ in range(depth):
            x = layers.Conv2D(_maps(maps, width), 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        pools.append(x)
    score = layers.Conv2D(classes, 1)(pools[4])
    for pool in (pools[3], pools[2]):
        score = layers.Conv2DTranspose(
            classes, 4, strides=2, padding="same", use_bias=False, kernel_initializer=_bilinear_start
        )(score)
        score = layers.Add()([score, layers.Conv2D(classes, 1)(pool)])
    classes_image = layers.Conv2DTranspose(
        classes, 16, strides=8, padding="same", activation="softmax", kernel_initializer=_bilinear_start, name="classes"
    )(score)
    return keras.Model(image, classes_image, name="fcn8s")


def _reflect(x, pixels: int):
    return keras.ops.pad(x, [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)], mode="reflect")


def _instance_norm(x):
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)


def cyclegan(width: float = 1.0) -> keras.Model:
    """CycleGAN's generator (Zhu et al. 2017): 3×3 kernels, stride 2, output padding 1; reflection padding."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(_maps(64, width), 7, use_bias=False)(_reflect(image, 3))
    x = layers.ReLU()(_instance_norm(x))
    for maps in (128, 256):
        x = layers.Conv2D(_maps(maps, width), 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(_instance_norm(x))
    for _ in range(3):
        y = layers.Conv2D(_maps(256, width), 3, use_bias=False)(_reflect(x, 1))
        y = layers.ReLU()(_instance_norm(y))
        y = layers.Conv2D(_maps(256, width), 3, use_bias=False)(_reflect(y, 1))
        x = layers.Add()([x, _instance_norm(y)])
    for maps in (128, 64):
        x = layers.Conv2DTranspose(_maps(maps, width), 3, strides=2, padding="same", output_padding=1)(x)
        x = layers.ReLU()(_instance_norm(x))
    return keras.Model(image, layers.Conv2D(3, 7, activation="tanh")(_reflect(x, 3)), name="cyclegan")


def pix2pix(width: float = 1.0) -> keras.Model:
    """pix2pix' generator (Isola et al. 2016): 4×4 down, 4×4 stride 2 up, dropout, skip connections."""
    image = keras.Input((None, None, 3))
    x, skips = image, []
    for number, maps in enumerate((32, 64, 128, 128)):
        x = layers.Conv2D(_maps(maps, width), 4, strides=2, padding="same", use_bias=False)(x)
        if number:
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        skips.append(x)
    for number, (maps, skip) in enumerate(zip((128, 64, 32), skips[-2::-1])):
        x = layers.Conv2DTranspose(_maps(maps, width), 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        if number == 0:
            x = layers.Dropout(0.5)(x)
        x = layers.Concatenate()([layers.ReLU()(x), skip])
    image_out = layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh", name="image")(x)
    return keras.Model(image, image_out, name="pix2pix")


def autoencoder(width: float = 1.0) -> keras.Model:
    """The convolutional autoencoder of the Keras blog, as two models called one after the other."""
    small, large = _maps(32, width), _maps(64, width)
    image = keras.Input((None, None, 1))
    x = layers.MaxPooling2D(padding="same")(layers.Conv2D(large, 3, activation="relu", padding="same")(image))
    x = layers.MaxPooling2D(padding="same")(layers.Conv2D(small, 3, activation="relu", padding="same")(x))
    encoder = keras.Model(image, x, name="encoder")
    decoder = keras.Sequential(
        [
            keras.Input((None, None, small)),
            layers.Conv2D(small, 3, activation="relu", padding="same"),
            layers.UpSampling2D(),
            layers.Conv2D(large, 3, activation="relu", padding="same"),
            layers.UpSampling2D(),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same", name="image"),
        ],
        name="decoder",
    )
    image = keras.Input((None, None, 1))
    return keras.Model(image, decoder(encoder(image)), name="autoencoder")


def mobilenet_decoder(width: float = 1.0) -> keras.Model:
    """A segmentation decoder over MobileNetV3-Small's maps, as in TensorFlow's segmentation tutorial."""
    base = keras.applications.MobileNetV3Small(
        input_shape=(None, None, 3), include_top=False, weights=None, alpha=0.75 if width < 1 else 1.0
    )
    taken = [base.get_layer(f"expanded_conv_{number}_expand_bn").output for number in (8, 3, 1)]
    backbone = keras.Model(base.input, [base.output, *taken], name="backbone")
    image = keras.Input((None, None, 3))
    x, *skips = backbone(image, training=False)
    for maps, skip in zip((128, 64, 32), skips):
        x = layers.Conv2DTranspose(_maps(maps, width), 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, skip])
    x = layers.Conv2DTranspose(_maps(16, width), 3, strides=2, padding="same", activation="relu")(x)
    mask = layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="mask")(x)
    return keras.Model(image, mask, name="mobilenet_decoder")


def fsrcnn(scale: int, width: float = 1.0) -> keras.Model:
    """FSRCNN (Dong et al. 2016) with its 9×9 transposed convolution."""
    d, s = _maps(56, width), _maps(12, width)
    image = keras.Input((None, None, 1))
    x = image
    for maps, side in ((d, 5), (s, 1), (s, 3), (s, 3), (s, 3), (s, 3), (d, 1)):
        x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(maps, side, padding="same")(x))
    hr_image = layers.Conv2DTranspose(1, 9, strides=scale, padding="same", name="deconvolution")(x)
    return keras.Model(image, hr_image, name=f"fsrcnn_x{scale}")


def segnet(width: float = 1.0) -> keras.Model:
    """An encoder and decoder in SegNet's manner with enlargement, convolution and batch normalisation."""
    image = keras.Input((None, None, 3))
    x = image
    for maps in (32, 64, 128):
        x = layers.Conv2D(_maps(maps, width), 3, padding="same")(x)
        x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    for maps in (64, 32, 16):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(_maps(maps, width), 3, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(image, layers.Conv2D(12, 1, activation="softmax")(x), name="segnet")


def vae_decoder(width: float = 1.0) -> keras.Model:
    """The decoder of the Keras examples' variational autoencoder: 3×3 kernels, stride 2, ReLU."""
    code = keras.Input((None, None, _maps(64, width)))
    x = code
    for maps in (64, 32):
        x = layers.Conv2DTranspose(_maps(maps, width), 3, strides=2, padding="same", activation="relu")(x)
    image = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid", name="image")(x)
    return keras.Model(code, image, name="vae_decoder")


def depth_decoder(width: float = 1.0) -> keras.Model:
    """A monocular depth network in DenseDepth's manner: bilinear enlargement, concatenation, convolutions."""
    widths = [_maps(maps, width) for maps in (16, 32, 64)]
    image = keras.Input((None, None, 3))
    skips, x = _encoder(image, widths)
    for maps, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), skip])
        x = layers.LeakyReLU()(layers.Conv2D(maps, 3, padding="same")(x))
    return keras.Model(image, layers.Conv2D(1, 3, padding="same", name="depth")(x), name="depth_decoder")


def style_transfer(width: float = 1.0) -> keras.Model:
    """Fast style transfer (Johnson et al. 2016) with resize-convolution and reflection padding in between."""
    image = keras.Input((None, None, 3))
    x = layers.ReLU()(_instance_norm(layers.Conv2D(_maps(32, width), 9)(_reflect(image, 4))))
    for maps in (64, 128):
        x = layers.Conv2D(_maps(maps, width), 3, strides=2)(_reflect(x, 1))
        x = layers.ReLU()(_instance_norm(x))
    for maps in (64, 32):
        x = layers.Conv2D(_maps(maps, width), 3)(_reflect(layers.UpSampling2D()(x), 1))
        x = layers.ReLU()(_instance_norm(x))
    return keras.Model(image, layers.Conv2D(3, 9)(_reflect(x, 4)), name="style_transfer")


def pose_heads(width: float = 1.0) -> keras.Model:
    """Simple baselines for pose (Xiao et al. 2018): 4×4 kernels, stride 2, over maps of a backbone; two heads."""
    features = keras.Input((None, None, _maps(256, width)), name="features")
    x = features
    for _ in range(2):
        x = layers.Conv2DTranspose(_maps(128, width), 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    heatmaps = layers.Conv2D(17, 1, name="heatmaps")(x)
    mask = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid", name="mask")(x)
    return keras.Model(features, {"heatmaps": heatmaps, "mask": mask}, name="pose_heads")


def espcn_deconvolution(width: float = 1.0) -> keras.Model:
    """ESPCN (Shi et al. 2016) ×3 with a 9×9 deconvolution as its last layer, on RGB."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(_maps(64, width), 5, padding="same", activation="tanh")(image)
    x = layers.Conv2D(_maps(32, width), 3, padding="same", activation="tanh")(x)
    hr_image = layers.Conv2DTranspose(3, 9, strides=3, padding="same", name="deconvolution")(x)
    return keras.Model(image, hr_image, name="espcn_deconvolution")


NETWORKS: dict[str, Network] = {
    "dcgan": Network(dcgan, (1, 1)),
    "unet": Network(unet, (256, 256), 4),
    "unet_upsampling": Network(unet_upsampling, (256, 256), 4),
    "unet_upconv": Network(unet_upconv, (256, 256), 4),
    "fcn8s": Network(fcn8s, (256, 256), 32),
    "cyclegan": Network(cyclegan, (96, 96), 4),
    "pix2pix": Network(pix2pix, (256, 256), 16),
    "autoencoder": Network(autoencoder, (256, 256), 4),
    "mobilenet_decoder": Network(mobilenet_decoder, (256, 256), 32),
    "segnet": Network(segnet, (256, 256), 8),
    "vae_decoder": Network(vae_decoder, (32, 32)),
    "depth_decoder": Network(depth_decoder, (256, 256), 4),
    "style_transfer": Network(style_transfer, (128, 128), 4),
    "pose_heads": Network(pose_heads, (16, 12)),
    "espcn_deconvolution": Network(espcn_deconvolution, (120, 160)),
    **{f"fsrcnn_x{scale}": Network(partial(fsrcnn, scale), (180, 320)) for scale in (2, 3, 4)},
}


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gives every weight a random value: biases, PReLU slopes and batch statistics too, which a new model has at 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.path.rsplit("/", 1)[-1]
        if name == "seed_generator_state":
            continue
        if len(shape) == 4 and name == "kernel":
            value = weight.numpy() + rng.normal(size=shape) / np.sqrt(max(np.prod(shape) / max(shape[2:]), 1))
        elif name in ("moving_variance", "gamma"):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.uniform(-0.4, 0.4, shape)
        weight.assign(value)
    return model
