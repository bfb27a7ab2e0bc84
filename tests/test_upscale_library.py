"""A library of pictures through Apache Beam: what is done stays done, whatever ends the job.

`make test-all` makes the environment with Beam; the slow tests run the command there.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from upscale_cases import photo

from zoo.errors import UsageError
from zoo.upscale.__main__ import main
from zoo.upscale.manifest import Entry, Manifest, Work, append, sha256
from zoo.upscale.targets import Job

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-beam" / "bin" / "python"
PAGE = ROOT / "docs" / "library.md"
TWO = ["--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
WORK = Work("thin", "1234", {"1234": "TFLite"}, False, 95)


def entry(target: str, error: str | None = None, **fields) -> Entry:
    known = {"source": "/in/" + target, "input": "in", "output": "out", "work": WORK}
    known |= {"width": 9, "height": 6, "seconds": 0.5, "note": "", "error": error}
    return Entry(target, **known | fields)


def test_a_killed_job_leaves_what_it_did(tmp_path):
    manifest = Manifest(tmp_path / "out")
    with manifest.job({"a.png": Path("/in/a.png")}):
        append(manifest.part(), entry("a.png"))
        assert [*manifest.written()] == ["a.png"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]
    # As a job that is killed leaves it: a list, parts, and of one line a piece.
    job = manifest.job({"a.png": Path("/in/a.png"), "b.png": Path("/in/b.png"), "c.png": Path("/in/c.png")})
    job.__enter__()
    assert [json.loads(line)[2] is None for line in manifest.list.read_text().splitlines()] == [False, True, True]
    manifest.stop.touch()
    part = manifest.part()
    append(part, entry("b.png"))
    append(part, entry("a.png", "Expected a whole picture."))
    with part.open("a") as lines:
        lines.write(json.dumps("c.png")[:-2])
    # The system gives a killed job's lock back; here the job is still alive.
    with pytest.raises(UsageError, match="Expected one job at a time in .*out.* Received: a second one"):
        manifest.job({}).__enter__()
    expected = {"a.png": entry("a.png", "Expected a whole picture."), "b.png": entry("b.png")}
    assert manifest.entries() == expected
    job.gen.close()
    assert manifest.listed() == {"a.png", "b.png", "c.png"}
    assert Manifest(tmp_path / "out").entries() == expected
    with manifest.job({}):
        assert manifest.entries() == expected and manifest.written() == {} and not manifest.stop.exists()
    assert manifest.entries() == expected
    manifest.file.write_text('{"target": "a.png"}\n')
    with pytest.raises(UsageError, match="Expected a manifest in .*manifest.jsonl. Received: the line"):
        manifest.entries()


def test_done_is_this_result_of_this_picture_by_this_network(tmp_path):
    job = Job(tmp_path / "a.png", tmp_path / "out.png")
    job.source.write_bytes(b"picture")
    job.target.write_bytes(b"result")
    done = entry("out.png", input=sha256(job.source), output=sha256(job.target))
    assert done.is_done(WORK, job) and done.is_done(replace(WORK, preset="thin.tflite"), job)
    assert not replace(done, error="failed", output=None).is_done(WORK, job)
    for other in ({"network": "12"}, {"ensemble": True}, {"quality": 94}):
        assert not done.is_done(replace(WORK, **other), job)
    job.source.write_bytes(b"another")
    assert not done.is_done(WORK, job)
    job.source.write_bytes(b"picture")
    job.target.write_bytes(b"resul")
    assert not done.is_done(WORK, job)
    job.target.unlink()
    assert not done.is_done(WORK, job)


def test_refused_without_beam(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    Image.fromarray(photo(6, 9)).save("a.png")
    Path("a.mp4").touch()
    for arguments, words in (
        (["a.png", "--model=fsrcnn_x3"], "Expected Apache Beam for --runner (pip install 'subpixel-zoo[beam]', in an "),
        (["a.png", "--model=x.keras"], "Expected a preset or a .tflite file with --runner. Received: --model=x.keras"),
        (["a.mp4", "--model=fsrcnn_x3"], "Expected pictures with --runner. Received: a.mp4, a video"),
    ):
        assert main([*arguments, "--output=out", "--runner=DirectRunner"]) == 2
        assert capsys.readouterr().err.startswith(f"error: {words}")
    assert main(["a.png", "--model=fsrcnn_x3", "--output=out", "--direct_num_workers=2"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no flag --direct_num_workers. ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.png"]


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    if not PYTHON.exists():
        pytest.skip("no environment with Beam; make test-all makes it")
    return subprocess.Popen(
        [str(PYTHON), "-m", "zoo.upscale", *arguments],
        cwd=folder,
        env={"PATH": f"{PYTHON.parent}:/usr/bin:/bin", "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out, err


def wait_until_done(manifest: Manifest, count: int, process: subprocess.Popen) -> None:
    ends = time.monotonic() + 60
    while len(manifest.written()) < count:
        assert process.poll() is None and time.monotonic() < ends, process.communicate()
        time.sleep(0.02)


def library(folder: Path, count: int, corrupt: int = 0) -> None:
    for number in range(count):
        path = folder / f"photos/{number % 7}/{number:03d}.{('png', 'jpg', 'tif')[number % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        channels = 1 if number % 5 == 0 else 3
        image = photo(50 + number % 11, 71 + number % 13, channels, seed=number)
        Image.fromarray(image[..., 0] if channels == 1 else image).save(path)
        if number % 40 == 7 and number // 40 < corrupt:
            path.write_bytes(path.read_bytes()[:200])


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_two_hundred_pictures_killed_half_way_and_restarted(tmp_path):
    library(tmp_path, 200, corrupt=5)
    command = ["photos", "--model=fsrcnn_x3"]
    code, out, _ = run(tmp_path, *command, "--output=single")
    assert code == 2 and "195 written, 5 failed" in out
    process = start(tmp_path, *command, "--output=large", *TWO)
    manifest = Manifest(tmp_path / "large")
    wait_until_done(manifest, 70, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {target: each for target, each in manifest.entries().items() if each.error is None}
    assert 60 < len(done) < 180

    def written(target: str) -> tuple[int, int]:
        status = (tmp_path / "large" / target).stat()
        return status.st_ino, status.st_mtime_ns

    # A result that is no longer what was written, one that is gone, and one of a write that was cut off.
    changed, gone, *kept = done
    before = {target: written(target) for target in kept}
    (tmp_path / "large" / changed).write_bytes(b"something else")
    (tmp_path / "large" / gone).unlink()
    (tmp_path / "large" / kept[0]).with_name(f".{Path(kept[0]).name}.1.tmp").write_bytes(b"half")

    code, out, err = run(tmp_path, *command, "--output=large", *TWO)
    assert code == 2, err
    assert f"{195 - len(kept)} written, {len(kept)} skipped, 5 failed" in out
    assert {target: written(target) for target in kept} == before
    entries = manifest.entries()
    assert {target: entries[target] for target in kept} == {target: done[target] for target in kept}
    # Control: what had to be written again was.
    assert entries[changed].seconds != done[changed].seconds and entries[gone].seconds != done[gone].seconds

    received = contents(tmp_path / "large")
    lines = [json.loads(line) for line in received.pop("manifest.jsonl").decode().splitlines()]
    assert received == contents(tmp_path / "single")
    assert len(lines) == 200 and [line["target"] for line in lines] == sorted(entries)
    failed = [each for each in entries.values() if each.error]
    assert len(failed) == 5 and all("Expected a whole picture" in each.error for each in failed)
    for each in entries.values():
        assert each.work.preset == "fsrcnn_x3" and each.seconds > 0
        assert each.input == sha256(tmp_path / "photos" / each.target)
        assert each.output == (None if each.error else sha256(tmp_path / "large" / each.target))


@pytest.mark.slow
def test_stopped_in_order_and_by_the_loss_of_a_process(tmp_path):
    library(tmp_path, 120)
    command = ["photos", "--model=fsrcnn_x3", "--output=large", "--ensemble", *TWO]
    manifest = Manifest(tmp_path / "large")
    process = start(tmp_path, *command)
    wait_until_done(manifest, 5, process)
    # As Ctrl-C does: to every process of the command.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    count = len(manifest.entries())
    assert 5 <= count < 115 and f"{count} written, {120 - count} not tried (stopped)" in out
    # Nothing but whole results and the manifest is left.
    assert len(contents(tmp_path / "large")) == count + 1

    process = start(tmp_path, *command)
    wait_until_done(manifest, 5, process)
    os.kill(worker_of(process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (
        process.returncode == 2 and "error: Expected every process to last. Received: Worker subprocess exited" in err
    )
    assert len(manifest.entries()) >= count + 5


def worker_of(pid: int) -> int:
    """One of the processes that Beam started for a command."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,pgid=,args="], capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return next(
        int(each)
        for each, group, args in rows
        if int(group) == pid and "sdk_worker_main" in args and "sh -c" not in args
    )


@pytest.mark.slow
def test_what_is_there_and_what_is_wrong(tmp_path):
    library(tmp_path, 2)
    command = ["photos", "--output=out", "--model=fsrcnn_x3"]
    for flags, words in (
        (["--runner=Nonsense"], "Expected a runner that Beam knows. Received: --runner=Nonsense: Unexpected"),
        (
            ["--runner=no.such.Runner"],
            "Expected a runner that Beam knows. Received: --runner=no.such.Runner: No module",
        ),
        (["--runner=DirectRunner", "--direct_workers=2"], "flags that DirectRunner knows. Received: --direct_workers"),
        (["--runner=DirectRunner", "--direct_num_workers=x"], "Received: argument --direct_num_workers: invalid int"),
        (["--runner=DirectRunner", "--output=a.png"], "Expected a folder as output of 2 pictures. Received: a.png"),
    ):
        code, out, err = run(tmp_path, *command, *flags)
        assert code == 2 and out == "" and err.startswith("error: Expected ") and words in err, err
        assert err.count("\n") == 1 and not (tmp_path / "out").exists()
    code, _, err = run(tmp_path, "photos/0/000.png", "--output=a.png", "--model=fsrcnn_x3", "--runner=DirectRunner")
    assert (code, err) == (2, "error: Expected a folder as --output with --runner. Received: a.png\n")
    # A stranger's file is left alone until told otherwise; it is then the job's own.
    (tmp_path / "out/0").mkdir(parents=True)
    (tmp_path / "out/0/000.png").write_bytes(b"a stranger's")
    code, _, err = run(tmp_path, *command, "--runner=DirectRunner")
    assert code == 2 and "Expected new files, --overwrite or --skip. Received: out/0/000.png, there already" in err
    code, out, err = run(tmp_path, *command, "--skip", "--runner=DirectRunner")
    assert code == 0 and out.startswith("1 written, 1 skipped"), err
    assert (tmp_path / "out/0/000.png").read_bytes() == b"a stranger's"
    code, out, _ = run(tmp_path, *command, "--overwrite", "--runner=DirectRunner")
    assert code == 0 and out.startswith("1 written, 1 skipped")
    code, out, _ = run(tmp_path, *command, "--runner=DirectRunner")
    assert (code, out) == (0, "2 skipped\n")
    assert Image.open(tmp_path / "out/0/000.png").size == (213, 150)


@pytest.mark.slow
def test_another_runner_by_its_own_flags(tmp_path):
    library(tmp_path, 5, corrupt=0)
    if not PYTHON.exists():
        pytest.skip("no environment with Beam; make test-all makes it")
    server = subprocess.Popen(
        [str(PYTHON), "-m", "apache_beam.runners.portability.local_job_service_main", "--port_file=port"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    threading.Thread(target=server.stdout.read, daemon=True).start()
    try:
        ends = time.monotonic() + 60
        while not ((tmp_path / "port").exists() and (tmp_path / "port").read_text().strip()):
            assert server.poll() is None and time.monotonic() < ends
            time.sleep(0.1)
        port = (tmp_path / "port").read_text().strip()
        command = ["photos", "--model=fsrcnn_x3"]
        flags = ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"]
        code, out, err = run(tmp_path, *command, "--output=large.v2", *flags)
        assert code == 0 and out.startswith("5 written"), err
    finally:
        os.killpg(server.pid, signal.SIGKILL)
    assert run(tmp_path, *command, "--output=single")[0] == 0
    received = contents(tmp_path / "large.v2")
    received.pop("manifest.jsonl")
    assert received == contents(tmp_path / "single")


@pytest.mark.slow
def test_the_pages_commands_run(tmp_path):
    library(tmp_path, 4)
    commands = re.findall(r"^    zoo upscale (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    local = [shlex.split(command) for command in commands if "DirectRunner" in command]
    assert local
    for arguments in local:
        code, out, err = run(tmp_path, *arguments)
        assert code == 0, err
        output = next(each.partition("=")[2] for each in arguments if each.startswith("--output="))
        assert len(Manifest(tmp_path / output).entries()) == 4
