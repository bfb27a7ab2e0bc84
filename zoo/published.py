"""Figures that others published for these architectures, to stand beside ours: PSNR (dB) and SSIM on Y.

Source unless a row says otherwise: the comparison tables in the repositories sunny2109/SAFMN and Zheng-MJ/SMFANet.
Their FSRCNN and ESPCN rows are the ones that most later papers copy.
"""

SETS = ("Set5", "Set14", "BSD100")
TABLE = "tables of sunny2109/SAFMN and Zheng-MJ/SMFANet"

# (architecture, scale) → PSNR and SSIM per set, None where the source has none; and where it was read.
PUBLISHED: dict[tuple[str, int], tuple[dict[str, tuple[float, float | None]], str]] = {
    ("bicubic", 2): ({"Set5": (33.66, 0.9299), "Set14": (30.24, 0.8688), "BSD100": (29.56, 0.8431)}, TABLE),
    ("bicubic", 3): ({"Set5": (30.39, 0.8682), "Set14": (27.55, 0.7742), "BSD100": (27.21, 0.7385)}, TABLE),
    ("bicubic", 4): ({"Set5": (28.42, 0.8104), "Set14": (26.00, 0.7027), "BSD100": (25.96, 0.6675)}, TABLE),
    ("srcnn", 2): ({"Set5": (36.66, 0.9542), "Set14": (32.42, 0.9063), "BSD100": (31.36, 0.8879)}, f"9-5-5, {TABLE}"),
    ("srcnn", 3): ({"Set5": (32.75, 0.9090), "Set14": (29.28, 0.8209), "BSD100": (28.41, 0.7863)}, f"9-5-5, {TABLE}"),
    ("srcnn", 4): ({"Set5": (30.48, 0.8628), "Set14": (27.49, 0.7503), "BSD100": (26.90, 0.7101)}, f"9-5-5, {TABLE}"),
    ("fsrcnn", 2): ({"Set5": (37.00, 0.9558), "Set14": (32.63, 0.9088), "BSD100": (31.53, 0.8920)}, TABLE),
    ("fsrcnn", 3): ({"Set5": (33.16, 0.9140), "Set14": (29.43, 0.8242), "BSD100": (28.53, 0.7910)}, TABLE),
    ("fsrcnn", 4): ({"Set5": (30.71, 0.8657), "Set14": (27.59, 0.7535), "BSD100": (26.98, 0.7150)}, TABLE),
    ("fsrcnn_s", 2): ({"Set5": (36.58, None)}, "arXiv 1608.00367"),
    ("fsrcnn_s", 3): ({"Set5": (32.65, None)}, "arXiv 1608.00367"),
    ("fsrcnn_s", 4): ({"Set5": (30.15, None)}, "arXiv 1608.00367"),
    ("espcn", 2): ({"Set5": (36.83, 0.9564), "Set14": (32.40, 0.9096), "BSD100": (31.29, 0.8917)}, TABLE),
    ("espcn", 3): ({"Set5": (32.85, None), "Set14": (29.41, None), "BSD100": (28.40, None)}, "RGB, table 2 of ETDS"),
    ("espcn", 4): ({"Set5": (30.52, 0.8697), "Set14": (27.42, 0.7606), "BSD100": (26.87, 0.7216)}, TABLE),
}

# RGB networks in float32 and in int8: name, scale, pictures, PSNR in dB of either (None where the source has none), and
# where it was read. AI Hub's networks take 128×128 LR px.
DIV2K_VALID = "DIV2K validation, RGB"
BSD300 = "BSD300, test part, Y"
INT8: tuple[tuple[str, int, str, float | None, float, str], ...] = (
    ("ABPN", 3, DIV2K_VALID, 30.22, 30.09, "arXiv 2105.09750, after training"),
    ("ABPN", 3, DIV2K_VALID, 30.22, 30.15, "arXiv 2105.09750, fine-tuned"),
    ("winner of 2022", 3, "DIV2K test, RGB", None, 30.03, "Mobile AI & AIM 2022, arXiv 2211.05910"),
    ("XLSR", 4, BSD300, 29.3, 29.3, "numerics in quic/ai-hub-models"),
    ("QuickSRNet small", 4, BSD300, 29.3, 28.6, "numerics in quic/ai-hub-models"),
    ("SESR-M5", 4, BSD300, 29.3, 29.3, "numerics in quic/ai-hub-models"),
)

# (architecture, scale) → what was published where it is not the registry's default.
OPTIONS = {("srcnn", scale): {"kernels": (9, 5, 5)} for scale in (2, 3, 4)} | {("espcn", 3): {"channels": 3}}


def published(model: str, scale: int) -> dict | None:
    """The published row of an architecture at a scale: `{"results": {set: {"psnr", "ssim"}}, "source"}`, or None.

    Example:
        >>> published("bicubic", 3)["results"]["Set5"]["psnr"]
        30.39
    """
    row = PUBLISHED.get((model, scale))
    if row is None:
        return None
    return {"results": {name: {"psnr": p, "ssim": s} for name, (p, s) in row[0].items()}, "source": row[1]}
