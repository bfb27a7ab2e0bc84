"""The costs of the whole registry as rows and as one printed table."""

from zoo import registry
from zoo.complexity.counting import count


def rows(height: float = 720, width: float = 1280, scales: tuple[int, ...] = (2, 3, 4)) -> list[dict]:
    """The cost of every model of the registry at every scale, luma, in its published form: `count`'s dicts, named.

    Example:
        >>> first = rows(scales=(3,))[0]
        >>> first["model"], first["parameters"], first["receptive_field"]
        ('espcn', 22721, 4)
    """
    return [
        {"model": name, "scale": scale, **count(registry.create_model(name, scale=scale), height, width)}
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
        title=f"One luma picture of {width:g}×{height:g}",
        caption="quoted: deconvolutions with their zeros; fixed: interpolation; radius in LR px; MB of float32 maps",
    )
    table.add_column("model", no_wrap=True)
    for heading in ("scale", "parameters", "GMAC", "quoted", "fixed", "radius", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows(height, width, scales):
        table.add_row(
            row["model"],
            f"×{row['scale']}",
            f"{row['parameters']:,}",
            *(f"{row[key] / 1e9:.2f}" for key in ("macs", "macs_quoted", "macs_fixed")),
            "whole" if row["receptive_field"] is None else str(row["receptive_field"]),
            f"{row['peak_memory'] / 1e6:.0f}",
        )
    Console().print(table)
