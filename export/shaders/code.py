"""What a pass computes, as text: the same statements in GLSL and in WGSL."""

from dataclasses import dataclass

import numpy as np

from export.shaders.passes import THREADS, Pass, grid, slices
from export.shaders.row import ConvolutionRow
from zoo.errors import UsageError, one_of
from zoo.graphs.operations import Convolution
from zoo.registry import card, list_presets

BORDERS = ("mirror", "zeros")
# What a thread's maps are called, layer by layer.
_VALUES = "abcdefgh"


@dataclass(frozen=True)
class Language:
    """What the languages write differently; templates for `str.format`.

    Attributes:
        whole: the type of two whole numbers.
        real: of two others.
        matrix: 4×4.
        number: what makes a number of a condition.
        new: a variable with its value; `{kind}`, `{name}`, `{value}`.
        empty: one without.
        kinds: types where one has to be named: "float" and "vec4".
        loop: a group's threads in turn, t up to `{count}`, `{threads}` at a time.
        barrier: where the threads of a group wait for each other.
        same: whether the places `{one}` and `{other}` are one.
        choice: `{yes}` or `{no}`, as `{condition}` has it.
        picture: what is read of the picture at q, four values.
        luma: the same as a number.
        picture_size: its columns and rows.
        maps: four maps of the pass `{source}` at the texel `{place}`.
        maps_size: columns and rows of texels of that pass.
        store: writes `{value}`, four values, at `{place}`.
    """

    whole: str
    real: str
    matrix: str
    number: str
    new: str
    empty: str
    kinds: dict[str, str]
    loop: str
    barrier: str
    same: str
    choice: str
    picture: str
    luma: str
    picture_size: str
    maps: str
    maps_size: str
    store: str


def header(row: ConvolutionRow, border: str, form: str) -> str:
    """A file's first lines, as comments: what it computes, what made it, whose terms hold for its weights.

    Raises:
        UsageError: no such border, or one that the row cannot have.
    """
    one_of("border", border, BORDERS)
    if border == "zeros" and row.base_border == "renormalise":
        raise UsageError(f"Expected --border=mirror beside a bicubic path that weighs its border. Received: {row.name}")
    terms = f"weights: {card(row.name)['redistribution']}" if row.name in list_presets() else "weights: their owner's"
    lines = [
        f"{row.name}: super-resolution x{row.scale} of {'luma' if row.channels == 1 else 'RGB'}, border: {border}",
        "Made by subpixel-zoo (Apache-2.0): "
        f"zoo export --model={row.name} --formats={form} --border={border} --output=DIR",
        f"Terms of the {terms}",
    ]
    return "".join(f"// {line}\n" for line in lines)


class Code:
    """The statements of one pass.

    They find `at`, the thread's place in its group, and `group`, the group's first pixel, declared.

    Args:
        language: that they are written in.
        row: the network.
        steps: all of its passes.
        number: which one.
        border: one of `BORDERS`.
        tiles: what the arrays that a group shares are called: those of the maps and of the picture beside them.
    """

    def __init__(
        self,
        language: Language,
        row: ConvolutionRow,
        steps: list[Pass],
        number: int,
        border: str,
        tiles: tuple[str, str] = ("tile", "base"),
    ):
        self._write, self._row, self._steps, self._mirror = language, row, steps, border == "mirror"
        self._step, self._tiles = steps[number], tiles
        self.last = number == len(steps) - 1
        # Pixels that the maps are larger than the picture, on each side.
        self.margin = row.radius if self._mirror else 0
        # Columns and rows of texels for an LR pixel.
        self.grid = (row.scale, row.scale) if self.last else grid(len(self._step.layers[-1].bias))

    def shared(self) -> list[tuple[str, str, int]]:
        """What a group shares: kind, name and length of its arrays."""
        layers = (self._step.layers[0], self._step.source is None), (self._step.base, True)
        found = []
        for name, (layer, picture) in zip(self._tiles, layers, strict=True):
            if layer is not None and layer.kernel.shape[0] > 1:
                kind = "float" if picture and self._row.channels == 1 else "vec4"
                columns, rows = _tile(layer)
                found.append((self._write.kinds[kind], name, columns * rows))
        return found

    def statements(self) -> list[str]:
        """All of them."""
        step, margin = self._step, self.margin
        first, *others = step.layers
        luma = step.source is None and self._row.channels == 1
        code = [
            # The maps' own pixels; the last pass computes those of the picture, which begin a margin further in.
            self._whole("corner", f"group{f' + {margin}' if self.last and margin else ''}"),
            self._whole("sides", self._sides()),
            self._whole("own", "min(corner + at, sides - 1)"),
            self._empty("float" if luma else "vec4", "v"),
            *(self._new("vec4", f"a{group}", _vector(first.bias[4 * group :])) for group in range(_slices(first))),
        ]
        code += self._convolved(first)
        code += self._finished(0, "a")
        for place, layer in enumerate(others, 1):
            old, new = _VALUES[place - 1], _VALUES[place]
            for group in range(_slices(layer)):
                code.append(self._new("vec4", f"{new}{group}", _vector(layer.bias[4 * group :])))
                code += self._taps(layer.kernel[0, 0], group, new, _names(old, step.layers[place - 1]))
            code += self._finished(place, new)
        name = _VALUES[len(others)]
        if step.base is not None:
            code += self._based(step.base, name)
        return [*code, *self._stored(name)]

    def _new(self, kind: str, name: str, value: str) -> str:
        return self._write.new.format(kind=kind, name=name, value=value)

    def _whole(self, name: str, value: str) -> str:
        return self._new(self._write.whole, name, value)

    def _empty(self, kind: str, name: str) -> str:
        return self._write.empty.format(kind=self._write.kinds[kind], name=name)

    def _sides(self) -> str:
        """Of the maps that are read, in LR pixels."""
        source, whole = self._step.source, self._write.whole
        if source is None:
            return f"{self._write.picture_size}{f' + {2 * self.margin}' if self.margin else ''}"
        columns, rows = grid(len(self._steps[source].layers[-1].bias))
        return f"{self._write.maps_size.format(source=source)} / {whole}({columns}, {rows})"

    def _convolved(self, layer: Convolution) -> list[str]:
        """Sums over the taps of the first layer, one texel of four maps after another."""
        source, side, tile = self._step.source, layer.kernel.shape[0], self._tiles[0]
        if source is None:
            return self._over(layer, tile, "a", 0, self._picture(self._mirror, "zeros"))
        code = []
        for part in range(slices(layer.kernel.shape[2])):
            code += [] if part == 0 or side == 1 else [self._write.barrier]
            code += self._over(layer, tile, "a", part, self._maps(source, part))
        return code

    def _over(self, layer: Convolution, tile: str, name: str, part: int, read: tuple[list[str], str]) -> list[str]:
        """One texel's maps shared within the group, then their taps; `read`: code that makes q legal, and the value."""
        legal, value = read
        side, reach = layer.kernel.shape[0], layer.kernel.shape[0] // 2
        # Luma is read as a number, all else as four.
        luma = self._row.channels == 1 and (tile == self._tiles[1] or self._step.source is None)
        each = "v" if luma or layer.kernel.shape[2] - 4 * part > 1 else "v.x"
        groups = range(_slices(layer))
        code = []
        if side == 1:
            code += [f"{{ {self._whole('q', 'own')}", *legal, f"v = {value}; }}"]
        else:
            columns, rows = _tile(layer)
            code += [
                self._write.loop.format(count=columns * rows, threads=THREADS[0] * THREADS[1]),
                self._whole("q", f"corner + {self._write.whole}(t % {columns}, t / {columns}) - {reach}"),
                *legal,
                f"{tile}[t] = {value};",
                "}",
                self._write.barrier,
            ]
        for i, j in np.ndindex(side, side):
            if side > 1:
                code.append(f"v = {tile}[(at.y + {i}) * {_tile(layer)[0]} + at.x + {j}];")
            for group in groups:
                code += self._taps(layer.kernel[i, j, 4 * part : 4 * part + 4], group, name, [each])
        return code

    def _maps(self, source: int, part: int) -> tuple[list[str], str]:
        """Code that makes the place q legal, and the read: beyond their border maps are zeros, or matter to nobody."""
        read = self._read(source, part, grid(len(self._steps[source].layers[-1].bias)), "q")
        clamped = f"clamp(q, {self._write.whole}(0), sides - 1)"
        if self._mirror:
            return [f"q = {clamped};"], read
        inside = self._write.number.format(condition=self._write.same.format(one="q", other=clamped))
        return [self._new("float", "inside", inside), f"q = {clamped};"], f"inside * {read}"

    def _picture(self, mirrored: bool, outside: str) -> tuple[list[str], str]:
        """The same of the picture: mirrored, its edge repeated, or the network's own zeros."""
        whole, real = self._write.whole, self._write.real
        value = self._write.luma if self._row.channels == 1 else self._write.picture
        code = [self._whole("n", self._write.picture_size)]
        if mirrored:
            # The mirrored picture repeats itself after two of its sides.
            code += [f"q -= {self.margin};"] if self.margin else []
            repeated = f"q -= 2 * n * {whole}(floor({real}(q) / {real}(2 * n)));"
            return [*code, repeated, "q = min(q, 2 * n - 1 - q);"], value
        clamped = f"clamp(q, {whole}(0), n - 1)"
        if outside == "replicate":
            return [*code, f"q = {clamped};"], value
        code += [self._new("bool", "inside", self._write.same.format(one="q", other=clamped)), f"q = {clamped};"]
        zero = _number(self._row.outside)
        no = zero if self._row.channels == 1 else f"vec4({zero})"
        return code, self._write.choice.format(condition="inside", yes=value, no=no)

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
                code.append(f"{each} += {self._read(source, group, grid(len(layer.bias)), 'own')};")
        return code

    def _based(self, base: Convolution, name: str) -> list[str]:
        """The picture's own enlargement, added to the phases."""
        mirrored = self._mirror or self._row.base_border == "mirror"
        kind = "float" if self._row.channels == 1 else "vec4"
        picture = self._picture(mirrored, "replicate")
        return ["{", self._empty(kind, "v"), *self._over(base, self._tiles[1], name, 0, picture), "}"]

    def _stored(self, name: str) -> list[str]:
        """The maps side by side in their texture, or the pixels of the enlarged picture."""
        row, store = self._row, self._write.store.format
        if not self.last:
            return [
                store(place=self._spread("(group + at)", part, self.grid), value=f"{name}{part}")
                for part in range(self._step.writes)
            ]

        def value(number: int) -> str:
            return f"{name}{number // 4}.{'xyzw'[number % 4]}"

        code = []
        for phase in range(row.scale**2):
            maps = [value(phase * row.channels + channel) for channel in range(row.channels)]
            parts = ", ".join(maps if row.channels == 3 else [*maps, "0.0", "0.0"])
            code.append(store(place=self._spread("(group + at)", phase, self.grid), value=f"vec4({parts}, 1.0)"))
        return code

    def _spread(self, at: str, part: int, where: tuple[int, int]) -> str:
        """The place of a texel among those that a pixel has."""
        (columns, rows), whole = where, self._write.whole
        if where == (1, 1):
            return at
        return f"{at} * {whole}({columns}, {rows}) + {whole}({part % columns}, {part // columns})"

    def _read(self, source: int, part: int, where: tuple[int, int], at: str) -> str:
        return self._write.maps.format(source=source, place=self._spread(at, part, where))

    def _taps(self, weights: np.ndarray, group: int, name: str, values: list[str]) -> list[str]:
        """Sums of a tap's products for four maps; weights (inputs, outputs) of all inputs that the values hold."""
        code = []
        for number, value in enumerate(values):
            part = weights[4 * number : 4 * number + 4, 4 * group : 4 * group + 4]
            if len(part) == 1 and part.any():
                code.append(f"{name}{group} += {_vector(part[0])} * {value};")
            elif part.any() and _diagonal(part):
                code.append(f"{name}{group} += {_vector(np.diag(part))} * {value};")
            elif part.any():
                code.append(f"{name}{group} += {self._write.matrix}({_entries(part)}) * {value};")
        return code


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


def _diagonal(weights: np.ndarray) -> bool:
    """Whether each map reads its own only, as in a depthwise convolution."""
    rows, columns = weights.shape
    return rows == columns and np.count_nonzero(weights) == np.count_nonzero(np.diag(weights))


def _entries(weights: np.ndarray) -> str:
    """Of a matrix; weights (inputs, outputs) of at most four each: the inputs are its columns."""
    full = np.zeros((4, 4))
    full[: weights.shape[0], : weights.shape[1]] = weights
    return ", ".join(map(_number, full.ravel()))


def _vector(values: np.ndarray) -> str:
    return f"vec4({', '.join(map(_number, [*values[:4], 0, 0, 0][:4]))})"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if "e" in text or "." in text else f"{text}.0"
