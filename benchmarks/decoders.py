"""More networks as others write them: what segmentation, detection, diffusion and audio enlarge with.

Beside those of `benchmarks.networks`, in the same conventions; `NETWORKS` here has all of them.
"""

import keras
from keras import layers

from benchmarks.networks import NETWORKS as FIRST
from benchmarks.networks import Network, _encoder, _maps, _two_convolutions


def _normalised(x, maps: int, side: int = 3, **options):
    x = layers.Conv2D(maps, side, padding="same", use_bias=False, **options)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _up(x, scale: int = 2, method: str = "bilinear"):
    return layers.UpSampling2D(scale, interpolation=method)(x)


def _features(image, widths):
    """Maps at a half, a quarter, an eighth … of the picture."""
    found, x = [], image
    for maps in widths:
        x = _normalised(x, maps, strides=2)
        found.append(x)
    return found


def fpn(width: float = 1.0) -> keras.Model:
    """segmentation_models' FPN with its default settings: pyramid of 256 maps, blocks of 128, bilinear at the end."""
    image = keras.Input((None, None, 3))
    maps = _features(image, [_maps(each, width) for each in (32, 64, 128, 256)])
    pyramid = [layers.Conv2D(_maps(256, width), 1)(maps[-1])]
    for lateral in maps[-2::-1]:
        pyramid.append(layers.Add()([layers.UpSampling2D()(pyramid[-1]), layers.Conv2D(_maps(256, width), 1)(lateral)]))
    heads = []
    for level, x in enumerate(pyramid):
        for _ in range(2):
            x = _normalised(x, _maps(128, width))
        scale = 2 ** (len(pyramid) - 1 - level)
        heads.append(layers.UpSampling2D(scale)(x) if scale > 1 else x)
    x = _normalised(layers.Concatenate()(heads), _maps(128, width))
    x = layers.Conv2D(21, 3, padding="same")(x)
    return keras.Model(image, layers.Softmax()(_up(x)), name="fpn")


def deeplab(width: float = 1.0) -> keras.Model:
    """DeepLabV3+ (Chen et al. 2018) as keras.io has it: pooled picture and ×4 by bilinear."""
    image = keras.Input((64, 64, 3))
    low, *_, high = _features(image, [_maps(each, width) for each in (48, 64, 128, 256)])
    pooled = layers.AveragePooling2D((4, 4))(high)
    pooled = _up(_normalised(pooled, _maps(256, width), 1), 4)
    branches = [pooled] + [_normalised(high, _maps(256, width), 3, dilation_rate=rate) for rate in (1, 2)]
    x = _up(_normalised(layers.Concatenate()(branches), _maps(256, width), 1), 8)
    x = layers.Concatenate()([x, _normalised(low, _maps(48, width), 1)])
    x = _up(_normalised(x, _maps(256, width)), 2)
    return keras.Model(image, layers.Conv2D(20, 1)(x), name="deeplab")


def pspnet(width: float = 1.0) -> keras.Model:
    """PSPNet (Zhao et al. 2017): pyramids of pooled maps, enlarged by bilinear, and ×4 at the end."""
    image = keras.Input((64, 64, 3))
    *_, x = _features(image, [_maps(each, width) for each in (32, 64)])
    branches = [x] + [
        _up(_normalised(layers.AveragePooling2D(side)(x), _maps(64, width), 1), side) for side in (4, 8, 16)
    ]
    x = _normalised(layers.Concatenate()(branches), _maps(128, width), 1)
    return keras.Model(image, _up(layers.Conv2D(21, 3, padding="same")(x), 4), name="pspnet")


def segformer_head(width: float = 1.0) -> keras.Model:
    """SegFormer's head (Xie et al. 2021): matrices for each pixel, bilinear to one size, concatenated, one more."""
    image = keras.Input((None, None, 3))
    maps, wanted = _features(image, [_maps(each, width) for each in (32, 64, 160, 256)]), _maps(256, width)
    parts = [layers.Dense(wanted)(each) for each in maps]
    parts = [parts[0]] + [_up(each, 2 ** (level + 1)) for level, each in enumerate(parts[1:])]
    x = _normalised(layers.Concatenate()(parts), wanted, 1)
    return keras.Model(image, layers.Conv2D(19, 1)(x), name="segformer_head")


def yolo_neck(width: float = 1.0) -> keras.Model:
    """YOLO's neck: 1×1, nearest, concatenation with a lateral, 1×1 and 3×3."""
    image = keras.Input((None, None, 3))
    *_, middle, small = _features(image, [_maps(each, width) for each in (32, 64, 128, 256)])
    x = layers.Concatenate()([layers.UpSampling2D()(_normalised(small, _maps(128, width), 1)), middle])
    x = _normalised(_normalised(x, _maps(128, width), 1), _maps(256, width))
    return keras.Model(image, layers.Conv2D(255, 1)(x), name="yolo_neck")


def pets_unet(width: float = 1.0) -> keras.Model:
    """keras.io's U-Net for pets: deconvolutions of stride 1, nearest, and a residual by nearest and 1×1."""
    image = keras.Input((None, None, 3))
    x = previous = _features(image, [_maps(each, width) for each in (32, 64, 128)])[-1]
    for maps in (128, 64, 32):
        for _ in range(2):
            x = layers.Conv2DTranspose(_maps(maps, width), 3, padding="same")(layers.ReLU()(x))
            x = layers.BatchNormalization()(x)
        x = layers.UpSampling2D(2)(x)
        residual = layers.Conv2D(_maps(maps, width), 1, padding="same")(layers.UpSampling2D(2)(previous))
        x = previous = layers.Add()([x, residual])
    return keras.Model(image, layers.Conv2D(3, 3, padding="same", activation="softmax")(x), name="pets_unet")


def diffusion_decoder(width: float = 1.0) -> keras.Model:
    """A latent diffusion decoder's way up: nearest, group normalisation, swish, 3×3."""
    code = keras.Input((None, None, 4))
    x = layers.Conv2D(_maps(128, width), 3, padding="same")(code)
    for maps in (128, 64, 32):
        x = layers.UpSampling2D()(x)
        x = layers.Activation("swish")(layers.GroupNormalization(groups=2)(x))
        x = layers.Conv2D(_maps(maps, width), 3, padding="same")(x)
    return keras.Model(code, layers.Conv2D(3, 3, padding="same")(x), name="diffusion_decoder")


def separable_decoder(width: float = 1.0) -> keras.Model:
    """A mobile decoder: nearest, then separable convolutions (FastDepth, Fast-SCNN)."""
    image = keras.Input((None, None, 3))
    *_, x = _features(image, [_maps(each, width) for each in (16, 32, 64, 128)])
    for maps in (64, 32, 16, 16):
        x = layers.SeparableConv2D(_maps(maps, width), 3, padding="same", use_bias=False)(layers.UpSampling2D()(x))
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(image, layers.Conv2D(1, 1)(x), name="separable_decoder")


def resunet(width: float = 1.0) -> keras.Model:
    """ResUNet (Zhang et al. 2018): normalised after the concatenation, before the convolution."""
    widths = [_maps(maps, width) for maps in (32, 64, 128)]
    image = keras.Input((None, None, 3))
    skips, x = _encoder(image, widths)
    for maps, skip in zip(widths[-2::-1], skips[::-1]):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(maps, 3, padding="same")(x)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x), name="resunet")


def hed(width: float = 1.0) -> keras.Model:
    """HED (Xie and Tu 2015): a 1×1 side output of each depth, enlarged to the picture and fused."""
    image = keras.Input((None, None, 3))
    skips, x = _encoder(image, [_maps(maps, width) for maps in (32, 64, 128)])
    sides = [layers.Conv2D(1, 1)(skips[0])]
    for level, each in enumerate((*skips[1:], x)):
        sides.append(layers.Conv2D(1, 1)(layers.UpSampling2D(2 ** (level + 1))(each)))
    fused = layers.Conv2D(1, 1, activation="sigmoid")(layers.Concatenate()(sides))
    return keras.Model(image, fused, name="hed")


def bifpn(width: float = 1.0) -> keras.Model:
    """EfficientDet's way down a pyramid (Tan et al. 2020): nearest, added, swish, separable 3×3."""
    image, wanted = keras.Input((None, None, 3)), _maps(64, width)
    maps = [layers.Conv2D(wanted, 1)(x) for x in _features(image, [_maps(each, width) for each in (32, 64, 128, 256)])]
    x = maps[-1]
    for lateral in maps[-2::-1]:
        x = layers.Activation("swish")(layers.Add()([layers.UpSampling2D()(x), lateral]))
        x = layers.BatchNormalization()(layers.SeparableConv2D(wanted, 3, padding="same")(x))
    return keras.Model(image, layers.Conv2D(36, 3, padding="same")(x), name="bifpn")


def spectrogram(width: float = 1.0) -> keras.Model:
    """A network for spectrograms, enlarged along frequency alone: strides (2, 1)."""
    image = keras.Input((None, None, 1))
    x = _two_convolutions(image, _maps(32, width))
    for maps in (32, 16):
        x = layers.Conv2DTranspose(_maps(maps, width), (5, 3), strides=(2, 1), padding="same", activation="relu")(x)
    return keras.Model(image, layers.Conv2D(1, 3, padding="same")(x), name="spectrogram")


NETWORKS: dict[str, Network] = {
    **FIRST,
    "fpn": Network(fpn, (128, 128), 16),
    "deeplab": Network(deeplab, (64, 64), 64),
    "pspnet": Network(pspnet, (64, 64), 64),
    "segformer_head": Network(segformer_head, (128, 128), 16),
    "yolo_neck": Network(yolo_neck, (256, 256), 16),
    "pets_unet": Network(pets_unet, (128, 128), 8),
    "diffusion_decoder": Network(diffusion_decoder, (32, 32)),
    "separable_decoder": Network(separable_decoder, (256, 256), 16),
    "resunet": Network(resunet, (256, 256), 4),
    "hed": Network(hed, (256, 256), 4),
    "bifpn": Network(bifpn, (256, 256), 16),
    "spectrogram": Network(spectrogram, (64, 96)),
}
