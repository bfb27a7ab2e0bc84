"""`python -m zoo.upscale`: what it writes, what it refuses, and what it leaves behind when it is stopped."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from PIL import Image
from upscale_cases import files, photo

from zoo.upscale import files as work
from zoo.upscale import open_engine, upscale
from zoo.upscale.__main__ import main
from zoo.upscale.files import Options, upscale_file, upscale_files
from zoo.upscale.targets import Job, jobs


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    return files(tmp_path_factory.getbasetemp())


@pytest.fixture
def command(tflite, tmp_path, monkeypatch, capsys):
    """Runs the command in the test's folder; gives the exit code, what it printed and what it complained of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)

    def run(*arguments: str, model=None):
        capsys.readouterr()
        with warnings.catch_warnings():
            try:
                code = main([*arguments, f"--model={model or tflite('nearest')}"])
            except SystemExit as left:
                code = left.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def picture(path, height=12, width=17, channels=3, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = photo(height, width, channels, seed=seed)
    Image.fromarray(image[..., 0] if channels == 1 else image).save(path)
    return path


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_one_picture_into_a_file_and_into_a_folder(command, tflite, tmp_path):
    source = picture(tmp_path / "a.png")
    code, out, err = command("a.png", "--output=b.png")
    assert (code, err) == (0, "") and out.startswith("1 written: 0.0 megapixels in ")
    expected = upscale(np.asarray(Image.open(source)), tflite("nearest"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), expected)
    code, _, _ = command("a.png", "--output=new/folder", "--format=bmp")
    assert code == 0 and everything_in(tmp_path) == ["a.png", "b.png", "new/folder/a.bmp"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new/folder/a.bmp")), expected)


def test_a_folder_keeps_its_shape_and_is_not_fed_its_own_results(command, tmp_path):
    for name in ("in/a.png", "in/deep/b.JPG", "in/deep/er/c.webp", "in/.hidden/x.png", "in/.y.png"):
        picture(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no picture")
    (tmp_path / "in/x.png").mkdir()
    for _ in range(2):
        code, out, _ = command("in", "--output=in/large", "--overwrite")
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


def test_what_is_there_is_overwritten_or_skipped_as_told(command, tmp_path):
    picture(tmp_path / "in/a.png"), picture(tmp_path / "in/b.png")
    assert command("in", "--output=out")[0] == 0
    (tmp_path / "out/a.png").write_bytes(b"old")
    code, _, err = command("in", "--output=out")
    assert (code, err) == (
        2,
        "error: Expected new files, --overwrite or --skip. Received: out/a.png and 1 more, there already\n",
    )
    code, out, _ = command("in", "--output=out", "--skip")
    assert (code, out) == (0, "2 skipped\n") and (tmp_path / "out/a.png").read_bytes() == b"old"
    (tmp_path / "out/b.png").unlink()
    assert command("in", "--output=out", "--skip")[1].startswith("1 written, 1 skipped: ")
    assert command("in", "--output=out", "--overwrite")[1].startswith("2 written: ")
    assert Image.open(tmp_path / "out/a.png").size == (34, 24)


def test_what_fails_is_named_and_the_rest_is_done(command, tmp_path):
    for index in range(5):
        picture(tmp_path / f"in/{index}.png", seed=index)
    whole = (tmp_path / "in/2.png").read_bytes()
    (tmp_path / "in/2.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in/3.png").write_bytes(b"")
    code, out, err = command("in", "--output=out")
    assert (code, err) == (2, "") and everything_in(tmp_path / "out") == ["0.png", "1.png", "4.png"]
    rows = [line for line in out.splitlines() if "failed" in line]
    assert len(rows) == 3 and "in/2.png" in rows[0] and "truncated" in rows[0] and "in/3.png" in rows[1]
    assert rows[2].startswith("3 written, 2 failed: ")
    # One picture alone: one sentence.
    code, out, err = command("in/3.png", "--output=x.png")
    assert code == 2 and out == "" and err.startswith("error: Expected a whole picture (.png")


REFUSED = {
    "nothing there": (["absent.png", "--output=out"], "a pattern. Received: 'absent.png', which is not there"),
    "empty folder": (["empty", "--output=out"], "Expected a folder with pictures (.png, "),
    "empty pattern": (["*.tif", "--output=out"], "Expected a pattern that matches pictures. Received: '*.tif'"),
    "file for many": (["in", "--output=x.png"], "Expected a folder as output of 2 pictures. Received: x.png"),
    "file for a folder of one": (["one", "--output=x.png"], "as output of 1 pictures. Received: x.png"),
    "output is a text": (["a.png", "--output=notes.txt"], "Expected a folder or a picture's name (.png, "),
    "onto itself": (["a.png", "--output=a.png", "--overwrite"], "Expected an output other than the picture itself."),
    "onto itself in a folder": (["in", "--output=in", "--overwrite"], "the picture itself. Received: in/a.png"),
    "onto itself by a link": (["a.png", "--output=link", "--overwrite"], "Received: link/a.png"),
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
    "limit": (["a.png", "--output=out", "--max-megapixels=0"], "Expected --max-megapixels above 0. Received: 0"),
    "too large": (["a.png", "--output=out", "--max-megapixels=1e-6"], "Expected a result of at most 1e-06 megapixels"),
    "directory": (["a.png", "--output=full", "--overwrite"], "Received: full/a.png, a directory"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(command, tmp_path, case):
    for name in ("a.png", "a.jpg", "in/a.png", "in/deep/b.png", "one/a.png"):
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
    code, out, err = command(*arguments)
    assert (code, out) == (2, "") and err.startswith("error: Expected ") and words in err and err.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in everything_in(tmp_path)} == before


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("espcn_x9", "Expected a preset ("),
        ("absent.tflite", "Expected a .tflite file. Received: 'absent.tflite', which is not there"),
        ("absent.keras", "which is not there"),
        ("text.tflite", "Received: text.tflite: "),
    ],
)
def test_refused_models(command, tmp_path, model, words):
    picture(tmp_path / "a.png")
    (tmp_path / "text.tflite").write_text("no network")
    code, out, err = command("a.png", "--output=out", model=model)
    assert (code, out) == (2, "") and err.startswith("error: Expected ") and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png"], "required: --output"),
        (["--output=out"], "required: IN"),
        (["a.png", "--output=out", "--overwrite", "--skip"], "not allowed with argument"),
        (["a.png", "--output=out", "--format=gif"], "invalid choice: 'gif'"),
        (["a.png", "--output=out", "--tile=x"], "invalid int value: 'x'"),
        (["a.png", "--output=out", "--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_refused_flags(command, arguments, words):
    code, _, err = command(*arguments)
    assert code == 2 and words in err


def test_scale_repeats_the_network(command, tmp_path):
    source = picture(tmp_path / "a.png", channels=1)
    assert command("a.png", "--output=b.png", "--scale=8")[0] == 0
    samples = np.asarray(Image.open(source))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), samples.repeat(8, 0).repeat(8, 1))


def test_many_side_by_side_are_what_one_by_one_gives(tflite, tmp_path, monkeypatch):
    engine = open_engine(tflite("thin"))
    planned = []
    for index in range(9):
        suffix = (".png", ".jpg", ".webp")[index % 3]
        source = picture(tmp_path / f"{index}{suffix}", 20 + 7 * index, 60 - 5 * index, seed=index)
        planned.append(Job(source, tmp_path / "many" / source.name))
    (tmp_path / "4.jpg").write_bytes(b"broken")
    for budget in (work._MEMORY, 1):
        # With one byte of memory each picture waits until the one before it is written.
        monkeypatch.setattr(work, "_MEMORY", budget)
        done = []
        rows = list(upscale_files(planned, engine, Options(), progress=done.append))
        assert [row.job for row in rows if row.state == "failed"] == [planned[4]]
        assert {row.job for row in rows} == set(planned) and sum(done) == pytest.approx(9)
        for job in planned:
            row = upscale_file(Job(job.source, tmp_path / "one" / job.source.name), engine, Options())
            if job is planned[4]:
                assert row.state == "failed" and not job.target.exists()
            else:
                assert job.target.read_bytes() == row.job.target.read_bytes()
        shutil.rmtree(tmp_path / "many")


def test_a_full_disk_ends_the_work(command, tmp_path, monkeypatch):
    for index in range(8):
        picture(tmp_path / f"in/{index}.png")
    save, written = work.pictures.save, []

    def full(result, target, *options):
        if written:
            raise OSError(28, "No space left on device", str(target))
        written.append(target)
        save(result, target, *options)

    monkeypatch.setattr(work.pictures, "save", full)
    code, out, _ = command("in", "--output=out")
    assert code == 2 and "No space left on device: " in out
    assert out.splitlines()[-1].startswith("1 written, ") and "not tried (the disk is full): " in out.splitlines()[-1]
    assert everything_in(tmp_path / "out") == ["0.png"]


def started(tmp_path, tflite, *arguments, **options):
    command = [sys.executable, "-m", "zoo.upscale", "in", "--output=out", f"--model={tflite('thin')}", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=tmp_path, **pipes, **options)


def test_files_that_may_not_grow_are_not_left_half_written(tflite, tmp_path):
    """A real write that fails half-way: the system lets no file of the process grow beyond 20 kB."""
    picture(tmp_path / "in/small.png", 10, 10), picture(tmp_path / "in/large.png", 150, 150)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    process = started(tmp_path, tflite, preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "File too large" in out and "Traceback" not in err
    assert everything_in(tmp_path / "out") == ["small.png"]


def test_a_folder_that_cannot_be_written_is_refused(tflite, tmp_path):
    if os.geteuid() == 0:
        # Root may write anywhere but into the kernel's own folders.
        picture(tmp_path / "a.png")
        code = "import sys; from zoo.upscale.__main__ import main; sys.exit(main())"
        arguments = ["a.png", "--output=/proc/1/out", f"--model={tflite('nearest')}"]
        process = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    else:
        picture(tmp_path / "in/a.png")
        (tmp_path / "out").mkdir(mode=0o555)
        process = started(tmp_path, tflite)
        process.stdout, process.stderr = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in process.stderr
    assert process.stderr.startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_stopped_goes_on_where_it_was(tflite, tmp_path, number):
    for index in range(40):
        picture(tmp_path / f"in/{index:02}.png", 200, 300, seed=index)
    process = started(tmp_path, tflite)
    deadline = time.monotonic() + 60
    while not any((tmp_path / "out").glob("0*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    done = sorted(path for path in (tmp_path / "out").glob("*.png"))
    assert 0 < len(done) < 40
    for path in done:
        Image.open(path).load()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number and "Traceback" not in err
        assert out.startswith(f"{len(done)} written, {40 - len(done)} not tried (stopped): ")
        assert everything_in(tmp_path / "out") == [path.name for path in done]
    written = {path: path.stat().st_mtime_ns for path in done}
    process = started(tmp_path, tflite, "--skip")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and out.startswith(f"{40 - len(done)} written, {len(done)} skipped: ")
    assert {path: path.stat().st_mtime_ns for path in done} == written
    assert len([path for path in (tmp_path / "out").glob("*.png")]) == 40


def test_the_command_needs_no_tensorflow(tflite, tmp_path):
    picture(tmp_path / "in/a.png")
    code = (
        "import sys; from zoo.upscale.__main__ import main; code = main(); "
        "sys.exit(code or ', '.join({'keras', 'tensorflow', 'rich', 'skimage'} & set(sys.modules)) or 0)"
    )
    arguments = ["in", "--output=out", f"--model={tflite('nearest')}"]
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stderr) == (0, "")


# VmHWM, not getrusage: that one remembers the process which this one was forked from.
PEAK = """
from zoo.upscale.__main__ import main
assert main() == 0
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_memory_grows_by_the_picture_and_its_result_alone(tflite, tmp_path):
    peaks = []
    for height in (1500, 3500):
        Image.new("RGB", (3000, height), (90, 120, 30)).save(tmp_path / "in.png")
        command = [
            sys.executable,
            "-c",
            PEAK,
            "in.png",
            "--output=out.png",
            "--overwrite",
            f"--model={tflite('nearest')}",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-2]) * 1024)
    # Pillow holds 4 bytes a pixel; 6 megapixels more come in, 24 more go out.
    more = 4 * (6e6 + 24e6)
    assert 0.9 * more < peaks[1] - peaks[0] < 1.2 * more
    assert peaks[1] < 400e6


def test_a_bar_on_a_terminal(command, tmp_path, monkeypatch):
    picture(tmp_path / "in/a.png")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, _, err = command("in", "--output=out")
    assert code == 0 and "1.0/1 done" in err
