"""The house's rules: an import only points left, never round; a file has one subject; safe mode takes every layer."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.rewrite.explanation import Row

ROOT = Path(__file__).parent.parent
# Left to right, as in WORKSPACE.md; rooms of one column do not import each other unless named in BESIDE.
COLUMNS = [
    {"errors", "files", "lazy", "machine", "program", "telemetry"},
    {"backend", "identities", "color", "grey", "metrics"},
    {"graphs"},
    {"layers", "data"},
    {"models", "keras_file"},
    {"registry", "published"},
    {"reach"},
    {"complexity"},
    {"targets"},
    {"rewrite"},
    {"engines"},
    {"evaluate"},
    {"training", "upscale", "plots"},
    {"export"},
    {"releasing"},
    {"train", "train_command", "presets_command", "command", "benchmarks", "experiments", "web", "docs"},
]
BESIDE = {("metrics", "color"), ("experiments", "benchmarks"), ("files", "errors"), ("program", "errors")}
PLACE = {room: column for column, rooms in enumerate(COLUMNS) for room in rooms}
SOURCES = sorted(
    path
    for folder in ("zoo", "export", "releasing", "benchmarks", "experiments")
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
        elif parts[0] in ("export", "releasing", "benchmarks", "experiments", "train"):
            rooms.add(parts[0])
    return rooms


def points_right(room: str, target: str) -> bool:
    if {room, target} <= {"train", "train_command", "presets_command", "command"}:
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


def imported_files(path: Path, root: Path) -> set[Path]:
    """The files that one imports, anywhere in it; what only a type checker reads does not count.

    `from zoo.engines import tiles` is tiles.py, `from zoo.engines import Engine` the package's `__init__.py`; that a
    package's `__init__.py` runs before its files is not counted.
    """
    names: list[tuple[str, ...]] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            names.extend((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the file's own package.
            package = path.relative_to(root).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *filter(None, [node.module])])
            names.extend((f"{module}.{alias.name}", module) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    def file_of(name: str) -> Path | None:
        place = root.joinpath(*name.split("."))
        return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    found = {next((file for name in choice if (file := file_of(name))), None) for choice in names}
    return {file for file in found if file is not None}


def reached(root: Path, sources: list[Path]) -> dict[Path, set[Path]]:
    """For each file all that it imports, itself or through others."""
    imports = {path: imported_files(path, root) for path in sources}

    def beyond(path: Path) -> set[Path]:
        seen: set[Path] = set()
        waiting = [path]
        while waiting:
            fresh = imports.get(waiting.pop(), set()) - seen
            seen |= fresh
            waiting += fresh
        return seen

    return {path: beyond(path) for path in sources}


def in_a_circle(root: Path, sources: list[Path]) -> set[str]:
    """The files that import themselves through others."""
    return {str(path.relative_to(root)) for path, files in reached(root, sources).items() if path in files}


def test_no_circle_of_files():
    assert in_a_circle(ROOT, SOURCES) == set()


@pytest.mark.parametrize(
    ("back", "circle"),
    [
        ("import room.one", True),
        ("def later():\n    from room import one", True),
        ("def later():\n    from room.one import thing", True),
        ("from .one import thing", True),
        ("from . import one", True),
        ("if TYPE_CHECKING:\n    import room.one\nelse:\n    import room.one", True),
        ("if TYPE_CHECKING:\n    import room.one", False),
        ("import room.ones", False),
    ],
)
def test_the_check_of_circles_can_fail(tmp_path, back, circle):
    contents = {"__init__": "", "one": "from room import two", "two": "import room.three", "three": back, "four": ""}
    (tmp_path / "room").mkdir()
    for name, content in contents.items():
        (tmp_path / "room" / f"{name}.py").write_text(content)
    found = in_a_circle(tmp_path, sorted((tmp_path / "room").glob("*.py")))
    assert found == ({f"room/{name}.py" for name in ("one", "two", "three")} if circle else set())


def test_what_decides_on_a_rewrite_knows_nothing_of_what_is_printed():
    rewrite = ROOT / "zoo/rewrite"
    printed, files = {rewrite / "explanation.py", rewrite / "rows.py"}, reached(ROOT, SOURCES)
    for name in ("find", "facts", "plan"):
        assert not printed & files[rewrite / f"{name}.py"], name
    # Control: what hands both out reaches them.
    assert printed <= files[rewrite / "lr_space.py"]


def test_rows_are_read_where_they_are_made_and_printed_alone():
    def looks_into_a_row(path: Path) -> bool:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
        return any(node.value.id == "row" and node.attr in Row.__dataclass_fields__ for node in found)

    # `tflite_verdicts` adds what a target makes of the file that came out.
    made_and_printed = {"rows.py", "tflite_verdicts.py", "explanation.py"}
    assert {path.name for path in (ROOT / "zoo/rewrite").glob("*.py") if looks_into_a_row(path)} == made_and_printed


OURS = ("zoo", "export", "releasing", "benchmarks", "experiments")


def private_names(source: str) -> set[str]:
    """The private names of this project that a file of tests reaches into: imports, attributes, what it replaces."""
    tree, ours, found = ast.parse(source), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            ours |= {alias.asname or alias.name for alias in node.names}
            found |= {alias.name for alias in node.names if alias.name.startswith("_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
            found |= {node.attr} if node.attr.startswith("_") else set()
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            of_ours = isinstance(node.args[0], ast.Name) and node.args[0].id in ours
            for given in (each.value for each in node.args[: 1 + of_ours] if isinstance(each, ast.Constant)):
                found |= {given} if str(given).split(".")[-1].startswith("_") else set()
    return {name for name in found if not name.split(".")[-1].startswith("__")}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_tests_reach_for_public_names(path):
    # But for halves of one function: what changes a network before int8 is fitted, what the gate makes of a run.
    assert private_names(path.read_text(encoding="utf-8")) <= {"_changed", "_verdict"}


def test_the_check_of_private_names_can_fail():
    source = "from zoo.graphs import trial\nfrom zoo.plots.chart import _draw\ntrial._limit(0)\n"
    source += "monkeypatch.setattr(trial, '_run', None)\nmonkeypatch.setattr('zoo.upscale.planes._luma', None)\n"
    assert private_names(source) == {"_draw", "_limit", "_run", "zoo.upscale.planes._luma"}
    assert private_names("from PIL import Image\nImage._x()\nfrom zoo import lazy\nlazy.__name__") == set()


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
    # Control: the same check sees NumPy once a room that needs it is used.
    code = "import sys, zoo; zoo.identities; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True).returncode == 1
