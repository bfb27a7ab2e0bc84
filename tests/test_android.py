"""examples/android: its plain logic, compiled and run on the JVM, against what Python makes of the same picture."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import zoo
from zoo.engines import open_engine
from zoo.registry import preset_file
from zoo.upscale import upscale

ROOT = Path(__file__).parent.parent
SOURCES = [*sorted((ROOT / "examples/android/subpixelzoo").glob("*.java")), ROOT / "tests/android/Piped.java"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> Path:
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler (apt-get install default-jdk-headless)")
    folder = tmp_path_factory.mktemp("classes")
    command = ["javac", "-Xlint:all", "-Werror", "-d", str(folder), *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def static(tmp_path_factory) -> Path:
    """The small gecko ×2 as a file of one size, 40×48, as a GPU wants it."""
    import export

    folder = tmp_path_factory.mktemp("static")
    export.export_model(zoo.load("gecko_s_x2"), folder, [(40, 48)], ["tflite_fp32"], check=False)
    (path,) = folder.glob("*.tflite")
    return path


class Network:
    """A TFLite file behind the pipes of a JVM."""

    def __init__(self, path: Path):
        self.interpreter = Interpreter(str(path))
        self.index = self.interpreter.get_input_details()[0]["index"]
        self.sizes: set[tuple[int, int]] = set()

    def __call__(self, luma: np.ndarray) -> np.ndarray:
        self.sizes.add(luma.shape)
        if tuple(self.interpreter.get_input_details()[0]["shape"]) != (1, *luma.shape, 1):
            self.interpreter.resize_tensor_input(self.index, (1, *luma.shape, 1))
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(self.index, luma[None, ..., None])
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])


def enlarged(classes: Path, image: np.ndarray, network: Network, scale: int, radius: int, size=(0, 0)) -> np.ndarray:
    """What Java makes of (h, w, 4) RGBA: (scale·h, scale·w, 4)."""
    height, width, _ = image.shape
    argb = image[..., [3, 0, 1, 2]].astype(np.uint8).tobytes()
    command = ["java", "-cp", str(classes), "subpixelzoo.Piped"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as java:
        assert java.stdin and java.stdout and java.stderr
        java.stdin.write(struct.pack(">6i", height, width, scale, radius, *size) + argb)
        java.stdin.flush()
        while (head := java.stdout.read(4)) and (rows := struct.unpack(">i", head)[0]):
            (columns,) = struct.unpack(">i", java.stdout.read(4))
            luma = np.frombuffer(java.stdout.read(4 * rows * columns), ">f4").reshape(rows, columns)
            java.stdin.write(network(luma.astype(np.float32)).astype(">f4").tobytes())
            java.stdin.flush()
        assert head, java.stderr.read().decode()
        shape = scale * height, scale * width, 4
        return np.frombuffer(java.stdout.read(int(np.prod(shape))), np.uint8).reshape(shape)[..., [1, 2, 3, 0]]


def photo(height: int, width: int) -> np.ndarray:
    """RGBA with colours, edges and an alpha that hides nothing whole."""
    import skimage.data

    image = skimage.data.astronaut()[100 : 100 + height, 150 : 150 + width]
    alpha = np.linspace(40, 255, height * width).reshape(height, width, 1)
    return np.concatenate([image, alpha.astype(np.uint8)], axis=2)


def off(received: np.ndarray, expected: np.ndarray) -> tuple[int, float]:
    """Levels of the largest difference, and the share of samples that differ."""
    difference = np.abs(received.astype(int) - expected)
    return int(difference.max()), float((difference > 0).mean())


@pytest.mark.parametrize("size", [(101, 77), (24, 32), (9, 131), (3, 2)])
def test_a_static_file_gives_what_python_gives(classes, static, size):
    image, network, radius = photo(*size), Network(static), zoo.card("gecko_s_x2")["radius"]
    expected = upscale(image, "gecko_s_x2")
    received = enlarged(classes, image, network, 2, radius, (40, 48))
    largest, share = off(received, expected)
    assert largest <= 1 and share < 2e-3 and network.sizes == {(40, 48)}
    # Python lays the same file over the picture in the same way.
    assert off(received, upscale(image, open_engine(static)))[0] <= 1


def test_too_small_an_overlap_leaves_a_seam(classes, static):
    image = photo(101, 77)
    received = enlarged(classes, image, Network(static), 2, 1, (40, 48))
    assert off(received, upscale(image, "gecko_s_x2"))[0] > 1


def test_a_file_of_any_size_gives_what_python_gives(classes):
    image, network = photo(83, 300), Network(preset_file("fsrcnn_s_x3", ".tflite"))
    radius = zoo.card("fsrcnn_s_x3")["radius"]
    received = enlarged(classes, image, network, 3, radius)
    largest, share = off(received, upscale(image, "fsrcnn_s_x3"))
    assert largest <= 1 and share < 2e-3 and len(network.sizes) == 2
    # Controls: swapped colours and another picture are told apart.
    assert off(received[..., [2, 1, 0, 3]], upscale(image, "fsrcnn_s_x3"))[0] > 1
    assert off(received[::-1], upscale(image, "fsrcnn_s_x3"))[0] > 1


def test_what_cannot_be_cut_is_refused(classes, static):
    with pytest.raises(AssertionError, match="Expected a file of more than 60 px, twice the radius. Received: 40"):
        enlarged(classes, photo(50, 60), Network(static), 2, 30, (40, 48))


def difference(classes: Path, expected: np.ndarray, received: np.ndarray) -> float:
    content = struct.pack(">i", len(expected)) + expected.astype(">f4").tobytes() + received.astype(">f4").tobytes()
    command = ["java", "-cp", str(classes), "subpixelzoo.Piped", "compare"]
    done = subprocess.run(command, input=content, capture_output=True, check=True, timeout=60)
    return struct.unpack(">f", done.stdout)[0]


def test_a_gpu_that_computes_something_else_is_told_from_one_that_rounds(classes):
    source = (ROOT / "examples/android/subpixelzoo/Agreement.java").read_text(encoding="utf-8")
    tolerance = float(re.search(r"TOLERANCE = ([\d.]+)f", source)[1])
    luma = np.random.default_rng(0).random((1, 17, 23, 1), dtype=np.float32)
    right = np.asarray(zoo.load("fsrcnn_s_x3")(luma)).ravel()
    half = right.astype(np.float16).astype(np.float32)
    assert 0 < difference(classes, right, half) < tolerance
    assert difference(classes, right, np.roll(right, 1)) > tolerance
    assert difference(classes, right, np.where(np.arange(right.size) == 7, np.nan, right)) == np.inf
    assert difference(classes, right, right) == 0
