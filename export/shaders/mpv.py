"""A row as compute passes in mpv's format of hooks, which libplacebo reads too.

Format: mpv's manual, section "glsl-shaders" (https://mpv.io/manual/stable/#options-glsl-shaders).
"""

from pathlib import Path

import keras
import numpy as np

from export.shaders.passes import THREADS, Pass, grid, passes, slices
from export.shaders.row import ConvolutionRow, read_row
from zoo.errors import UsageError
from zoo.files import whole_file
from zoo.graphs.operations import Convolution
from zoo.registry import card, list_presets

BORDERS = ("mirror", "zeros")
_HOOKS = {1: "LUMA", 3: "MAIN"}
# Below this enlargement the player's own scaler is as good.
_LEAST = 1.2
# What a thread's maps are called, layer by layer.
_VALUES = "abcdefgh"


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
    if border not in BORDERS:
        raise UsageError(f"Expected border to be one of {', '.join(BORDERS)}. Received: {border!r}")
    if border == "zeros" and row.base_border == "renormalise":
        raise UsageError(f"Expected --border=mirror beside a bicubic path that weighs its border. Received: {row.name}")
    steps = passes(row)
    return "\n".join(
        [_header(row, border), *(_Text(row, steps, number, border).lines() for number in range(len(steps)))]
    )


def _header(row: ConvolutionRow, border: str) -> str:
    terms = f"weights: {card(row.name)['redistribution']}" if row.name in list_presets() else "weights: their owner's"
    lines = [
        f"{row.name}: super-resolution x{row.scale} of {'luma' if row.channels == 1 else 'RGB'}, border: {border}",
        "Made by subpixel-zoo (Apache-2.0): "
        f"python -m export --model={row.name} --formats=glsl --border={border} --output=DIR",
        f"Terms of the {terms}",
    ]
    return "".join(f"// {line}\n" for line in lines)


class _Text:
    """The text of one pass."""

    def __init__(self, row: ConvolutionRow, steps: list[Pass], number: int, border: str):
        self._row, self._steps, self._number, self._mirror = row, steps, number, border == "mirror"
        self._step = steps[number]
        # Pixels that the maps are larger than the picture, on each side.
        self._margin = row.radius if self._mirror else 0
        self._last = number == len(steps) - 1

    def lines(self) -> str:
        """The directives, and the code behind them."""
        step, margin = self._step, self._margin
        first, *others = step.layers
        maps = _slices(first)
        code = [
            "void hook() {",
            "ivec2 at = ivec2(gl_LocalInvocationID.xy);",
            f"ivec2 group = ivec2(gl_WorkGroupID.xy) * ivec2({THREADS[0]}, {THREADS[1]});",
            # The maps' own pixels; the last pass computes those of the picture, which begin a margin further in.
            f"ivec2 corner = group{f' + {margin}' if self._last and margin else ''};",
            f"ivec2 sides = {self._sides()};",
            "ivec2 own = min(corner + at, sides - 1);",
            "vec4 v;" if step.source is not None or self._row.channels == 3 else "float v;",
            *(f"vec4 a{group} = {_vector(first.bias[4 * group :])};" for group in range(maps)),
        ]
        code += self._convolved(first, "tile")
        code += self._finished(0, "a")
        for place, layer in enumerate(others, 1):
            old, new = _VALUES[place - 1], _VALUES[place]
            for group in range(_slices(layer)):
                code.append(f"vec4 {new}{group} = {_vector(layer.bias[4 * group :])};")
                code += _taps(layer.kernel[0, 0], group, new, _names(old, step.layers[place - 1]))
            code += self._finished(place, new)
        name = _VALUES[len(others)]
        if step.base is not None:
            code += self._based(step.base, name)
        code += self._stored(name)
        return "\n".join([*self._directives(), *self._shared(), *code, "}", ""])

    def _directives(self) -> list[str]:
        row, step = self._row, self._step
        hook = _HOOKS[row.channels]
        bind = {"HOOKED": None} | {f"L{each}": None for each in (step.source, *step.added.values()) if each is not None}
        when = [f"OUTPUT.{side} {hook}.{side} / {_LEAST} >" for side in "wh"]
        columns, rows = (row.scale, row.scale) if self._last else grid(len(step.layers[-1].bias))
        grown = "" if self._last else f" {2 * self._margin} +"
        save = [] if self._last else [f"//!SAVE L{self._number}", "//!COMPONENTS 4"]
        return [
            f"//!HOOK {hook}",
            *(f"//!BIND {name}" for name in bind),
            *save,
            f"//!WIDTH HOOKED.w{grown} {columns} *",
            f"//!HEIGHT HOOKED.h{grown} {rows} *",
            f"//!WHEN {when[0]} {when[1]} *",
            f"//!COMPUTE {THREADS[0] * columns} {THREADS[1] * rows} {THREADS[0]} {THREADS[1]}",
            f"//!DESC {row.name}: pass {self._number + 1} of {len(self._steps)}",
        ]

    def _shared(self) -> list[str]:
        tiles = {"tile": (self._step.layers[0], self._step.source is None), "base": (self._step.base, True)}
        found = []
        for name, (layer, picture) in tiles.items():
            if layer is not None and layer.kernel.shape[0] > 1:
                kind = "float" if picture and self._row.channels == 1 else "vec4"
                columns, rows = _tile(layer)
                found.append(f"shared {kind} {name}[{columns * rows}];")
        return found

    def _sides(self) -> str:
        """Of the maps that are read, in LR pixels."""
        source = self._step.source
        if source is None:
            return f"ivec2(HOOKED_size){f' + {2 * self._margin}' if self._margin else ''}"
        columns, rows = grid(len(self._steps[source].layers[-1].bias))
        return f"ivec2(L{source}_size) / ivec2({columns}, {rows})"

    def _convolved(self, layer: Convolution, tile: str) -> list[str]:
        """Sums over the taps of the first layer, one texel of four maps after another."""
        source, side = self._step.source, layer.kernel.shape[0]
        if source is None:
            return self._over(layer, tile, "a", 0, self._picture(self._mirror, "zeros"))
        code = []
        for part in range(slices(layer.kernel.shape[2])):
            code += [] if part == 0 or side == 1 else ["barrier();"]
            code += self._over(layer, tile, "a", part, self._maps(source, part))
        return code

    def _over(self, layer: Convolution, tile: str, name: str, part: int, read: tuple[list[str], str]) -> list[str]:
        """One texel's maps shared within the group, then their taps; `read`: code that makes q legal, and the value."""
        legal, value = read
        side, reach = layer.kernel.shape[0], layer.kernel.shape[0] // 2
        # Luma is read as a number, all else as four.
        luma = self._row.channels == 1 and (tile == "base" or self._step.source is None)
        each = "v" if luma or layer.kernel.shape[2] - 4 * part > 1 else "v.x"
        groups = range(_slices(layer))
        code = []
        if side == 1:
            code += ["{ ivec2 q = own;", *legal, f"v = {value}; }}"]
        else:
            columns, rows = _tile(layer)
            threads = THREADS[0] * THREADS[1]
            code += [
                f"for (int t = int(gl_LocalInvocationIndex); t < {columns * rows}; t += {threads}) {{",
                f"ivec2 q = corner + ivec2(t % {columns}, t / {columns}) - {reach};",
                *legal,
                f"{tile}[t] = {value};",
                "}",
                "barrier();",
            ]
        for i, j in np.ndindex(side, side):
            if side > 1:
                code.append(f"v = {tile}[(at.y + {i}) * {_tile(layer)[0]} + at.x + {j}];")
            for group in groups:
                code += _taps(layer.kernel[i, j, 4 * part : 4 * part + 4], group, name, [each])
        return code

    def _maps(self, source: int, part: int) -> tuple[list[str], str]:
        """Code that makes the place q legal, and the read: beyond their border maps are zeros, or matter to nobody."""
        read = _read(source, part, grid(len(self._steps[source].layers[-1].bias)), "q")
        clamped = "clamp(q, ivec2(0), sides - 1)"
        if self._mirror:
            return [f"q = {clamped};"], read
        return [f"float inside = float(all(equal(q, {clamped})));", f"q = {clamped};"], f"inside * {read}"

    def _picture(self, mirrored: bool, outside: str) -> tuple[list[str], str]:
        """The same of the picture: mirrored, its edge repeated, or the network's own zeros."""
        value = "HOOKED_mul * texelFetch(HOOKED_raw, q, 0)" + (".x" if self._row.channels == 1 else "")
        code = ["ivec2 n = ivec2(HOOKED_size);"]
        if mirrored:
            # The mirrored picture repeats itself after two of its sides.
            code += [f"q -= {self._margin};"] if self._margin else []
            return [*code, "q -= 2 * n * ivec2(floor(vec2(q) / vec2(2 * n)));", "q = min(q, 2 * n - 1 - q);"], value
        if outside == "replicate":
            return [*code, "q = clamp(q, ivec2(0), n - 1);"], value
        code += ["bool inside = all(equal(q, clamp(q, ivec2(0), n - 1)));", "q = clamp(q, ivec2(0), n - 1);"]
        zero = _number(self._row.outside)
        return code, f"inside ? {value} : {zero if self._row.channels == 1 else f'vec4({zero})'}"

    def _finished(self, place: int, name: str) -> list[str]:
        """The activation, and the maps that are added behind it."""
        layer, code = self._step.layers[place], []
        for group in range(_slices(layer)):
            each = f"{name}{group}"
            if layer.activation == "relu":
                code.append(f"{each} = max({each}, vec4(0.0));")
            elif layer.activation == "tanh":
                # Far out, where some drivers' tanh overflows, it is ±1 already.
                code.append(f"{each} = tanh(clamp({each}, vec4(-10.0), vec4(10.0)));")
            elif layer.activation == "prelu" and layer.slopes is not None:
                slopes = _vector(layer.slopes[4 * group :])
                code.append(f"{each} = max({each}, vec4(0.0)) + {slopes} * min({each}, vec4(0.0));")
            if place in self._step.added:
                source = self._step.added[place]
                code.append(f"{each} += {_read(source, group, grid(len(layer.bias)), 'own')};")
        return code

    def _based(self, base: Convolution, name: str) -> list[str]:
        """The picture's own enlargement, added to the phases."""
        mirrored = self._mirror or self._row.base_border == "mirror"
        kind = "float" if self._row.channels == 1 else "vec4"
        picture = self._picture(mirrored, "replicate")
        return ["{", f"{kind} v;", *self._over(base, "base", name, 0, picture), "}"]

    def _stored(self, name: str) -> list[str]:
        """The maps side by side in their texture, or the pixels of the enlarged picture."""
        row = self._row
        if not self._last:
            where = grid(len(self._step.layers[-1].bias))
            return [
                f"imageStore(out_image, {_spread('(group + at)', part, where)}, {name}{part});"
                for part in range(self._step.writes)
            ]

        def value(number: int) -> str:
            return f"{name}{number // 4}.{'xyzw'[number % 4]}"

        code = []
        for phase in range(row.scale**2):
            maps = [value(phase * row.channels + channel) for channel in range(row.channels)]
            parts = ", ".join(maps if row.channels == 3 else [*maps, "0.0", "0.0"])
            place = _spread("(group + at)", phase, (row.scale, row.scale))
            code.append(f"imageStore(out_image, {place}, vec4({parts}, 1.0));")
        return code


def _spread(at: str, part: int, where: tuple[int, int]) -> str:
    """The place of a texel among those that a pixel has."""
    columns, rows = where
    return at if where == (1, 1) else f"{at} * ivec2({columns}, {rows}) + ivec2({part % columns}, {part // columns})"


def _read(source: int, part: int, where: tuple[int, int], at: str) -> str:
    return f"L{source}_mul * texelFetch(L{source}_raw, {_spread(at, part, where)}, 0)"


def _names(name: str, layer: Convolution) -> list[str]:
    """Of the values that hold a layer's maps; of a single one as a number."""
    names = [f"{name}{group}" for group in range(_slices(layer))]
    return [*names[:-1], f"{names[-1]}.x"] if len(layer.bias) % 4 == 1 else names


def _slices(layer: Convolution) -> int:
    """Vectors of four of its maps."""
    return slices(len(layer.bias))


def _tile(layer: Convolution) -> tuple[int, int]:
    """Columns and rows of what a group sees."""
    side = layer.kernel.shape[0]
    return THREADS[0] + side - 1, THREADS[1] + side - 1


def _taps(weights: np.ndarray, group: int, name: str, values: list[str]) -> list[str]:
    """Sums of a tap's products for four maps; weights (inputs, outputs) of all inputs that the values hold."""
    code = []
    for number, value in enumerate(values):
        part = weights[4 * number : 4 * number + 4, 4 * group : 4 * group + 4]
        if len(part) == 1 and part.any():
            code.append(f"{name}{group} += {_vector(part[0])} * {value};")
        elif part.any():
            code.append(f"{name}{group} += {_matrix(part)} * {value};")
    return code


def _matrix(weights: np.ndarray) -> str:
    """(inputs, outputs) of at most four each; GLSL's columns are the inputs."""
    full = np.zeros((4, 4))
    full[: weights.shape[0], : weights.shape[1]] = weights
    return f"mat4({', '.join(map(_number, full.ravel()))})"


def _vector(values: np.ndarray) -> str:
    return f"vec4({', '.join(map(_number, [*values[:4], 0, 0, 0][:4]))})"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if "e" in text or "." in text else f"{text}.0"
