"""The costs of the whole registry as rows and as one printed table."""

from zoo import registry
from zoo.complexity.counting import count


def lr_form(name: str, scale: int, **options):
    """An untrained model in the form that presets and their files have: a learned upsampling in LR space.

    Example:
        >>> lr_form("fsrcnn", 2).get_layer("upsampler").__class__.__name__
        'SubpixelUpsampler'
    """
    from zoo.layers import EXACT, LEARNED

    model = registry.create_model(name, scale, **options)
    if isinstance(model.get_layer("upsampler"), tuple(LEARNED[form] for form in EXACT)):
        return registry.create_model(name, scale, **options, upsampler="subpixel")
    return model


def rows(height: float = 720, width: float = 1280, scales: tuple[int, ...] = (2, 3, 4)) -> list[dict]:
    """The cost of every model of the registry at every scale, luma, in its published form: `count`'s dicts, named.

    `macs_lr` is the cost in LR form, the one that presets and their files have.

    Example:
        >>> first = rows(scales=(3,))[0]
        >>> first["model"], first["parameters"], first["receptive_field"]
        ('espcn', 22721, 4)
    """
    return [
        {
            "model": name,
            "scale": scale,
            **count(registry.create_model(name, scale=scale), height, width),
            "macs_lr": count(lr_form(name, scale), height, width)["macs"],
        }
        for name in registry.list_models()
        for scale in scales
    ]


def summary(height: float = 720, width: float = 1280, scales: tuple[int, ...] = (2, 3, 4)) -> None:
    """Prints `rows` as one table.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as printed:
        ...     summary(scales=(2,))
        >>> "fsrcnn_s" in printed.getvalue()
        True
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(
        # With lines it would not fit 80 columns.
        box=None,
        pad_edge=False,
        title=f"One luma picture of {width:g}×{height:g}",
        caption="GMAC: in LR form, as presets and their files are\n"
        "paper: with the layer of the paper, FSRCNN's a deconvolution\n"
        "quoted: the same with a deconvolution's zeros counted, as papers do\n"
        "fixed: an interpolation's; radius: LR px; MB: float32 maps\n"
        "presets may have other options, as another depth:\n"
        "their cards say which; `zoo presets`, docs/presets.md",
    )
    table.add_column("model", no_wrap=True)
    for heading in ("parameters", "GMAC", "paper", "quoted", "fixed", "radius", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows(height, width, scales):
        table.add_row(
            f"{row['model']} ×{row['scale']}",
            f"{row['parameters']:,}",
            *(f"{row[key] / 1e9:.2f}" for key in ("macs_lr", "macs", "macs_quoted", "macs_fixed")),
            "whole" if row["receptive_field"] is None else str(row["receptive_field"]),
            f"{row['peak_memory'] / 1e6:.0f}",
        )
    Console().print(table)
