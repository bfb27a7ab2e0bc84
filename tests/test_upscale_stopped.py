"""`python -m zoo.upscale` on the way: many at a time, a stop, a full disk, memory, and what is left behind."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from upscale_cases import everything_in, picture

from zoo.upscale import files as work
from zoo.upscale import open_engine
from zoo.upscale.files import Options, upscale_file, upscale_files
from zoo.upscale.targets import Job


def test_many_side_by_side_are_what_one_by_one_gives(tflite, tmp_path, monkeypatch):
    engine = open_engine(tflite("thin"))
    planned = []
    for index in range(9):
        suffix = (".png", ".jpg", ".webp")[index % 3]
        source = picture(tmp_path / f"{index}{suffix}", 20 + 7 * index, 60 - 5 * index, seed=index)
        planned.append(Job(source, tmp_path / "many" / source.name))
    (tmp_path / "4.jpg").write_bytes(b"broken")
    for budget in (work.MEMORY, 1):
        # With one byte of memory each picture waits until the one before it is written.
        monkeypatch.setattr(work, "MEMORY", budget)
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


def test_a_full_disk_ends_the_work(upscale_command, tmp_path, monkeypatch):
    for index in range(8):
        picture(tmp_path / f"in/{index}.png")
    save, written = work.pictures.save, []

    def full(result, target, *options):
        if written:
            raise OSError(28, "No space left on device", str(target))
        written.append(target)
        save(result, target, *options)

    monkeypatch.setattr(work.pictures, "save", full)
    code, out, _ = upscale_command("in", "--output=out")
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
