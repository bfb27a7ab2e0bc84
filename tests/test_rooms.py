"""The house's rules: an import only points left, a file has one subject, no layer that safe mode refuses."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Left to right, as in WORKSPACE.md; rooms of one column do not import each other unless named in BESIDE.
COLUMNS = [
    {"errors", "program", "telemetry"},
    {"identities", "color", "metrics"},
    {"graphs"},
    {"layers", "data"},
    {"models"},
    {"registry", "published"},
    {"rewrite", "complexity"},
    {"engines"},
    {"evaluate"},
    {"training", "upscale", "plots"},
    {"export"},
    {"train", "train_command", "command", "benchmarks", "web", "docs"},
]
BESIDE = {("rewrite", "complexity"), ("metrics", "color")}
PLACE = {room: column for column, rooms in enumerate(COLUMNS) for room in rooms}
SOURCES = sorted(
    path
    for folder in ("zoo", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
) + [ROOT / "train.py"]


def room_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "zoo":
        return parts[1] if len(parts) > 1 and parts[1] not in ("__init__", "__main__") else None
    return parts[0]


def imported_rooms(source: str) -> set[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    rooms = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == "zoo" and len(parts) > 1 and parts[1] in PLACE:
            rooms.add(parts[1])
        elif parts[0] in ("export", "benchmarks", "train"):
            rooms.add(parts[0])
    return rooms


def points_right(room: str, target: str) -> bool:
    if {room, target} <= {"train", "train_command", "command"}:
        return False
    return target != room and PLACE[target] >= PLACE[room] and (room, target) not in BESIDE


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_left(path):
    room = room_of(path)
    if room is None:
        return
    assert room in PLACE, f"{path} is in no room that the map knows"
    wrong = [target for target in imported_rooms(path.read_text(encoding="utf-8")) if points_right(room, target)]
    assert not wrong, f"{room} imports {wrong}"


def test_the_check_of_imports_can_fail():
    assert points_right("layers", "training") and points_right("data", "layers")
    assert not points_right("training", "layers")
    assert imported_rooms("import zoo.training\nfrom zoo import data, layers") == {"training", "data", "layers"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_subject_a_file(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 340, "one subject fits in about 330 lines"
    assert path.stem not in ("utils", "util", "misc", "helpers", "common")
    assert "Lambda(" not in text, "a Lambda layer does not load in safe mode"


def test_importing_zoo_is_light():
    code = (
        "import sys, zoo; zoo.list_models(); zoo.list_presets(); "
        "sys.exit(', '.join({'keras', 'tensorflow', 'numpy'} & set(sys.modules)) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    # Control: the same check sees Keras once a room that needs it is used.
    code = "import sys, zoo; zoo.layers; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True).returncode == 1
