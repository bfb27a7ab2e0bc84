"""The page in a real Chromium: files are dropped on it, its pixels compared with Python's, on WASM and on WebGPU."""

import keras
import numpy as np
import pytest
from PIL import Image
from web_cases import (
    WEB,
    difference,
    expected,
    installed,
    network,
    own_server,
    photo,
    plain_server,
    run_browser,
    tflite,
)

import zoo
from export.color import wrap_rgb
from zoo.complexity import receptive_field

__all__ = ["installed", "own_server", "plain_server"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pictures to drop, by name."""
    folder = tmp_path_factory.mktemp("pictures")
    alpha = np.hypot(*np.mgrid[-18:19, -26:27])
    transparent = np.dstack([photo(37, 53), (255 * (18 - alpha)).clip(0, 255).astype(np.uint8)])
    transparent[transparent[..., 3] == 0] = 0
    pictures = {
        "photo.png": photo(37, 53),
        "grey.png": photo(29, 44, 1)[..., 0],
        "transparent.png": transparent,
        "dot.png": photo(1, 1),
        "line.png": photo(2, 301),
        "large.png": photo(49, 5400),
    }
    for name, image in pictures.items():
        Image.fromarray(image).save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "text.tflite").write_text("not a network")
    return folder, pictures


def test_wasm_gives_pythons_pixels(own_server, files, tmp_path):
    folder, pictures = files
    fsrcnn = network("fsrcnn", 3, upsampler="subpixel")
    espcn = network("espcn", 2, channels=3)
    srcnn = network("srcnn", 2)
    models = {
        "fsrcnn_x3": (fsrcnn, 3, tflite(fsrcnn, tmp_path / "fsrcnn_x3.tflite")),
        "srcnn_x2": (srcnn, 2, tflite(srcnn, tmp_path / "srcnn_x2.tflite")),
        "espcn_rgb_x2": (espcn, 2, tflite(espcn, tmp_path / "espcn_rgb_x2.tflite", (29, 40))),
    }
    cases = [("fsrcnn_x3", name) for name in pictures] + [("srcnn_x2", "photo.png")]
    cases += [("espcn_rgb_x2", "photo.png"), ("espcn_rgb_x2", "grey.png")]
    steps = [{"network": str(models[name][2]), "picture": str(folder / picture)} for name, picture in cases]
    steps.append({"press": "#measure", "split": 20, "save": str(tmp_path), "screenshot": str(tmp_path / "page.png")})
    report = run_browser({"address": own_server, "steps": steps}, tmp_path)
    assert report["isolated"], "the server's headers should allow threads"
    for (name, picture), result in zip(cases, report["steps"]):
        model, scale, _ = models[name]
        assert result["problem"] == result["note"] == "", (name, picture)
        assert result["with"].startswith("WebAssembly")
        assert f"×{scale}" in result["about"] and f"looks {receptive_field(model)} pixels" in result["about"]
        # A canvas keeps colour times opacity, in 8 bits.
        limit = 3 if "transparent" in picture else 1
        assert difference(result["pixels"], expected(pictures[picture], model)) <= limit, (name, picture)
    large = report["steps"][cases.index(("fsrcnn_x3", "large.png"))]
    assert "11 tiles" in large["size"]
    last = report["steps"][-1]
    assert (last["frames"], last["problem"]) == ("median of 10", "")
    assert "80%" in last["clip"] or "20%" in last["clip"]
    saved = np.asarray(Image.open(tmp_path / "grey_espcn_rgb_x2.png"))
    np.testing.assert_array_equal(saved, last["pixels"])
    # A negative control: one pixel aside is far off.
    shifted = np.roll(expected(pictures["photo.png"], fsrcnn), 1, axis=1)
    assert difference(report["steps"][0]["pixels"], shifted) > 20


def test_page_starts_with_a_preset(plain_server, files, tmp_path):
    folder, pictures = files
    Image.fromarray(np.full((41, 58, 3), 255, np.uint8)).save(tmp_path / "white.png")
    steps = [{"picture": str(folder / "photo.png")}, {"picture": str(tmp_path / "white.png")}]
    report = run_browser({"address": plain_server, "steps": steps}, tmp_path)
    result, white = report["steps"]
    # No grey frame.
    assert np.ptp(white["pixels"].astype(int)) <= 1
    assert (result["problem"], result["with"]) == ("", "WebAssembly")
    assert difference(result["pixels"], expected(pictures["photo.png"], zoo.registry.best_presets()[2])) <= 1


def test_samples_names_and_a_closer_look(own_server, tmp_path):
    steps = [
        {"press": f"[data-sample='samples/{name}']"} for name in ("face.png", "text.png", "lines.png", "coffee.jpg")
    ]
    steps += [{"zoom": "1"}, {"zoom": "4"}, {"double": "#stack", "screenshot": str(tmp_path / "page.png")}]
    report = run_browser({"address": own_server, "steps": steps}, tmp_path)
    assert [result["problem"] for result in report["steps"]] == [""] * 7
    best = zoo.registry.best_presets()
    face = np.asarray(Image.open(WEB / "samples" / "face.png").convert("RGB"))
    # What has no colour is luma as it is.
    text = np.asarray(Image.open(WEB / "samples" / "text.png").convert("L"))
    for picture, result in zip((face, text), report["steps"]):
        assert difference(result["pixels"], expected(picture, best[2])) <= 1
        assert result["tags"] == ["before: enlarged by the browser", f"after: {best[2]}"]
    assert [result["note"] for result in report["steps"][:3]] == [""] * 3
    assert report["steps"][3]["note"] == "If the blocks of JPEG show, take gecko_dw_jpeg_x2, which is for such files."
    # Real size, four times that, and all of it again.
    real, large, whole = (result["shown"] for result in report["steps"][4:])
    width = report["steps"][4]["width"]
    assert (real, large) == (width, 4 * width) and whole <= width
    options = report["steps"][0]["options"]
    assert len(options) == len(zoo.list_presets())
    for scale, name in best.items():
        first = next(option for option in options if option.startswith(f"×{scale} "))
        assert first == f"×{scale} {name} · best"
    for card in map(zoo.card, zoo.list_presets()):
        (option,) = [option for option in options if option.split(" · ")[0] == f"×{card['scale']} {card['name']}"]
        assert ("for JPEG files" in option) == ("compressed" in card)
        assert ("research only" in option) == (card["redistribution"] == "research only")
    assert len(report["links"]) >= 4 and {status for _, status in report["links"]} == {200}


def test_tiles_equal_the_whole_picture(own_server, tmp_path):
    """The same network as a file of any size and as one of 40 × 48 pixels: equal to the last level on WASM."""
    Image.fromarray(photo(113, 97)).save(tmp_path / "photo.png")
    steps = []
    for name, options in {"fsrcnn": {"scale": 2, "upsampler": "subpixel"}, "srcnn": {"scale": 3}}.items():
        model = network(name, **options)
        for size in ((None, None), (40, 48)):
            file = tflite(model, tmp_path / f"{name}_{size[0]}.tflite", size)
            steps.append({"network": str(file), "picture": str(tmp_path / "photo.png")})
    # Wrapped for RGB the file carries its own colour conversion; the page then only cuts and pastes.
    wrapped = wrap_rgb(network("fsrcnn", 2, upsampler="subpixel"), 2)
    steps.append({"network": str(tflite(wrapped, tmp_path / "rgb.tflite", (40, 48))), "picture": steps[0]["picture"]})
    results = run_browser({"address": own_server, "steps": steps}, tmp_path)["steps"]
    assert [result["problem"] for result in results] == [""] * 5
    for whole, tiled in (results[0:2], results[2:4]):
        assert "tiles" not in whole["size"] and "tiles" in tiled["size"]
        np.testing.assert_array_equal(whole["pixels"], tiled["pixels"])
    assert "RGB, tiles of 48×40" in results[4]["about"]
    assert difference(results[4]["pixels"], results[0]["pixels"][..., :3]) <= 1


def test_webgpu_gives_pythons_pixels(plain_server, tmp_path):
    """WebGPU over SwiftShader, and a server without special headers."""
    image = photo(36, 64)
    Image.fromarray(image).save(tmp_path / "photo.png")
    fsrcnn = network("fsrcnn", 3, upsampler="subpixel")
    transposed = network("fsrcnn", 3, upsampler="transposed")
    transposed.set_weights(fsrcnn.get_weights())
    any_size = str(tflite(fsrcnn, tmp_path / "any_size.tflite"))
    steps = [
        {"network": any_size, "picture": str(tmp_path / "photo.png")},
        {"processor": "webgpu-fp16"},
        {"processor": "wasm"},
        {"network": str(tflite(fsrcnn, tmp_path / "tiles.tflite", (28, 32))), "processor": "auto"},
        {"network": str(tflite(transposed, tmp_path / "transposed.tflite", (36, 64)))},
    ]
    report = run_browser({"address": plain_server, "gpu": True, "steps": steps}, tmp_path)
    assert not report["isolated"]
    assert [result["problem"] for result in report["steps"]] == [""] * 5
    single, half, wasm, tiles, wrong = report["steps"]
    wanted = expected(image, fsrcnn)
    for result in (single, half, tiles):
        assert result["with"].startswith("WebGPU") and result["note"] == ""
    assert half["with"] == "WebGPU, half precision"
    for result in (single, half, wasm, tiles, wrong):
        assert difference(result["pixels"], wanted) <= 1
    assert wasm["with"] == "WebAssembly"
    # Each tile of 28×32 gives what lies between its margins.
    rows, columns = (-(-length // (side - 2 * receptive_field(fsrcnn))) for length, side in ((36, 28), (64, 32)))
    assert f"{rows * columns} tiles" in tiles["size"]
    # The delegate shifts this deconvolution without a word; the page notices and lets the CPU do it.
    assert wrong["with"] == "WebAssembly"
    assert wrong["note"].startswith("WebGPU computes this file wrongly in float32 (off by ")
    assert wrong["note"].endswith(". WebAssembly computed the picture.")


def test_what_is_no_picture_gets_a_sentence(own_server, files, tmp_path):
    folder, pictures = files
    fsrcnn = network("fsrcnn", 3, upsampler="subpixel")
    good = tflite(fsrcnn, tmp_path / "good.tflite")
    content = good.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 3])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "truncated.png").write_bytes((folder / "large.png").read_bytes()[:20])
    classifier = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    tflite(classifier, tmp_path / "classifier.tflite", (8, 8))
    tflite(fsrcnn, tmp_path / "small.tflite", (12, 90))
    Image.fromarray(np.zeros((3, 6000), np.uint8)).save(tmp_path / "long.png")
    steps = [
        {"picture": str(folder / "notes.txt")},
        {"picture": str(tmp_path / "empty.png")},
        {"picture": str(tmp_path / "truncated.png")},
        {"network": str(folder / "text.tflite")},
        {"network": str(tmp_path / "cut.tflite")},
        {"network": str(tmp_path / "classifier.tflite")},
        {"network": str(good), "picture": str(tmp_path / "long.png")},
        {"network": str(tmp_path / "small.tflite"), "picture": str(folder / "photo.png")},
        {"network": str(good), "picture": str(folder / "photo.png")},
    ]
    results = run_browser({"address": own_server, "steps": steps}, tmp_path)["steps"]
    unreadable = "Expected a picture that this browser can open (PNG, JPEG, WebP, …) or a .tflite file. Received:"
    sentences = [
        f"{unreadable} notes.txt.",
        f"{unreadable} empty.png.",
        f"{unreadable} truncated.png.",
        "Expected a TFLite file. Received a file of another kind.",
        "Expected a whole TFLite file. Received one that is damaged or cut off.",
        "Expected an output of (1, height, width, 1 or 3). Received: (1, 4).",
        "Expected a result of at most 64 megapixels (of 1024 × 1024) and 16384 pixels a side, the most that a browser "
        "shows. Received: 6000×3, which becomes 18000×9.",
        "Expected tiles of more than 14 pixels, which is how far this network looks to both sides. Received a file "
        "made for 12: a picture must not be larger than that.",
        "",
    ]
    assert [result["problem"] for result in results] == sentences
    # After all that the page still works.
    assert difference(results[8]["pixels"], expected(pictures["photo.png"], fsrcnn)) <= 1
