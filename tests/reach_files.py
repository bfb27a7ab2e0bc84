"""Small TFLite files whose reach is known, for Python and for the page: both test suites read reach/cases.json.

`PYTHONPATH=tests python -m reach_files` writes the files anew; the radii in the JSON are worked out by hand.
"""

import json
from pathlib import Path

import tensorflow as tf
from tflite_cases import convert

FOLDER = Path(__file__).parent / "reach"


def conv(x, side, outputs=1, **options):
    kernel = tf.ones((*(side if isinstance(side, tuple) else (side, side)), x.shape[-1], outputs)) / 9
    return tf.nn.conv2d(x, kernel, options.pop("strides", 1), options.pop("padding", "SAME"), **options)


def shuffled(x, side=3, **options):
    return tf.nn.depth_to_space(conv(x, side, 4, **options), 2)


def transposed(x):
    return tf.nn.conv2d_transpose(x, tf.ones((9, 9, 1, 1)), (1, 2 * x.shape[1], 2 * x.shape[2], 1), 2, "SAME")


FILES = {
    "row": lambda x: shuffled(tf.nn.relu(conv(x, 5, 2)), 3),
    "oblong": lambda x: shuffled(x, (3, 7)),
    "dilated": lambda x: shuffled(x, 3, dilations=3),
    "transposed": transposed,
    "padded": lambda x: shuffled(tf.pad(x, [(0, 0), (2, 2), (1, 3), (0, 0)]), 5, padding="VALID"),
    "cropped": lambda x: shuffled(tf.pad(x, [(0, 0), (3, 3), (3, 3), (0, 0)]), 5, padding="VALID")[:, 2:-2, 2:-2],
    "resized": lambda x: conv(tf.raw_ops.ResizeBilinear(images=x, size=(128, 96), half_pixel_centers=True), 3),
    "joined": lambda x: shuffled(tf.concat([x, conv(x, 7)], 3), 3),
    "strided": lambda x: tf.nn.depth_to_space(conv(conv(x, 3, 2, strides=2), 3, 16), 4),
    "aligned": lambda x: tf.raw_ops.ResizeBilinear(images=x, size=(128, 96), align_corners=True),
    "mean": lambda x: shuffled(x * tf.reduce_mean(x, [1, 2], keepdims=True)),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, function in FILES.items():
        (FOLDER / f"{name}.tflite").write_bytes(convert(function, (1, 64, 48, 1)))
    known = {entry["file"] for entry in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))}
    print("without a case:", sorted({f"tests/reach/{name}.tflite" for name in FILES} - known) or "none")


if __name__ == "__main__":
    main()
