"""Shaders for a release: a file for each preset that fits, and the table of docs/player.md is what they cost."""

import pytest

from export.prepare import prepare
from releasing import shaders
from zoo import registry


def test_rows_of_the_table_are_what_the_shaders_cost():
    page = shaders.PAGE.read_text(encoding="utf-8")
    for name in ("fsrcnn_s_x2", "gecko_s_x2"):
        row = shaders.line(name, prepare(registry.load(name)))
        assert row in page, "run `python -m releasing.shaders`"
    # The control: another network costs something else.
    other = shaders.line("gecko_s_x2", prepare(registry.load("fsrcnn_s_x3")))
    assert other not in page


@pytest.mark.slow
def test_the_page_is_what_the_command_writes_and_files_come_of_it(tmp_path, monkeypatch, capsys):
    assert shaders.main(["--check"]) == 0, "run `python -m releasing.shaders`"
    monkeypatch.setattr(registry, "list_presets", lambda: ["fsrcnn_s_x2", "srcnn_x2"])
    assert shaders.main([f"--output={tmp_path / 'new'}"]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["fsrcnn_s_x2.glsl"]
    assert "fsrcnn_s_x2.glsl: " in capsys.readouterr().out
    assert shaders.main([f"--output={tmp_path / 'page'}", "--format=wgsl"]) == 0
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["fsrcnn_s_x2.wgsl"]
