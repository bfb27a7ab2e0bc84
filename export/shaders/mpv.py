"""A row as passes over textures of four maps each, in mpv's format of hooks, which libplacebo reads too.

Format: mpv's manual, section "glsl-shaders" (https://mpv.io/manual/stable/#options-glsl-shaders).
"""

from pathlib import Path

import keras
import numpy as np

from export.shaders.row import ConvolutionRow, read_row
from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.graphs.operations import Convolution
from zoo.registry import card, list_presets

BORDERS = ("mirror", "zeros")
# mpv and libplacebo bind no more textures to a pass (SHADER_MAX_BINDS in their sources).
MOST_TEXTURES = 16
_HOOKS = {1: "LUMA", 3: "MAIN"}
# Below this enlargement the player's own scaler is as good.
_LEAST = 1.2


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
        22
    """
    if border not in BORDERS:
        raise UsageError(f"Expected border to be one of {', '.join(BORDERS)}. Received: {border!r}")
    margin = row.radius if border == "mirror" else 0
    parts = [_header(row, border)]
    for number, layer in enumerate(row.layers):
        before = [] if number == 0 else _textures(number - 1, row.layers[number - 1])
        other = row.added.get(number)
        if len(before) + (other is not None) > MOST_TEXTURES:
            most = 4 * (MOST_TEXTURES - (other is not None))
            raise UsageError(f"Expected at most {most} maps for a shader. Received: {4 * len(before)} in {row.name}")
        for group, name in enumerate(_textures(number, layer)):
            added = None if other is None else _textures(other, row.layers[other])[group]
            parts.append(_pass(row, layer, group, name, before, added, margin))
    parts.append(_shuffle(row, margin))
    return "\n".join(parts)


def _textures(number: int, layer: Convolution) -> list[str]:
    return [f"L{number}_{group}" for group in range(-(-layer.bias.size // 4))]


def _header(row: ConvolutionRow, border: str) -> str:
    terms = f"weights: {card(row.name)['redistribution']}" if row.name in list_presets() else "weights: their owner's"
    lines = [
        f"{row.name}: super-resolution x{row.scale} of {'luma' if row.channels == 1 else 'RGB'}, border: {border}",
        "Made by subpixel-zoo (Apache-2.0): "
        f"python -m export --model={row.name} --formats=glsl --border={border} --output=DIR",
        f"Terms of the {terms}",
    ]
    return "".join(f"// {line}\n" for line in lines)


def _directives(row: ConvolutionRow, bind: list[str], size: tuple[str, str], what: str, save: str | None) -> list[str]:
    hook = _HOOKS[row.channels]
    when = [f"OUTPUT.{side} {hook}.{side} / {_LEAST} >" for side in "wh"]
    return [
        f"//!HOOK {hook}",
        *(f"//!BIND {name}" for name in bind),
        *([f"//!SAVE {save}", "//!COMPONENTS 4"] if save else []),
        f"//!WIDTH HOOKED.w {size[0]}",
        f"//!HEIGHT HOOKED.h {size[1]}",
        f"//!WHEN {when[0]} {when[1]} *",
        f"//!DESC {row.name}: {what}",
    ]


def _pass(
    row: ConvolutionRow, layer: Convolution, group: int, name: str, before: list[str], added: str | None, margin: int
) -> str:
    """One texture, four maps of a layer, from all textures of the layer before."""
    maps = slice(4 * group, 4 * group + 4)
    side = layer.kernel.shape[0]
    grown = (f"{2 * margin} +",) * 2
    bind = [*(before or ["HOOKED"]), *([added] if added else [])]
    lines = _directives(row, bind, grown, name, name)
    first = bind[0]
    if before:
        lines += [f"#define POSITION ivec2({first}_pos * {first}_size)", f"#define SIDES ivec2({first}_size)"]
        lines += [f"#define READ_{number}(q) ({_fetch(texture)})" for number, texture in enumerate(before)]
    else:
        lines += [
            f"#define POSITION ivec2(HOOKED_pos * (HOOKED_size + {2 * margin}.0))",
            "#define SIDES ivec2(HOOKED_size)",
            f"#define READ_0(q) ({_fetch('HOOKED')})",
        ]
    lines += ["vec4 hook() {", "ivec2 p = POSITION, q;", "ivec2 n = SIDES;", "float inside;"]
    lines.append(f"vec4 sum = {_vector(layer.bias[maps])};")
    for i in range(side):
        for j in range(side):
            taps = layer.kernel[i, j, :, maps]
            lines.append(f"q = p + ivec2({j - side // 2 - (0 if before else margin)}, ")
            lines[-1] += f"{i - side // 2 - (0 if before else margin)});"
            if margin and not before:
                # The mirrored picture repeats itself after two of its sides.
                lines.append("q -= 2 * n * ivec2(floor(vec2(q) / vec2(2 * n)));")
                lines.append("q = min(q, 2 * n - 1 - q);")
            elif margin:
                lines.append("q = clamp(q, ivec2(0), n - 1);")
            else:
                lines.append("inside = float(all(equal(q, clamp(q, ivec2(0), n - 1))));")
                lines.append("q = clamp(q, ivec2(0), n - 1);")
            factor = "" if margin else "inside * "
            for number in range(len(before) or 1):
                weights = taps[4 * number : 4 * number + 4]
                if len(weights) == 1:
                    lines.append(f"sum += {_vector(weights[0])} * ({factor}READ_{number}(q).x);")
                elif weights.any():
                    lines.append(f"sum += {_matrix(weights)} * ({factor}READ_{number}(q));")
    if layer.activation == "relu":
        lines.append("sum = max(sum, vec4(0.0));")
    elif layer.activation == "tanh":
        # Far out, where some drivers' tanh overflows, it is ±1 already.
        lines.append("sum = tanh(clamp(sum, vec4(-10.0), vec4(10.0)));")
    elif layer.activation == "prelu" and layer.slopes is not None:
        lines.append(f"sum = max(sum, vec4(0.0)) + {_vector(layer.slopes[maps])} * min(sum, vec4(0.0));")
    if added:
        lines.append(f"sum += {_fetch(added).replace('q', 'p')};")
    return "\n".join([*lines, "return sum;", "}", ""])


def _shuffle(row: ConvolutionRow, margin: int) -> str:
    """Each pixel of the enlarged picture is a map of its LR pixel."""
    bind = _textures(len(row.layers) - 1, row.layers[-1])
    scale, channels = row.scale, row.channels
    lines = _directives(row, ["HOOKED", *bind], (f"{scale} *",) * 2, "shuffle", None)
    lines += [
        "vec4 hook() {",
        f"ivec2 y = ivec2(HOOKED_pos * HOOKED_size * {scale}.0);",
        f"ivec2 q = y / {scale} + {margin};",
        f"ivec2 phase = y % {scale};",
        f"int map = (phase.y * {scale} + phase.x) * {channels};",
        f"float maps[{4 * len(bind)}];",
    ]
    for number, texture in enumerate(bind):
        lines.append(f"vec4 t{number} = {_fetch(texture)};")
        lines += [f"maps[{4 * number + part}] = t{number}.{'xyzw'[part]};" for part in range(4)]
    if channels == 1:
        lines.append("return vec4(maps[map], 0.0, 0.0, 1.0);")
    else:
        lines.append("return vec4(maps[map], maps[map + 1], maps[map + 2], 1.0);")
    return "\n".join([*lines, "}", ""])


def _fetch(texture: str) -> str:
    return f"{texture}_mul * texelFetch({texture}_raw, q, 0)"


def _matrix(weights: np.ndarray) -> str:
    """(inputs, outputs) of at most four each; GLSL's columns are the inputs."""
    full = np.zeros((4, 4))
    full[: weights.shape[0], : weights.shape[1]] = weights
    return f"mat4({', '.join(map(_number, full.ravel()))})"


def _vector(values: np.ndarray) -> str:
    return f"vec4({', '.join(map(_number, [*values, 0, 0, 0][:4]))})"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if "e" in text or "." in text else f"{text}.0"
