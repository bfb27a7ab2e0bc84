"""A row as compute passes in one WGSL module, for WebGPU in browsers and outside them.

Language: W3C, "WebGPU Shading Language" (https://www.w3.org/TR/WGSL/).

The module has an entry point a pass, and all resources in group 0: the picture (binding 0, RGB in gamma light), what a
pass writes (1, rgba16float) and, from 2, the maps of the first pass, the second, … . A line that begins with
`// passes: ` says in JSON what runs them: `scale`, `channels`, `margin`, by which the maps are larger than the picture
on each side in LR pixels, `threads`, LR pixels of a group, and of each pass `entry`, `picture` (whether it reads that),
`reads` (the numbers of the passes whose maps it reads) and `grid`, the columns and rows of texels that it writes for an
LR pixel. The last pass writes the enlarged picture: RGB, or luma in its first component.
"""

import json
from pathlib import Path

import keras

from export.shaders.code import Code, Language, header
from export.shaders.passes import THREADS, Pass, passes
from export.shaders.row import ConvolutionRow, read_row
from zoo.files import whole_file

PLAN = "// passes: "
_WGSL = Language(
    whole="vec2i",
    real="vec2f",
    matrix="mat4x4",
    number="f32({condition})",
    new="var {name} = {value};",
    empty="var {name}: {kind};",
    kinds={"float": "f32", "vec4": "vec4f"},
    loop="for (var t = i32(index); t < {count}; t += {threads}) {{",
    barrier="workgroupBarrier();",
    same="all({one} == {other})",
    choice="select({no}, {yes}, {condition})",
    picture="textureLoad(picture, q, 0)",
    luma="luma(textureLoad(picture, q, 0))",
    picture_size="vec2i(textureDimensions(picture))",
    maps="textureLoad(L{source}, {place}, 0)",
    maps_size="vec2i(textureDimensions(L{source}))",
    store="textureStore(out_image, {place}, {value});",
)
# As in zoo.color, on [0, 1].
_LUMA = "fn luma(c: vec4f) -> f32 { return (16.0 + dot(c.rgb, vec3(65.481, 128.553, 24.966))) / 255.0; }"


def write_wgsl(model: keras.Model, path: Path, border: str = "mirror") -> None:
    """Writes a model as one WGSL module; arguments and errors as for `export.shaders.mpv.write_shader`.

    A luma network takes the luma of the RGB picture: BT.601 in studio range, as everywhere in the zoo.
    """
    text = module(read_row(model), border)
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def module(row: ConvolutionRow, border: str = "mirror") -> str:
    """The file's text; arguments as for `write_wgsl`.

    Example:
        >>> from zoo.models import fsrcnn_s
        >>> module(read_row(fsrcnn_s(2, upsampler="subpixel"))).count("@compute")
        3
    """
    first, steps = header(row, border, "wgsl"), passes(row)
    tiles = [(f"tile_{number}", f"base_{number}") for number in range(len(steps))]
    codes = [Code(_WGSL, row, steps, number, border, names) for number, names in enumerate(tiles)]
    lines = [
        f"{first}{PLAN}{json.dumps(_plan(row, steps, codes))}",
        "@group(0) @binding(0) var picture: texture_2d<f32>;",
        "@group(0) @binding(1) var out_image: texture_storage_2d<rgba16float, write>;",
        *(f"@group(0) @binding({2 + number}) var L{number}: texture_2d<f32>;" for number in range(len(steps) - 1)),
        *([_LUMA] if row.channels == 1 else []),
    ]
    for number, code in enumerate(codes):
        lines += [f"var<workgroup> {name}: array<{kind}, {count}>;" for kind, name, count in code.shared()]
        lines += [
            f"@compute @workgroup_size({THREADS[0]}, {THREADS[1]})",
            f"fn {_entry(number)}(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) number: vec3u, "
            "@builtin(local_invocation_index) index: u32) {",
            "let at = vec2i(local.xy);",
            f"let group = vec2i(number.xy) * vec2i({THREADS[0]}, {THREADS[1]});",
            *code.statements(),
            "}",
        ]
    return "\n".join([*lines, ""])


def _entry(number: int) -> str:
    return f"pass_{number + 1}"


def _plan(row: ConvolutionRow, steps: list[Pass], codes: list[Code]) -> dict:
    found = [
        {
            "entry": _entry(number),
            "picture": step.source is None or step.base is not None,
            "reads": step.sources,
            "grid": code.grid,
        }
        for number, (step, code) in enumerate(zip(steps, codes, strict=True))
    ]
    margin = codes[0].margin
    return {"scale": row.scale, "channels": row.channels, "margin": margin, "threads": THREADS, "passes": found}
