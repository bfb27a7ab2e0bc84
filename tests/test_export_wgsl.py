"""WGSL: the text of the passes, and the plan that runs them. What they compute is seen in a browser: test_web_video."""

import json
import re

import keras
import numpy as np
import pytest
from test_export_shaders import beside, refused

import zoo
from export.__main__ import main
from export.shaders.mpv import shader
from export.shaders.passes import passes
from export.shaders.row import read_row
from export.shaders.wgsl import PLAN, module, write_wgsl
from zoo.color import rgb_to_y
from zoo.errors import UsageError
from zoo.layers import DepthToSpace


def plan(text):
    (line,) = [line for line in text.splitlines() if line.startswith(PLAN)]
    return json.loads(line[len(PLAN) :])


@pytest.mark.parametrize("border", ["mirror", "zeros"])
def test_the_plan_says_what_each_pass_reads_and_writes(border):
    for model in (zoo.create_model("gecko_s", 2), zoo.create_model("espcn", 3, channels=3), beside("nearest")):
        row = read_row(model)
        steps, text = passes(row), module(row, border)
        found = plan(text)
        assert (found["scale"], found["channels"]) == (row.scale, row.channels)
        assert found["margin"] == (row.radius if border == "mirror" else 0)
        parts = text.split("@compute ")[1:]
        assert len(parts) == len(found["passes"]) == len(steps)
        for step, part, said in zip(steps, parts, found["passes"]):
            assert f"fn {said['entry']}(" in part
            assert {int(number) for number in re.findall(r"textureLoad\(L(\d+),", part)} == set(said["reads"])
            assert ("textureDimensions(picture)" in part) == ("textureLoad(picture" in part) == said["picture"]
            # As many texels as a group's place is spread over, and each once.
            stored = re.findall(r"textureStore\(out_image, (.*), (?:vec4\(.*\)|\w+)\);", part)
            assert len(stored) == part.count("textureStore") == len(set(stored))
            last = step is steps[-1]
            assert len(stored) == (row.scale**2 if last else step.writes) <= np.prod(said["grid"])


def test_the_same_statements_as_in_the_other_language():
    """Sums of products, but for the name of a matrix; the control: those of another network are others."""

    def sums(text):
        return [line.replace("mat4x4(", "mat4(") for line in text.splitlines() if " += " in line and "mat4" in line]

    row, other = (read_row(zoo.load(name)) for name in ("gecko_s_x2", "gecko_x2"))
    ours, theirs = (sums(text.replace("tile_", "tile")) for text in (module(row), shader(row)))
    assert len(ours) > 100 and ours == theirs != sums(module(other))


def test_luma_is_that_of_the_zoo():
    text = module(read_row(zoo.create_model("espcn", 2)))
    offset, weights = re.search(r"\(([\d.]+) \+ dot\(c\.rgb, vec3\(([\d., ]+)\)\)\) / 255\.0", text).groups()
    rgb = np.random.default_rng(0).random((5, 7, 3))
    ours = (float(offset) + rgb @ np.array([float(weight) for weight in weights.split(",")])) / 255
    np.testing.assert_allclose(ours, rgb_to_y(rgb).reshape(ours.shape), rtol=0, atol=1e-12)
    assert "luma" not in module(read_row(zoo.create_model("espcn", 2, channels=3))).split(PLAN)[1]


def test_what_is_no_row_is_refused_and_leaves_nothing(tmp_path):
    wrong = refused(lambda x: DepthToSpace(2)(keras.layers.Activation("gelu", name="bell")(x)))
    with pytest.raises(UsageError, match="mine's layer bell"):
        write_wgsl(wrong, tmp_path / "mine.wgsl")
    with pytest.raises(UsageError, match="border"):
        write_wgsl(zoo.load("fsrcnn_s_x2"), tmp_path / "mine.wgsl", border="grey")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_it_with_its_terms(tmp_path):
    assert main(["--model=gecko_s_x2", "--formats=wgsl", f"--output={tmp_path}"]) == 0
    text = (tmp_path / "gecko_s_x2.wgsl").read_text(encoding="utf-8")
    assert "free pictures only" in text and "--formats=wgsl --border=mirror" in text
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Not run: only a browser runs WGSL" in report and "sums are those of the .glsl file" in report
    assert "not installed" not in report
