"""Distribution `subpixel-zoo`: installs the packages `zoo` and `export`. Exact tested versions: constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"

TEST = ["pytest>=8", "pytest-xdist>=3.6", "ruff>=0.12", "mypy>=2.1"]
ONNX = ["onnx>=1.19", "onnxruntime>=1.22", "tf2onnx>=1.17"]
VIDEO = ["av>=15"]
# On which machines: zoo/engines/kinds.py.
FAST = ["ncnn>=1.0.20250916", "openvino>=2025.2"]
PLOTS = ["matplotlib>=3.9"]
NOTEBOOK = ["nbformat>=5.10", "nbclient>=0.10", "ipykernel>=6.29"]
RELEASE = ["build>=1.2", "twine>=6"]
PEERS = ["opencv-python-headless>=4.12"]
BENCH = [*ONNX, *PEERS, *FAST, "torch>=2.8"]

setup(
    name="subpixel-zoo",
    version=re.search(r'__version__ = "(.+?)"', (HERE / "zoo" / "__init__.py").read_text(encoding="utf-8"))[1],
    description="Real-time super-resolution networks whose upsampling layers convert exactly into one another",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["zoo", "zoo.*", "export", "export.*"]),
    package_data={
        "zoo": ["py.typed", "presets/*.json", "presets/*.weights.h5", "presets/*.tflite"],
        "export": ["py.typed"],
    },
    install_requires=[
        "tensorflow>=2.20",
        "keras>=3.14",
        "ai-edge-litert>=2.1",
        "h5py>=3.11",
        "tensorflow-datasets>=4.9.9",
        # tensorflow-datasets needs it to prepare a data set and does not say so.
        "importlib_resources>=6",
        "absl-py>=2.1",
        "numpy>=2.0",
        "pillow>=11",
        "scikit-image>=0.24",
        "tifffile>=2024.8",
        "rich>=13.9",
    ],
    entry_points={"console_scripts": ["zoo = zoo.command:main"]},
    extras_require={
        # The peers too: an ONNX file is checked in the engines that people run it in.
        "test": [*TEST, *ONNX, *PEERS, *FAST, *RELEASE],
        "onnx": ONNX,
        "fast": FAST,
        "video": VIDEO,
        # Where the tested versions of the rest are wanted too: an environment of its own, constraints-beam.txt.
        "beam": ["apache-beam>=2.70"],
        # The training engine for accelerators; jax[cuda13] on a machine with a GPU.
        "device": ["jax>=0.10"],
        "plots": PLOTS,
        # To look at what a training run has written; the run itself does not need it.
        "tensorboard": ["tensorboard>=2.20"],
        "notebook": NOTEBOOK,
        "bench": BENCH,
        "release": RELEASE,
    },
)
