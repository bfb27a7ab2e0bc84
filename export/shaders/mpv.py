"""A row as compute passes in mpv's format of hooks, which libplacebo reads too.

Format: mpv's manual, section "glsl-shaders" (https://mpv.io/manual/stable/#options-glsl-shaders).
"""

from pathlib import Path

import keras

from export.shaders.code import Code, Language, header
from export.shaders.passes import THREADS, Pass, passes
from export.shaders.row import ConvolutionRow, read_row
from zoo.files import whole_file

_HOOKS = {1: "LUMA", 3: "MAIN"}
# Below this enlargement the player's own scaler is as good.
_LEAST = 1.2
_GLSL = Language(
    whole="ivec2",
    real="vec2",
    matrix="mat4",
    number="float({condition})",
    new="{kind} {name} = {value};",
    empty="{kind} {name};",
    kinds={"float": "float", "vec4": "vec4"},
    loop="for (int t = int(gl_LocalInvocationIndex); t < {count}; t += {threads}) {{",
    barrier="barrier();",
    same="all(equal({one}, {other}))",
    choice="{condition} ? {yes} : {no}",
    picture="HOOKED_mul * texelFetch(HOOKED_raw, q, 0)",
    luma="HOOKED_mul * texelFetch(HOOKED_raw, q, 0).x",
    picture_size="ivec2(HOOKED_size)",
    maps="L{source}_mul * texelFetch(L{source}_raw, {place}, 0)",
    maps_size="ivec2(L{source}_size)",
    store="imageStore(out_image, {place}, {value});",
)


def write_shader(model: keras.Model, path: Path, border: str = "mirror") -> None:
    """Writes a model as one file for `mpv --glsl-shaders` and libplacebo.

    Args:
        model: (N, H, W, C) in [0, 1] → (N, scale·H, scale·W, C): convolutions in LR space and a shuffle, C being 1
            (acts on a film's luma) or 3 (on RGB).
        path: the file.
        border: what lies outside the picture: `"mirror"`, the picture itself, its edge pixel first, as far as the
            network reaches; or `"zeros"` at every layer, as the network was trained.
    Raises:
        UsageError: the model is no such row, or too wide.
    """
    text = shader(read_row(model), border)
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def shader(row: ConvolutionRow, border: str = "mirror") -> str:
    """The file's text; arguments as for `write_shader`.

    Example:
        >>> from zoo.models import fsrcnn_s
        >>> shader(read_row(fsrcnn_s(2, upsampler="subpixel"))).count("//!HOOK LUMA")
        3
    """
    first, steps = header(row, border, "glsl"), passes(row)
    return "\n".join([first, *(_hook(row, steps, number, border) for number in range(len(steps)))])


def _hook(row: ConvolutionRow, steps: list[Pass], number: int, border: str) -> str:
    """One pass: its directives, and the code behind them."""
    code = Code(_GLSL, row, steps, number, border)
    lines = [
        *_directives(row, steps, number, code),
        *(f"shared {kind} {name}[{count}];" for kind, name, count in code.shared()),
        "void hook() {",
        "ivec2 at = ivec2(gl_LocalInvocationID.xy);",
        f"ivec2 group = ivec2(gl_WorkGroupID.xy) * ivec2({THREADS[0]}, {THREADS[1]});",
        *code.statements(),
    ]
    return "\n".join([*lines, "}", ""])


def _directives(row: ConvolutionRow, steps: list[Pass], number: int, code: Code) -> list[str]:
    step, hook, (columns, rows) = steps[number], _HOOKS[row.channels], code.grid
    when = [f"OUTPUT.{side} {hook}.{side} / {_LEAST} >" for side in "wh"]
    grown = "" if code.last else f" {2 * code.margin} +"
    save = [] if code.last else [f"//!SAVE L{number}", "//!COMPONENTS 4"]
    return [
        f"//!HOOK {hook}",
        "//!BIND HOOKED",
        *(f"//!BIND L{source}" for source in step.sources),
        *save,
        f"//!WIDTH HOOKED.w{grown} {columns} *",
        f"//!HEIGHT HOOKED.h{grown} {rows} *",
        f"//!WHEN {when[0]} {when[1]} *",
        f"//!COMPUTE {THREADS[0] * columns} {THREADS[1] * rows} {THREADS[0]} {THREADS[1]}",
        f"//!DESC {row.name}: pass {number + 1} of {len(steps)}",
    ]
