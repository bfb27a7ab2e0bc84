"""What an editor and `dir()` see of the package: its public names, typed."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import zoo

ROOT = Path(__file__).parent.parent
LAZY = ("zoo", "zoo.data", "zoo.engines", "zoo.evaluate", "zoo.metrics", "zoo.plots")
# Room → what people use of it.
ROOMS = (
    "zoo",
    *(f"zoo.{name}" for name in zoo.__all__ if isinstance(getattr(zoo, name), ModuleType)),
    "export",
)


def seen_by_editors(source: str) -> set[str]:
    """The names that a file's `if TYPE_CHECKING:` imports."""
    blocks = [n for n in ast.parse(source).body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


@pytest.mark.parametrize("name", LAZY)
def test_editors_see_every_name_that_resolves_on_first_use(name):
    module = importlib.import_module(name)
    there = {each for each in module.__all__ if each in vars(module) and callable(vars(module)[each])}
    lazy = set(module.__all__) - ({"psnr", "ssim"} if name == "zoo.metrics" else set())
    assert seen_by_editors(Path(module.__file__).read_text(encoding="utf-8")) == lazy
    assert name != "zoo.metrics" or {"psnr", "ssim"} <= there
    for each in module.__all__:
        assert getattr(module, each) is not None


def test_the_check_of_editors_can_fail():
    assert seen_by_editors("if TYPE_CHECKING:\n    from zoo.registry import load\nfrom zoo import card") == {"load"}


@pytest.mark.parametrize("name", ROOMS)
def test_dir_shows_public_names_only(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, each) for each in dir(module))
    # Control: what the file itself imports is there, and not shown.
    assert set(vars(module)) - set(dir(module))


def test_the_packages_say_that_they_are_typed():
    assert (ROOT / "zoo" / "py.typed").is_file() and (ROOT / "export" / "py.typed").is_file()
    assert (ROOT / "setup.py").read_text(encoding="utf-8").count('"py.typed"') == 2


def test_presets_by_a_pattern():
    assert zoo.list_presets("fsrcnn_s*") == ["fsrcnn_s_x2", "fsrcnn_s_x3", "fsrcnn_s_x4"]
    assert set(zoo.list_presets("*_x3")) == {name for name in zoo.list_presets() if name.endswith("_x3")}
    assert zoo.list_presets("unet*") == []
