"""Pictures of what upsampling layers and networks do: kernels, checkerboards, cost and error."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from zoo.errors import UsageError, exit_on_usage_error
from zoo.files import existing_file, file_to_write, in_place_of, whole_file
from zoo.program import Parser, program, quiet_tensorflow


def kernels(flags: argparse.Namespace) -> Callable[[Path], object]:
    from zoo.plots import kernels as plot
    from zoo.plots.chart import save
    from zoo.registry import open_model

    figure = plot.draw(plot.kernels(open_model(flags.model)), Path(flags.model).stem)
    return lambda path: save(figure, path)


def split(flags: argparse.Namespace) -> Callable[[Path], object]:
    from zoo.plots.split import split as draw

    svg = draw(flags.kernel_size, flags.scale)
    return lambda path: path.write_text(svg, encoding="utf-8")


def checkerboard(flags: argparse.Namespace) -> Callable[[Path], object]:
    from zoo.plots import checkerboard as plot
    from zoo.plots.chart import figure, save

    figure(1, 1)  # not after minutes of training: without matplotlib this is refused
    made = plot.draw(list(plot.measure(flags.scale, flags.steps)), flags.scale, flags.steps)
    return lambda path: save(made, path)


def cost(flags: argparse.Namespace) -> Callable[[Path], object]:
    from zoo.plots import cost as plot
    from zoo.plots.chart import save

    figure = plot.draw(plot.points(flags.set), flags.set)
    return lambda path: save(figure, path)


def difference(flags: argparse.Namespace) -> Callable[[Path], object]:
    from zoo.data.decode import PictureError, read_picture
    from zoo.evaluate import open_network
    from zoo.plots import difference as plot
    from zoo.plots.chart import save

    if flags.picture is None:
        import skimage.data

        picture = skimage.data.astronaut()
    else:
        try:
            picture = read_picture(existing_file(flags.picture, "a picture"))
        except PictureError as error:
            raise UsageError(f"Expected a picture. Received: {flags.picture}: {error}") from error
    networks = {name: open_network(given) for name, given in _names(flags.model.split(",")).items()}
    figure = plot.draw(plot.differences(picture, networks), picture)
    return lambda path: save(figure, path)


def _names(models: list[str]) -> dict[str, str]:
    """What networks are called → what was given: the file's stem, where that is no other's and not bicubic's."""
    stems = Counter(["bicubic", *(Path(given).stem for given in dict.fromkeys(models))])
    return {Path(given).stem if stems[Path(given).stem] == 1 else given: given for given in models}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command's flags."""
    parser = Parser(prog=program("zoo.plots"), description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")

    def add(
        make: Callable, words: str, suffixes: tuple[str, ...] = (".png", ".jpg", ".svg")
    ) -> argparse.ArgumentParser:
        made = names.add_parser(make.__name__, help=words, description=words)
        made.add_argument("--output", type=Path, required=True, help=f"the file to write: {', '.join(suffixes)}")
        made.set_defaults(make=make, suffixes=suffixes)
        return made

    added = add(kernels, "The learned kernels of a network's last layer, whole and split by output phase.")
    added.add_argument("--model", default="fsrcnn_x3", help="a preset or a .keras file; default: %(default)s")
    added = add(split, "How a deconvolution becomes scale² small kernels, its weights numbered.", (".svg",))
    added.add_argument("--kernel_size", type=int, default=9, help="side in HR px, 1 to 32; default: %(default)s")
    added.add_argument("--scale", type=int, default=3, help="the stride, 2 to 8; default: %(default)s")
    added = add(checkerboard, "What every upsampler adds to a flat field and a ramp, before and after training.")
    added.add_argument("--scale", type=int, default=2, help="2 to 8; default: %(default)s")
    added.add_argument("--steps", type=int, default=1000, help="of training, each network; default: %(default)s")
    added = add(cost, "PSNR against multiplications: presets and published figures.")
    added.add_argument("--set", default="Set5", help="Set5, Set14 or BSD100; default: %(default)s")
    added = add(difference, "Where the error is: differences from the original, bicubic beside networks.")
    added.add_argument("--model", default="fsrcnn_x3", help="presets or files of one scale, joined with commas")
    added.add_argument("--picture", type=Path, help="default: scikit-image's astronaut (NASA, public domain)")
    flags = parser.parse_args(arguments)
    for name, low, high in (("kernel_size", 1, 32), ("scale", 2, 8), ("steps", 1, 1_000_000)):
        value = getattr(flags, name, low)
        if not low <= value <= high:
            raise UsageError(f"Expected --{name} from {low} to {high}. Received: {value}")
    if flags.output.suffix not in flags.suffixes:
        raise UsageError(f"Expected a file that ends with {', '.join(flags.suffixes)}. Received: {flags.output}")
    file_to_write(flags.output)
    return flags


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command `zoo plots`."""
    flags = parse(arguments)
    quiet_tensorflow()
    write = flags.make(flags)
    replaced = in_place_of(flags.output)
    with whole_file(flags.output) as unfinished:
        write(unfinished)
    print(f"{flags.output}{replaced}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
