"""`zoo.plots`: the numbers that are drawn are right, and the command writes what it says."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import identities, metrics, published, registry
from zoo.color import luma
from zoo.engines.keras import KerasEngine
from zoo.evaluate import evaluate
from zoo.layers import ICNR
from zoo.plots import __main__ as command
from zoo.plots import checkerboard, cost, difference, kernels, split


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("side", "scale"), [(9, 2), (9, 3), (6, 2), (4, 2), (5, 4), (7, 3)])
def test_each_phase_of_the_output_is_made_by_its_own_small_kernel(side, scale):
    kernel = weights(side, side, 3, 2)
    phases = kernels.by_phase(kernel, scale)
    # A deconvolution of one pixel in the middle writes the kernel; what phase (a, b) of it holds is what is drawn.
    lr_image = np.zeros((1, 9, 11, 2), np.float32)
    lr_image[0, 4, 5, 1] = 1
    layer = keras.layers.Conv2DTranspose(3, side, scale, padding="same", use_bias=False)
    layer.build(lr_image.shape)
    layer.kernel.assign(kernel)
    hr_image = np.asarray(layer(lr_image))[0]
    for a, b in np.ndindex(scale, scale):
        written = hr_image[a::scale, b::scale]
        drawn = phases[a, b, :, :, 1]
        assert sorted(written[written != 0]) == pytest.approx(sorted(drawn[drawn != 0].astype(np.float32)), abs=1e-6)
        # Control: the neighbouring phase has other weights.
        other = phases[(a + 1) % scale, b, :, :, 1]
        assert sorted(written[written != 0]) != pytest.approx(sorted(other[other != 0]), abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_strongest_kernels_are_drawn_and_no_weight_is_lost(channels):
    model = zoo.create_model("fsrcnn", scale=3, channels=channels, d=8, s=4, m=1)
    layer = model.get_layer("upsampler")
    layer.kernel.assign(weights(*layer.kernel.shape) * 2.0 ** np.arange(8))
    drawn = kernels.kernels(model, maps=3)
    assert drawn.hr.shape == (3, 9, 9) and drawn.lr.shape == (3, 3, 3, 3, 3) and drawn.inputs == 8
    assert np.array_equal(drawn.hr, layer.kernel.numpy()[:, :, 0, [7, 6, 5]].transpose(2, 0, 1))
    for whole, parts in zip(drawn.hr, drawn.lr):
        assert np.allclose(np.sort(whole.ravel()), np.sort(parts.ravel()))


def test_a_deconvolution_of_keras_is_drawn_and_a_network_without_one_is_refused():
    lr_image = keras.Input((None, None, 4))
    model = keras.Model(lr_image, keras.layers.Conv2DTranspose(1, 4, 2, padding="same")(lr_image))
    assert kernels.kernels(model).lr.shape == (4, 2, 2, 2, 2)
    for refused in (
        zoo.create_model("espcn", scale=2, upsampler="bicubic"),
        keras.Model(lr_image, keras.layers.Conv2DTranspose(1, 4, 2, padding="valid")(lr_image)),
        keras.Model(lr_image, keras.layers.Conv2DTranspose(1, (4, 3), 2, padding="same")(lr_image)),
    ):
        with pytest.raises(zoo.errors.UsageError, match="Expected a network with a transposed"):
            kernels.kernels(refused)


def test_the_split_shows_every_weight_twice():
    cells = re.findall(r"<text [^>]*middle[^>]*>(\d+)</text>", split.split(5, 2))
    assert sorted(map(int, cells)) == sorted([*range(25), *range(25)])


def one_layer(form: str, kernel: np.ndarray, scale: int):
    """The upsampler alone, and a mask: the field goes through no body."""
    layer = zoo.layers.make_upsampler(form, 1, kernel.shape[0], scale)
    layer.build((None, None, None, 1))
    layer.kernel.assign(kernel)
    return layer


@pytest.mark.parametrize(("side", "scale"), [(9, 2), (6, 2), (9, 3), (13, 4)])
def test_icnr_has_no_checkerboard_on_a_flat_field_and_a_random_start_has(side, scale):
    shape = (side, side, 1, 1)
    for form in ("transposed", "zero_interleaved", "subpixel"):
        started = one_layer(form, np.asarray(ICNR(scale, seed=1)(shape)), scale)
        flat = checkerboard.residual(started, "flat", scale)
        assert checkerboard.checkerboard(flat, scale) < 1e-4
        random = one_layer(form, weights(*shape), scale)
        assert checkerboard.checkerboard(checkerboard.residual(random, "flat", scale), scale) > 1
        # Of nearest neighbour, which ICNR starts as, a ramp shows the stairs.
        assert checkerboard.checkerboard(checkerboard.residual(started, "ramp", scale), scale) > 1e-2


def test_the_size_of_a_checkerboard_is_that_of_its_phases():
    """On a flat field each phase gives 0.5 times the sum of its weights, whatever the field's size."""
    kernel = weights(9, 9, 1, 1)
    sums = identities.transposed_to_subpixel(kernel, 2).sum(axis=(0, 1, 2))
    for form in ("transposed", "subpixel"):
        rest = checkerboard.residual(one_layer(form, kernel, 2), "flat", 2)
        assert checkerboard.checkerboard(rest, 2) == pytest.approx(255 * 0.5 * sums.std(), rel=1e-5)


def test_fixed_interpolation_leaves_a_ramp_a_ramp_but_nearest_has_stairs():
    for method, bound in (("bilinear", 1e-4), ("bicubic", 1e-4)):
        rest = checkerboard.residual(zoo.layers.FixedUpsampler(method, 3), "ramp", 3)
        assert np.abs(rest).max() < bound
    # A step of the ramp is 0.3 / 51 an axis; nearest is a third of it off, to both sides and on both axes.
    rest = checkerboard.residual(zoo.layers.FixedUpsampler("nearest", 3), "ramp", 3)
    step = 255 * 0.3 / 51 / 3
    assert checkerboard.checkerboard(rest, 3) == pytest.approx(step * np.sqrt(2 * 2 / 3), rel=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_spectrum_has_all_the_power_and_a_checkerboard_at_its_frequencies(scale):
    side = 12 * scale
    rest = weights(side, side).astype(np.float64)
    frequencies, amplitudes = checkerboard.spectrum(rest)
    assert frequencies[0] == 0 and frequencies[-1] == 0.5
    assert np.square(amplitudes).sum() == pytest.approx(np.square(rest).mean())
    board = np.tile(weights(scale, scale, seed=1).astype(np.float64), (12, 12))
    board -= board.mean()
    frequencies, amplitudes = checkerboard.spectrum(board)
    there = np.isclose(frequencies * scale % 1, 0) & (frequencies > 0)
    assert np.square(amplitudes[there]).sum() == pytest.approx(checkerboard.checkerboard(board, scale) ** 2)
    assert np.abs(amplitudes[~there]).max() < 1e-12


def test_the_networks_of_the_checkerboard_differ_in_their_last_layer_alone():
    plain, icnr = (checkerboard.network(checkerboard.Case("subpixel", 6, icnr=on), 2) for on in (False, True))
    for first, second in zip(plain.weights, icnr.weights):
        same = np.array_equal(first, second)
        assert same == (first.path.split("/")[0] != "upsampler" or first.name != "kernel"), first.path
    assert {case.form for case in checkerboard.cases(2)} > {"transposed", "subpixel", "resize", "nearest", "bicubic"}


@pytest.mark.slow
def test_training_moves_the_checkerboard():
    model = checkerboard.network(checkerboard.Case("subpixel", 6), 2)
    before = checkerboard.checkerboard(checkerboard.residual(model, "flat", 2), 2)
    checkerboard.train(model, zoo.data.sample(2).patches(batch=2, lr_size=16, seed=0), steps=30)
    after = checkerboard.checkerboard(checkerboard.residual(model, "flat", 2), 2)
    assert 0 < after < before


def test_costs_are_those_of_the_cards_and_of_the_published_tables():
    found = {(point.name, point.scale): point for point in cost.points("Set5")}
    for name in registry.list_presets():
        card = registry.card(name)
        if "Set5" in card["results"]:
            point = found[name, card["scale"]]
            assert (point.macs, point.psnr, point.ours) == (card["macs_720p"], card["results"]["Set5"]["psnr"], True)
    for (name, scale), (results, _) in published.PUBLISHED.items():
        assert found[name, scale].psnr == results["Set5"][0] and not found[name, scale].ours
    # GMAC as the papers have them: FSRCNN's deconvolution counted with its zeros and without, SRCNN 9-5-5.
    assert [round(found["fsrcnn", scale].macs_quoted / 1e9, 1) for scale in (2, 3, 4)] == [6.0, 5.0, 4.6]
    assert [round(found["fsrcnn", scale].macs / 1e9, 2) for scale in (2, 3, 4)] == [3.12, 1.28, 0.92]
    # The same network at the same place, whoever trained it.
    for name in ("fsrcnn_x2", "fsrcnn_s_x4", "espcn_x2"):
        scale = registry.card(name)["scale"]
        assert found[name, scale].macs == found[name.rpartition("_x")[0], scale].macs, name
    assert round(found["srcnn", 2].macs / 1e9, 1) == 52.7 and found["bicubic", 4].macs is None
    with pytest.raises(zoo.errors.UsageError, match="Expected one of Set5, Set14, BSD100. Received: 'Set6'"):
        cost.points("Set6")


def overprinted(made) -> list[tuple[str, str]]:
    """The names in a figure that lie over one another, or over another network's mark."""
    made.draw_without_rendering()
    found = []
    for axes in made.axes:
        texts = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
        found += [(a, b) for i, (a, first) in enumerate(texts) for b, second in texts[:i] if first.overlaps(second)]
    return found


@pytest.mark.parametrize("dataset", published.SETS)
def test_names_in_the_chart_of_costs_do_not_overprint(dataset):
    pytest.importorskip("matplotlib", reason="charts need matplotlib")
    made = cost.draw(cost.points(dataset), dataset)
    named = sum(len(axes.texts) for axes in made.axes)
    assert named == sum(point.macs is not None for point in cost.points(dataset)) and overprinted(made) == []
    # Control: two names at one place do.
    made.axes[0].annotate("first", (1, 37)), made.axes[0].annotate("second", (1, 37))
    assert ("second", "first") in overprinted(made)


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "RGB"])
def test_the_maps_of_errors_have_the_psnr_of_the_protocol(colours):
    picture = np.random.default_rng(0).integers(0, 256, (47, 62, *colours), np.uint8)
    network = KerasEngine(zoo.create_model("espcn", scale=3))
    maps = difference.differences(picture, {"untrained": network})
    assert [error.shape for error in maps.values()] == [(39, 54)] * 2
    for name, model in (("bicubic", "bicubic"), ("untrained", network)):
        (row,) = evaluate(model, [("noise", picture)], 3)
        assert difference.decibels(maps[name]) == pytest.approx(row.psnr, abs=1e-9)
        assert difference.decibels(maps[name] * 0.99) != pytest.approx(row.psnr, abs=1e-3)
    # Signed: what is added to the original is the network's output.
    hr_image = luma(picture)[3:45, 3:57][:39]
    assert metrics.psnr(hr_image / 255, (hr_image + maps["bicubic"]) / 255) == pytest.approx(
        difference.decibels(maps["bicubic"])
    )
    with pytest.raises(zoo.errors.UsageError, match="Expected networks of one scale. Received: 2, 3"):
        difference.differences(picture, {"a": network, "b": KerasEngine(zoo.create_model("espcn", scale=2))})


def test_errors_need_a_picture_of_more_than_its_border():
    network = KerasEngine(zoo.create_model("espcn", scale=3))
    picture = np.random.default_rng(0).integers(0, 256, (9, 20, 3), np.uint8)
    assert difference.differences(picture, {"untrained": network})["untrained"].shape == (3, 12)
    with pytest.raises(zoo.errors.UsageError, match="Expected at least 9 px a side for ×3. Received: 20×8"):
        difference.differences(picture[:8], {"untrained": network})


@pytest.mark.parametrize(
    ("models", "names"),
    [
        ("fsrcnn_x3,a/net.tflite", ["fsrcnn_x3", "net"]),
        ("a/net.tflite,b/net.tflite,c.keras", ["a/net.tflite", "b/net.tflite", "c"]),
        ("a/bicubic.tflite", ["a/bicubic.tflite"]),
        ("a/net.tflite,a/net.tflite", ["net"]),
    ],
)
def test_every_network_has_a_panel_of_its_own(models, names, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("zoo.evaluate.open_network", lambda given: given)
    monkeypatch.setattr(difference, "differences", lambda picture, networks: drawn.append(networks))
    monkeypatch.setattr(difference, "draw", lambda measured, picture: None)
    pytest.importorskip("matplotlib", reason="charts need matplotlib")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    flags = [f"--model={models}", f"--picture={tmp_path / 'a.png'}", f"--output={tmp_path / 'x.png'}"]
    command.difference(command.parse(["difference", *flags]))
    assert drawn == [dict(zip(names, dict.fromkeys(models.split(","))))]


def test_the_panels_of_errors_have_one_size():
    pytest.importorskip("matplotlib", reason="charts need matplotlib")
    picture = np.random.default_rng(0).integers(0, 256, (60, 48, 3), np.uint8)
    errors = {name: np.zeros((54, 42)) for name in ("bicubic", "untrained")}
    errors["untrained"] += 1
    made = difference.draw(errors, picture[3:-3, 3:-3])
    made.draw_without_rendering()
    panels = [axes for axes in made.axes if axes.get_title()]
    boxes = np.array([axes.get_window_extent().bounds for axes in panels])
    assert len(panels) == 4 and np.ptp(boxes[:, 1:], axis=0).max() < 0.5
    highest = max(axes.title.get_window_extent().y1 for axes in panels)
    assert highest <= made.bbox.y1, "a title is cut off"


REFUSED = {
    "folder": (
        ["split", "--output=absent/x.svg"],
        "Expected a folder to write x.svg to. Received: 'absent', which is not there",
    ),
    "suffix": (["split", "--output=x.png"], "Expected a file that ends with .svg. Received: x.png"),
    "scale": (["split", "--output=x.svg", "--scale=1"], "Expected --scale from 2 to 8. Received: 1"),
    "kernel": (["split", "--output=x.svg", "--kernel_size=40"], "Expected --kernel_size from 1 to 32. Received: 40"),
    "steps": (["checkerboard", "--output=x.png", "--steps=0"], "Expected --steps from 1 to 1000000. Received: 0"),
    "set": (["cost", "--output=x.svg", "--set=Set6"], "Expected one of Set5, Set14, BSD100. Received: 'Set6'"),
    "model": (["kernels", "--output=x.png", "--model=absent"], "Expected the model to be one of "),
    "picture": (
        ["difference", "--output=x.png", "--picture=absent.png"],
        "Expected a picture. Received: 'absent.png', which is not there",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, words = REFUSED[case]
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "output", "flags"),
    [
        ("split", "x.svg", ["--kernel_size=4", "--scale=2"]),
        ("kernels", "x.png", []),
        ("kernels", "x.svg", []),
        ("cost", "x.svg", ["--set=Set14"]),
        ("difference", "x.jpg", ["--picture=picture.png"]),
    ],
)
def test_the_command_writes_the_same_picture_every_time(name, output, flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 63, 3), np.uint8)).save("picture.png")
    written = []
    for _ in range(2):
        assert command.main([name, f"--output={output}", *flags]) == 0, capsys.readouterr().err
        written.append((tmp_path / output).read_bytes())
    assert written[0] == written[1]
    assert capsys.readouterr().out == f"{output}\n{output}, in place of what was there\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture.png", output]
    starts = {".svg": b"<", ".png": b"\x89PNG", ".jpg": b"\xff\xd8"}
    assert written[0].startswith(starts[output[1:]])
    if output == "x.svg":
        assert b"</svg>" in written[0]


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert command.main(["checkerboard", f"--output={tmp_path / 'x.png'}"]) == 2
    assert "Expected matplotlib, which" in capsys.readouterr().err


@pytest.mark.slow
def test_the_checkerboard_of_every_upsampler_is_drawn(tmp_path):
    assert command.main(["checkerboard", "--steps=3", f"--output={tmp_path / 'x.svg'}"]) == 0
    drawn = (tmp_path / "x.svg").read_text()
    assert all(case.label in drawn for case in checkerboard.cases(2))
    made = checkerboard.draw(list(checkerboard.measure(2, 3)), 2, 3)
    sizes = {axes.get_label(): float(axes.get_xlabel()) for axes in made.axes}
    assert sizes["subpixel 6×6, ICNR, flat, before"] == sizes["transposed 9×9, ICNR, flat, before"] == 0
    assert min(sizes["subpixel 6×6, flat, before"], sizes["transposed 9×9, flat, before"]) > 1
    # What is drawn is that checkerboard, and nothing where there is none.
    spread = {axes.get_label(): np.ptp(axes.images[0].get_array()) for axes in made.axes}
    assert spread["subpixel 6×6, ICNR, flat, before"] < 0.1 < 20 < spread["subpixel 6×6, flat, before"]
    assert "fsrcnn_x2, ramp, after" in sizes and "fsrcnn_x3, ramp, after" not in sizes
