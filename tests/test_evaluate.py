"""The protocol against the published bicubic rows, and every kind of network against bicubic computed another way."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from zoo import evaluate as room
from zoo.data import benchmark, from_folder
from zoo.errors import UsageError
from zoo.evaluate import PROTOCOLS, evaluate, mean
from zoo.evaluate.__main__ import main
from zoo.layers import FixedUpsampler
from zoo.registry import create_model

# Tables of the SAFMN and SMFANet repositories: bicubic PSNR on Y at ×2/×3/×4, and SSIM.
PUBLISHED = {
    "Set5": ((33.66, 30.39, 28.42), (0.9299, 0.8682, 0.8104)),
    "Set14": ((30.24, 27.55, 26.00), (0.8688, 0.7742, 0.7027)),
    "BSD100": ((29.56, 27.21, 25.96), (0.8431, 0.7385, 0.6675)),
}


@pytest.fixture(scope="module")
def pictures():
    """Odd, oblong pictures: two in colour, one grey; so rough that rounding to 8 bits is a small part of the error."""
    random = np.random.default_rng(4)
    y, x = np.mgrid[0:61, 0:89]
    phases = random.uniform(0, 6, (3, 3))
    colours = [np.stack([np.sin(x / 5 + a) * np.cos(y / 7 + b) for a, b, _ in phases], -1) * 0.4 + 0.5]
    colours.append(colours[0][::-1] * [0.9, 0.5, 0.7])
    eight_bit = [
        np.clip(np.round(255 * each + random.normal(0, 15, each.shape)), 0, 255).astype(np.uint8) for each in colours
    ]
    return [("waves", eight_bit[0]), ("dim", eight_bit[1]), ("grey", eight_bit[1][..., 1])]


def interpolation(scale: int, channels: int, method: str = "bicubic") -> keras.Model:
    image = keras.Input((None, None, channels))
    return keras.Model(image, FixedUpsampler(method, scale)(image))


def check_published(reference_data, name, scale):
    row = mean(evaluate("bicubic", benchmark(reference_data / "eval" / name), scale))
    psnr, ssim = (column[scale - 2] for column in PUBLISHED[name])
    assert abs(row.psnr - psnr) < 0.01
    # Papers differ by up to 0.002 here, by the border that their SSIM leaves out.
    assert abs(row.ssim - ssim) < 0.002


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_bicubic_gives_the_published_row(reference_data, name, scale):
    check_published(reference_data, name, scale)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_gives_the_published_row_of_bsd100(reference_data, scale):
    check_published(reference_data, "BSD100", scale)


def test_the_variants_explain_why_papers_differ(reference_data):
    pictures = benchmark(reference_data / "eval" / "Set5")
    psnr = {name: mean(evaluate("bicubic", pictures, 3, name)).psnr for name in PROTOCOLS}
    # Another known figure, MATLAB's 8-bit RGB files with Y not rounded.
    assert psnr["rgb8"] == pytest.approx(30.403, abs=0.001)
    # 20·log10(255 / 219): the whole of it would be 1.32 dB, were every error a pure scaling of Y.
    assert psnr["y"] - psnr["y_full"] == pytest.approx(1.32, abs=0.03)
    assert psnr["rgb"] < psnr["y_full"]
    assert len({round(value, 3) for value in psnr.values()}) == len(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_is_bicubic_gets_bicubics_row(pictures, channels, protocol):
    expected = evaluate("bicubic", pictures, 3, protocol)
    received = evaluate(interpolation(3, channels), pictures, 3, protocol)
    assert [row.name for row in received] == ["waves", "dim", "grey"]
    for theirs, ours in zip(expected, received):
        # The luma of the enlarged RGB is the enlarged luma but for the rounding to 8 bits in between.
        assert ours.psnr == pytest.approx(theirs.psnr, abs=0.02)
    # The control: another interpolation is seen.
    other = evaluate(interpolation(3, channels, "nearest"), pictures, 3, protocol)
    assert all(abs(theirs.psnr - row.psnr) > 0.1 for theirs, row in zip(expected, other))


@pytest.mark.parametrize("protocol", ["y", "rgb8", "jpeg60", "rgb"])
@pytest.mark.parametrize("network", ["bicubic", 1, 3])
def test_lr_images_of_ones_own_are_enlarged_as_they_are(pictures, network, protocol):
    model = network if network == "bicubic" else interpolation(3, network)
    made = [(name, hr, None) for name, hr in pictures]
    assert evaluate(model, made, 3, protocol) == evaluate(model, pictures, 3, protocol)
    # White LR images give white pictures, whatever they are of.
    white = [(name, hr, np.full((20, 29, *hr.shape[2:]), 255, np.uint8)) for name, hr in pictures]
    for _, hr, lr in white:
        truth, sr = room.compared(model, hr, 3, protocol, lr)
        assert np.array_equal(truth, room.compared(model, hr, 3, protocol)[0]) and np.ptp(np.float64(sr)) < 1e-9
        assert np.ptp(np.float64(room.compared(model, hr, 3, protocol)[1])) > 1e-9, "control"
    with pytest.raises(UsageError, match=r"Expected an LR image of shape \(20, 29, 3\). Received: \(29, 20, 3\)"):
        evaluate(model, [(*pictures[0], white[0][2].transpose(1, 0, 2))], 3, protocol)


def test_output_is_rounded_clipped_and_shaved(pictures):
    _, grey = pictures[2]
    truth = grey[:60, :88] / 255.0

    def nearly_right(lr_image):
        assert lr_image.shape == (30, 44, 1) and lr_image.dtype == np.float32
        image = truth + 0.4 / 255
        image[:2] = 7
        return image[..., None]

    assert evaluate(nearly_right, [("grey", grey)], 2)[0].psnr == np.inf
    assert evaluate(nearly_right, [("grey", grey)], 2, "y_unshaved")[0].psnr < 30
    assert evaluate(lambda lr: nearly_right(lr) + 0.2 / 255, [("grey", grey)], 2)[0].psnr < 60


def test_the_mean_is_of_the_pictures_psnr():
    rows = [room.Score("a", 30.0, 0.9), room.Score("b", 40.0, 0.7)]
    assert mean(rows)[1:] == (35.0, pytest.approx(0.8))


def test_bad_networks_are_refused_in_one_sentence(pictures):
    with pytest.raises(UsageError, match=r"Expected protocol to be one of y, rgb8.*Received: 'psnr'"):
        evaluate("bicubic", pictures, 3, "psnr")
    with pytest.raises(UsageError, match="Expected a network of scale 2. Received: one of scale 3"):
        evaluate(interpolation(3, 1), pictures, 2)
    with pytest.raises(UsageError, match="not finite"):
        evaluate(lambda lr: np.full((60, 88, 1), np.nan), pictures, 2)
    with pytest.raises(
        UsageError, match=r"Expected finite values of shape \(60, 88, 1\).*Received: shape \(30, 44, 1\)"
    ):
        evaluate(lambda lr: lr, pictures, 2)


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "three"
    path.mkdir()
    for name, picture in pictures:
        Image.fromarray(picture).save(path / f"{name}.png")
    return path


def converted(model, path, **options):
    import tensorflow as tf

    signature = [tf.TensorSpec((1, None, None, 1), tf.float32)]
    model.export(path / "saved", format="tf_saved_model", input_signature=signature, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path / "saved"))
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()


def test_the_command_prints_the_table_and_writes_the_json(folder, tmp_path, capsys):
    model = create_model("espcn", scale=2)
    model.save(tmp_path / "mine.keras")
    # The brackets are no markup.
    (tmp_path / "mine[v2].tflite").write_bytes(converted(model, tmp_path))
    names = f"{tmp_path / 'mine.keras'},{tmp_path / 'mine[v2].tflite'}"
    assert main([f"--model={names}", f"--data={folder}", f"--json={tmp_path / 'out.json'}"]) == 0
    printed = capsys.readouterr().out
    assert "bicubic" in printed and "mine[v2].tflite" in printed and "studio range" in printed
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["protocol"] == "y"
    baseline, from_keras, from_tflite = record["results"]
    assert [row["model"] for row in record["results"]] == ["bicubic", "mine.keras", "mine[v2].tflite"]
    assert [each["name"] for each in baseline["pictures"]] == sorted(each["name"] for each in baseline["pictures"])
    # The same network through two engines; bicubic is another.
    assert from_tflite["psnr"] == pytest.approx(from_keras["psnr"], abs=1e-3)
    assert abs(baseline["psnr"] - from_keras["psnr"]) > 1
    assert not list(tmp_path.glob(".*"))


def test_an_int8_file_is_quantised_at_its_edges(folder, tmp_path):
    import tensorflow as tf

    def crops():
        for seed in range(4):
            yield [np.random.default_rng(seed).uniform(0, 1, (1, 32, 48, 1)).astype("float32")]

    file = converted(
        interpolation(2, 1),
        tmp_path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=crops,
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
    )
    (tmp_path / "int8.tflite").write_bytes(file)
    engine = room.open_network(str(tmp_path / "int8.tflite"))
    assert (engine.scale, engine.channels) == (2, 1)
    baseline, quantised = (mean(evaluate(model, benchmark(folder), 2)).psnr for model in ("bicubic", engine))
    # Without the (de)quantisation the picture would be noise; with it, 8 bits cost something, but not that.
    assert baseline - 3 < quantised < baseline + 0.5


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model=no_such_preset", "--data={folder}"], "Expected the model to be one of"),
        (["--model={folder}/none.tflite", "--data={folder}"], "Expected a .tflite file. Received: "),
        (["--model={folder}/waves.png.tflite", "--data={folder}"], "Expected a TFLite file (a flatbuffer"),
        (["--model={folder}/small.keras", "--data={folder}/nowhere"], "nowhere"),
    ],
)
def test_bad_input_ends_with_one_sentence(folder, arguments, sentence, capsys):
    (folder / "waves.png.tflite").write_bytes((folder / "waves.png").read_bytes())
    if not (folder / "small.keras").exists():
        interpolation(2, 1).save(folder / "small.keras")
    try:
        assert main([each.format(folder=folder) for each in arguments]) == 2
    finally:
        (folder / "waves.png.tflite").unlink()
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and sentence in printed and printed.count("\n") == 1


def test_a_wrong_flag_ends_with_exit_code_2(folder, capsys):
    assert main(["--model=x", f"--data={folder}", "--protocol=psnr"]) == 2
    assert capsys.readouterr().err.endswith(", rgb. Received: 'psnr'\n")


def test_pictures_that_tell_nothing_are_named_and_the_rest_is_measured(pictures):
    black, tiny = np.zeros((61, 89, 3), np.uint8), pictures[0][1][:14, :15]
    one, again = pictures[0][1], pictures[1][1]
    rows = evaluate("bicubic", [("black", black), ("one", one), ("tiny", tiny), ("again", again)], 2)
    assert [bool(row.left_out) for row in rows] == [True, False, True, False]
    assert "flat" in rows[0].left_out and "10×10 px" in rows[2].left_out
    assert mean(rows) == mean(evaluate("bicubic", [("one", one), ("again", again)], 2))
    assert mean(rows[::2])[1:] == (None, None)
    # One level at one place is no flat picture any more.
    black[20, 30] = 255
    assert not evaluate("bicubic", [("black", black)], 2)[0].left_out


def test_a_flat_picture_leaves_out_none_of_its_name(pictures, tmp_path):
    flat, rough = np.full((61, 89, 3), 7, np.uint8), pictures[0][1]
    for place, picture in (("V/a/1.png", flat), ("V/b/1.png", rough), ("V/2.png", flat), ("W/2.png", rough)):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / place)
    good = [("rough", rough)]
    (alone,) = evaluate("bicubic", good, 3)
    rows = evaluate("bicubic", benchmark(tmp_path / "V"), 3)
    assert list(room.left_out([rows])) == ["2", "a/1"] and mean(rows, room.left_out([rows]))[1:] == alone[1:3]
    # Of several folders: what a run is judged on.
    source = from_folder(f"{tmp_path}/V,{tmp_path}/W", 3, channels=3)
    rows = evaluate("bicubic", [(name, hr) for name, _, hr in source.pictures()], 3)
    assert list(room.left_out([rows])) == [f"{tmp_path}/V/2.png", "a/1"]
    assert mean(rows, room.left_out([rows])) == mean([alone])
    # Control: with one name for both, nothing is left.
    assert mean([row._replace(name="1") for row in rows], ["1"]).psnr is None


def test_what_comes_back_exactly_is_left_out_for_every_network(pictures):
    one, again = pictures[2][1][:60, :88], pictures[1][1]
    luma = np.repeat(np.repeat(one[::2, ::2], 2, 0), 2, 1)
    exact = lambda lr: luma[..., None] / 255  # noqa: E731
    networks = [evaluate(network, [("exact", luma)], 2) for network in (exact, "bicubic")]
    assert [bool(rows[0].left_out) for rows in networks] == [True, False]
    networks[1] += evaluate("bicubic", [("again", again)], 2)
    without = room.left_out(networks)
    assert "infinite" in without["exact"]
    assert mean(networks[1], without)[1:] == pytest.approx(networks[1][1][1:3])


@pytest.mark.parametrize("only", [False, True])
def test_the_command_says_what_it_left_out(pictures, tmp_path, capsys, only):
    folder = tmp_path / "set"
    folder.mkdir()
    Image.new("L", (40, 33), 128).save(folder / "flat.png")
    if not only:
        Image.fromarray(pictures[0][1]).save(folder / "waves.png")
    create_model("espcn", scale=2).save(tmp_path / "mine.keras")
    arguments = [f"--model={tmp_path / 'mine.keras'}", f"--data={folder}", f"--json={tmp_path / 'out.json'}"]
    assert main(arguments) == 0
    assert "flat.png" in (printed := capsys.readouterr().out) or "flat: flat: one colour" in printed

    def refuse(constant):
        raise AssertionError(constant)

    record = json.loads((tmp_path / "out.json").read_text(), parse_constant=refuse)
    for row in record["results"]:
        assert row["counted"] == 1 - only and len(row["left_out"]) == 1 and (row["psnr"] is None) == only


def test_pictures_that_cannot_be_read_are_all_named_before_a_network_runs(folder, tmp_path, monkeypatch, capsys):
    """Of the last set too: a mean over the rest would be another figure, and hours may lie before it."""
    last = tmp_path / "last"
    last.mkdir()
    Image.fromarray(np.full((40, 44, 3), 7, np.uint8)).save(last / "a.png")
    (last / "b.png").write_bytes((last / "a.png").read_bytes()[:60])
    (last / "c.jpg").write_text("no picture")
    ran = []
    monkeypatch.setattr("zoo.evaluate.sets.evaluate", lambda *given: ran.append(given))
    arguments = ["--model=fsrcnn_s_x2", f"--data={folder},{last}", f"--json={tmp_path / 'out.json'}"]
    assert main(arguments) == 2 and not ran and not (tmp_path / "out.json").exists()
    error = capsys.readouterr().err
    assert error.startswith("error: Expected pictures that can all be read, ") and error.count("\n") == 1
    assert f"{last / 'b.png'}: " in error and f"{last / 'c.jpg'}: " in error and "a.png" not in error


def test_json_replaces_a_file_with_a_word_and_a_folder_never(folder, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    given = ["--model=fsrcnn_s_x2", f"--data={folder}"]
    assert main([*given, f"--json={tmp_path / 'results'}"]) == 2
    assert main([*given, f"--json={tmp_path / 'gone' / 'x.json'}"]) == 2
    assert capsys.readouterr().err.count("error: ") == 2 and [*tmp_path.iterdir()] == [tmp_path / "results"]
    path = tmp_path / "results" / "x.json"
    assert main([*given, f"--json={path}"]) == 0 and f"wrote {path}\n" in capsys.readouterr().out
    assert (
        main([*given, f"--json={path}"]) == 0
        and f"wrote {path}, in place of what was there\n" in capsys.readouterr().out
    )
