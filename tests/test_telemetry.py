"""Nothing is reported to anyone: without a network and with an empty home folder, no connection is tried or id kept."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_rooms import SOURCES

REPORTING = ("openvino", "onnxruntime")
NAMESPACE = ["unshare", "--map-root-user", "--net"]
# What a command says, and after it the counts of the network that nobody else is in.
COUNTED = '"$@"; code=$?; echo; cat /proc/net/snmp; exit $code'


@pytest.fixture(scope="module")
def namespace():
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a network namespace cannot be made here")


def run(home: Path, *arguments: str, timeout: float = 120, **variables: str) -> tuple[list[str], int]:
    """The files that a Python program leaves in its home folder, and how many of its packets found no way out."""
    home.mkdir(exist_ok=True)
    # Libraries keep still in what looks like continuous integration.
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    process = subprocess.run(
        [*NAMESPACE, "sh", "-c", COUNTED, "sh", sys.executable, *arguments],
        env={**kept, "HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert process.returncode == 0, process.stderr
    names, values = [line.split() for line in process.stdout.splitlines() if line.startswith("Ip: ")]
    files = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    return files, int(values[names.index("OutNoRoutes")])


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("library", REPORTING)
def test_a_library_reports_nothing(tmp_path, library):
    pytest.importorskip(library)
    assert run(tmp_path / "ours", "-c", f"import zoo, {library}") == ([], 0)


@pytest.mark.slow
@pytest.mark.usefixtures("namespace")
def test_openvino_by_itself_would(tmp_path):
    """Control, and what a person may still ask for."""
    # Not by importing it: where `zoo` is imported already, that is what cannot be done.
    if not any(metadata.distributions(name="openvino-telemetry")):
        pytest.skip("openvino_telemetry is not installed")
    for number, code in enumerate(("import openvino", "import openvino_telemetry, zoo, openvino")):
        files, packets = run(tmp_path / str(number), "-c", code)
        assert "intel/openvino_ga_cid" in files and packets > 0


@pytest.mark.usefixtures("namespace")
def test_onnxruntime_by_itself_would(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "ORT_DISABLE_TELEMETRY" not in Path(onnxruntime.__file__).with_name("Privacy.md").read_text(encoding="utf-8"):
        pytest.skip("this onnxruntime reports nothing")
    files, _ = run(tmp_path / "home", "-c", "import zoo, onnxruntime", ORT_DISABLE_TELEMETRY="0")
    assert any(".onnxruntime" in name for name in files)


@pytest.mark.usefixtures("namespace")
def test_a_picture_is_enlarged_in_openvino_and_the_home_folder_stays_empty(tmp_path):
    pytest.importorskip("openvino")
    picture = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    flags = [str(tmp_path / "in.png"), f"--output={tmp_path / 'out'}", "--model=srcnn_x2"]
    assert run(tmp_path / "home", "-m", "zoo.upscale", *flags) == ([], 0)
    assert (tmp_path / "out" / "in.png").is_file()


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """What the commands below take: a folder of pictures, a network in three formats, a film."""
    import zoo
    from export import export_model
    from zoo import registry

    folder = tmp_path_factory.mktemp("material")
    (folder / "pictures").mkdir()
    for number in range(2):
        picture = np.random.default_rng(number).integers(0, 256, (60, 70, 3), np.uint8)
        Image.fromarray(picture).save(folder / "pictures" / f"{number}.png")
    model = zoo.create_model("fsrcnn_s", scale=2)
    model.save(folder / "net.keras")
    written = export_model(model, folder / "files", [(24, 32)], ["onnx"], check=False)["files"]
    (folder / "files" / written[0]["name"]).rename(folder / "net.onnx")
    (folder / "net.tflite").write_bytes(registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes())
    if importlib.util.find_spec("av"):
        from benchmarks.video import write_clip

        write_clip(folder / "film.mp4", frames=2)
    return folder


# Settings, fonts and how fast engines are here, which go nowhere.
KEPT = re.compile(r"\.keras/keras\.json|\.(cache|config)/matplotlib/.*|\.cache/subpixel-zoo/engines/.*")
COMMANDS = {
    "train": "--data={m}/pictures --preset=fsrcnn_s_x2 --learning_rate=1e-6 --steps=2 --batch=2 --lr_size=12 "
    "--validate_every=2 --noexport --workdir={o}/run",
    "evaluate": "--model=espcn_x2,{m}/net.keras,{m}/net.tflite --data={m}/pictures",
    "upscale": "{m}/pictures --output={o}/large --model=fsrcnn_x2",
    "upscale a film": "{m}/film.mp4 --output={o}/film.mp4 --model=espcn_x2",
    "rewrite": "{m}/net.keras {o}/out.keras",
    "rewrite tflite": "{m}/net.tflite {o}/out.tflite",
    "rewrite onnx": "{m}/net.onnx {o}/out.onnx",
    "export": "--model=fsrcnn_s_x2 --sizes=24x32 --formats=saved_model,tflite_fp32,onnx,glsl --gate=off "
    "--output={o}/files",
    "check": "{m}/net.tflite --rules_only",
    "prepare": "--data={m}/pictures --scale=2 --output={o}/prepared",
    "plots": "kernels --model=fsrcnn_s_x2 --output={o}/plot.png",
    "presets": "",
    "models": "",
    "engines": "espcn_x2",
}


def test_every_command_is_among_them():
    from zoo.command import WORDS

    assert {name.partition(" ")[0] for name in COMMANDS} == {*WORDS}


@pytest.mark.slow
@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_connects_or_leaves_something_of_its_own_at_home(tmp_path, material, name):
    if "film" in name:
        pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
    if "onnx" in COMMANDS[name]:
        pytest.importorskip("onnxruntime")
    flags = COMMANDS[name].format(m=material, o=tmp_path).split()
    files, packets = run(tmp_path / "home", "-m", "zoo.command", name.partition(" ")[0], *flags, timeout=400)
    assert packets == 0 and [file for file in files if not KEPT.fullmatch(file)] == []


def imports(source: str) -> tuple[set[str], set[str]]:
    """The packages that a file imports: at once, and when something is called."""
    found = {True: set(), False: set()}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            found[node in tree.body] |= {name.partition(".")[0] for name in names}
    return found[True], found[False]


def test_zoo_is_imported_before_them():
    users = []
    for path in SOURCES:
        at_once, later = imports(path.read_text(encoding="utf-8"))
        assert not at_once & set(REPORTING), f"{path}: they are imported where they are used"
        if later & set(REPORTING):
            users.append(path.name)
            assert "zoo" in at_once, path
    assert users


def test_the_check_of_imports_can_fail():
    assert imports("import zoo.errors\ndef f():\n    from openvino import Core") == ({"zoo"}, {"openvino"})
