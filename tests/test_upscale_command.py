"""`python -m zoo.upscale`: what it writes and what it refuses."""

import numpy as np
import pytest
from PIL import Image
from upscale_cases import everything_in, picture

from zoo.registry import best_presets
from zoo.upscale import upscale
from zoo.upscale.__main__ import main
from zoo.upscale.targets import jobs


def test_one_picture_into_a_file_and_into_a_folder(upscale_command, tflite, tmp_path):
    source = picture(tmp_path / "a.png")
    code, out, err = upscale_command("a.png", "--output=b.png")
    assert (code, err) == (0, "") and out.startswith("1 written: 0.0 megapixels in ")
    expected = upscale(np.asarray(Image.open(source)), tflite("nearest"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), expected)
    code, _, _ = upscale_command("a.png", "--output=new/folder", "--format=bmp")
    assert code == 0 and everything_in(tmp_path) == ["a.png", "b.png", "new/folder/a.bmp"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new/folder/a.bmp")), expected)


def test_a_folder_keeps_its_shape_and_is_not_fed_its_own_results(upscale_command, tmp_path):
    for name in ("in/a.png", "in/deep/b.JPG", "in/deep/er/c.webp", "in/.hidden/x.png", "in/.y.png"):
        picture(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no picture")
    (tmp_path / "in/x.png").mkdir()
    for _ in range(2):
        code, out, _ = upscale_command("in", "--output=in/large", "--overwrite")
        assert code == 0 and out.startswith("3 written")
        assert everything_in(tmp_path / "in/large") == ["a.png", "deep/b.JPG", "deep/er/c.webp"]


def test_patterns_keep_what_they_do_not_fix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("p/one/a.png", "p/two/a.png", "p/two/b.jpg", "q.png"):
        picture(tmp_path / name)

    def targets(*inputs, **options):
        return sorted(str(job.target) for job in jobs([*inputs], "out", **options))

    assert targets("p/*/a.png") == ["out/one/a.png", "out/two/a.png"]
    assert targets("p/**/*.jpg", "q.png") == ["out/q.png", "out/two/b.jpg"]
    assert targets("p/t*") == ["out/two/a.png", "out/two/b.jpg"]
    assert targets("p/one", form="tiff") == ["out/a.tiff"]
    # A name with brackets is a name first.
    picture(tmp_path / "q[1].png")
    assert targets("q[1].png") == ["out/q[1].png"]


@pytest.mark.parametrize("pattern", ["p/**/*.png", "p/*", "p/*/*.png", "**/*.png"])
def test_patterns_are_not_fed_their_own_results(tmp_path, monkeypatch, pattern):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "p/one/a.png")
    before = jobs([pattern], "p/large")
    for job in before:
        picture(tmp_path / job.target)
    picture(tmp_path / "p/large/a.png")
    assert len(before) == 1 and jobs([pattern], "p/large") == before
    # Control: an output that is not below what the pattern fixes holds pictures like any other folder.
    assert len(jobs(["p/large/*.png"], "p/large", "jpg")) == 1
    assert len(jobs([pattern], "elsewhere")) > 1


def test_what_is_there_is_overwritten_or_skipped_as_told(upscale_command, tmp_path):
    picture(tmp_path / "in/a.png"), picture(tmp_path / "in/b.png")
    assert upscale_command("in", "--output=out")[0] == 0
    (tmp_path / "out/a.png").write_bytes(b"old")
    code, _, err = upscale_command("in", "--output=out")
    assert (code, err) == (
        2,
        "error: Expected new files, --overwrite or --skip. Received: out/a.png and 1 more, there already\n",
    )
    code, out, _ = upscale_command("in", "--output=out", "--skip")
    assert (code, out) == (0, "2 skipped\n") and (tmp_path / "out/a.png").read_bytes() == b"old"
    (tmp_path / "out/b.png").unlink()
    assert upscale_command("in", "--output=out", "--skip")[1].startswith("1 written, 1 skipped: ")
    assert upscale_command("in", "--output=out", "--overwrite")[1].startswith("2 written: ")
    assert Image.open(tmp_path / "out/a.png").size == (34, 24)


def test_what_fails_is_named_and_the_rest_is_done(upscale_command, tmp_path):
    for index in range(5):
        picture(tmp_path / f"in/{index}.png", seed=index)
    whole = (tmp_path / "in/2.png").read_bytes()
    (tmp_path / "in/2.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in/3.png").write_bytes(b"")
    code, out, err = upscale_command("in", "--output=out")
    assert (code, err) == (2, "") and everything_in(tmp_path / "out") == ["0.png", "1.png", "4.png"]
    rows = [line for line in out.splitlines() if "failed" in line]
    assert len(rows) == 3 and "in/2.png" in rows[0] and "truncated" in rows[0] and "in/3.png" in rows[1]
    assert rows[2].startswith("3 written, 2 failed: ")
    # One picture alone: one sentence.
    code, out, err = upscale_command("in/3.png", "--output=x.png")
    assert code == 2 and out == "" and err.startswith("error: Expected a whole picture (.png")


REFUSED = {
    "nothing there": (["absent.png", "--output=out"], "a pattern. Received: 'absent.png', which is not there"),
    "empty folder": (["empty", "--output=out"], "Expected a folder with pictures (.png, "),
    "empty pattern": (["*.tif", "--output=out"], "Expected a pattern that matches pictures. Received: '*.tif'"),
    "file for many": (["in", "--output=x.png"], "Expected a folder as output of 2 pictures. Received: x.png"),
    "file for a folder of one": (["one", "--output=x.png"], "as output of 1 pictures. Received: x.png"),
    "output is a text": (["a.png", "--output=notes.txt"], "Expected a folder or a picture's name (.png, "),
    "unknown suffix": (
        ["a.png", "--output=b.pgn"],
        "or a folder, which is there or ends with /, as output. Received: b.pgn; did you mean '.png'?",
    ),
    "onto itself": (["a.png", "--output=a.png", "--overwrite"], "Expected an output other than the picture itself."),
    "onto itself in a folder": (["in", "--output=in", "--overwrite"], "the picture itself. Received: in/a.png"),
    "onto itself by a link": (["a.png", "--output=link", "--overwrite"], "Received: link/a.png"),
    "onto another": (["q/a", "q/b", "--output=q", "--overwrite"], "the pictures themselves. Received: q/b/1.png"),
    "two of one name": (["a.png", "in/a.png", "--output=out"], "Received: out/a.png from a.png and in/a.png"),
    "two of one name by format": (["a.png", "a.jpg", "--output=out", "--format=png"], "names of their own"),
    "outside by a link": (["in", "--output=linked"], "inside linked. Received: linked/deep/b.png, in "),
    "outside by dots": (["i*/../../*/a.png", "--output=out"], "Expected "),
    "below a file": (["a.png", "--output=notes.txt/out"], "that can be written. Received: notes.txt"),
    "another suffix": (["a.png", "--output=x.png", "--format=jpg"], "that ends with .jpg. Received: x.png"),
    "unknown scale": (["a.png", "--output=out", "--scale=3"], "Expected the scale 2 or its powers for "),
    "quality": (["a.png", "--output=out", "--quality=0"], "Expected --quality from 1 to 100. Received: 0"),
    "tile": (["a.png", "--output=out", "--tile=0"], "Expected --tile of at least 1. Received: 0"),
    "radius": (["a.png", "--output=out", "--radius=-1"], "Expected --radius of at least 0. Received: -1"),
    "threads": (["a.png", "--output=out", "--threads=0"], "Expected --threads from 1 to 1024. Received: 0"),
    "limit": (["a.png", "--output=out", "--max_megapixels=0"], "Expected --max_megapixels above 0. Received: 0"),
    "too large": (["a.png", "--output=out", "--max_megapixels=1e-6"], "Expected a result of at most 1e-06 megapixels"),
    "directory": (["a.png", "--output=full", "--overwrite"], "Received: full/a.png, a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(upscale_command, tmp_path, case):
    for name in ("a.png", "a.jpg", "in/a.png", "in/deep/b.png", "one/a.png", "q/a/b/1.png", "q/b/1.png"):
        picture(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "full/a.png").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/a.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "linked").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked/deep").symlink_to(tmp_path / "elsewhere")
    before = {name: (tmp_path / name).read_bytes() for name in everything_in(tmp_path)}
    arguments, words = REFUSED[case]
    code, out, err = upscale_command(*arguments)
    assert (code, out) == (2, "") and err.startswith("error: Expected ") and words in err and err.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in everything_in(tmp_path)} == before


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("espcn_x9", "Expected the model to be one of espcn_rgb_x3, "),
        ("absent.tflite", "Expected a .tflite file. Received: 'absent.tflite', which is not there"),
        ("absent.keras", "which is not there"),
        ("text.tflite", "Received: text.tflite"),
    ],
)
def test_refused_models(upscale_command, tmp_path, model, words):
    picture(tmp_path / "a.png")
    (tmp_path / "text.tflite").write_text("no network")
    code, out, err = upscale_command("a.png", "--output=out", model=model)
    assert (code, out) == (2, "") and err.startswith("error: Expected ") and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png"], "required: --output"),
        (["--output=out"], "required: IN"),
        (["a.png", "--output=out", "--overwrite", "--skip"], "not allowed with argument"),
        (["a.png", "--output=out", "--format=gif"], "bmp. Received: 'gif'"),
        (["a.png", "--output=out", "--tile=x"], "--tile takes a whole number. Received: 'x'"),
        (["a.png", "--output=out", "--unknown"], "There is no flag --unknown. "),
    ],
)
def test_refused_flags(upscale_command, arguments, words):
    code, _, err = upscale_command(*arguments)
    assert code == 2 and words in err


@pytest.mark.parametrize(("flags", "scale"), [([], 2), (["--scale=3"], 3)])
def test_without_a_model_the_scales_best_preset_is_taken_and_named(flags, scale, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = picture(tmp_path / "a.png")
    assert main(["a.png", "--output=b.png", *flags]) == 0
    name = best_presets()[scale]
    assert capsys.readouterr().err == f"note: enlarged by {name}; `zoo presets` lists others for --model\n"
    assert np.array_equal(np.asarray(Image.open("b.png")), upscale(np.asarray(Image.open(source)), name))
    assert main(["a.png", "--output=c.png", f"--model={name}"]) == 0 and capsys.readouterr().err == ""


def test_scale_repeats_the_network(upscale_command, tmp_path):
    source = picture(tmp_path / "a.png", channels=1)
    assert upscale_command("a.png", "--output=b.png", "--scale=8")[0] == 0
    samples = np.asarray(Image.open(source))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), samples.repeat(8, 0).repeat(8, 1))


def test_a_bar_on_a_terminal(upscale_command, tmp_path, monkeypatch):
    picture(tmp_path / "in/a.png")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, _, err = upscale_command("in", "--output=out")
    assert code == 0 and "1.0/1 done" in err
