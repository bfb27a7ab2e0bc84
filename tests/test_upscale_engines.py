"""Work that goes on is done in the engine that it began in, whatever is the fastest by now."""

import subprocess
from pathlib import Path

import pytest
from engine_cases import install_shifted, measured
from upscale_cases import picture

from zoo.upscale import __main__ as command
from zoo.upscale import open_engine
from zoo.upscale.manifest import Entry, Manifest, Work, append
from zoo.upscale.targets import Job

pytest.importorskip("av", reason="PyAV is not installed (the extra [video])")
from video_cases import clip, frames, packets

from zoo.upscale.video import VideoOptions, upscale_video

BEAM = Path(__file__).parent.parent / ".venv-beam" / "bin" / "python"


@pytest.fixture
def shifted(cache, monkeypatch):
    """Two kinds of engine whose pictures differ visibly."""
    install_shifted(monkeypatch.setattr)


@pytest.fixture
def stopped(shifted, tflite, tmp_path, monkeypatch):
    """A video of which a part is done, in "b"; from then on "a" is the fastest. The whole in "b" and in "a"."""
    # As the command makes them, but for the segments' length.
    monkeypatch.setattr(VideoOptions.__init__, "__defaults__", (None, False, 17, "veryfast", 300.0, 0.25))
    options = VideoOptions(None, False, 0, max_megapixels=300.0)
    source = clip(tmp_path / "in.mp4", count=40)
    assert (guess := open_engine(tflite("luma"))).kind == "a"
    measured(guess, "b")
    engine = open_engine(tflite("luma"))
    for name, each in (("a", guess), ("b", engine)):
        assert upscale_video(Job(source, tmp_path / f"{name}.mp4"), each, options).state == "written"
    seen = []
    job = Job(source, tmp_path / "out.mp4")
    row = upscale_video(job, engine, options, stopped=lambda: seen.append(1) or len(seen) == 30)
    assert row.state == "not tried" and (job.parts / "000001.nut").exists()
    measured(guess, "a")
    assert open_engine(tflite("luma")).kind == "a"
    return job


def test_a_video_goes_on_in_the_engine_that_it_began_in(stopped, upscale_command, tflite, tmp_path):
    code, out, err = upscale_command("in.mp4", "--output=out.mp4", "--crf=0", model=tflite("luma"))
    assert (code, err) == (0, "") and "went on after" in out
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    # Control: the other engine would have shown.
    other, own = frames(tmp_path / "a.mp4")[-1], frames(stopped.target)[-1]
    assert packets(tmp_path / "a.mp4", "video") != packets(tmp_path / "b.mp4", "video")
    assert (other[1][0] != own[1][0]).any()


def test_a_video_whose_engine_is_gone_is_made_anew_and_that_is_said(stopped, upscale_command, tflite, tmp_path):
    from zoo.engines import kinds

    del kinds.KINDS["b"]
    code, out, err = upscale_command("in.mp4", "--output=out.mp4", "--crf=0", model=tflite("luma"))
    assert code == 0 and "went on" not in out
    assert "an earlier run computed with b, this one does with a: all was made anew" in " ".join(out.split())
    assert err == "note: this was begun in b, which is not here, and is made anew in a\n"
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize("kinds", ["3", "[1]", '{"x": [1]}', "null"])
def test_a_record_with_other_things_in_the_engines_place(stopped, upscale_command, tflite, tmp_path, kinds):
    path = stopped.parts / "work.json"
    text = path.read_text()
    begin, end = text.index('"kinds": {') + len('"kinds": '), text.index("}", text.index('"kinds": {')) + 1
    path.write_text(text[:begin] + kinds + text[end:])
    code, out, err = upscale_command("in.mp4", "--output=out.mp4", "--crf=0", model=tflite("luma"))
    assert (code, err) == (0, "") and "anew" in out
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize("large", [False, True])
def test_larger_work_is_measured_first(shifted, upscale_command, tflite, tmp_path, monkeypatch, large):
    from zoo.engines import measuring

    monkeypatch.setattr(measuring, "times", lambda engines: {"a": measuring.Time(0.2), "b": measuring.Time(0.1)})
    monkeypatch.setattr(command, "MEASURED", picture(tmp_path / "in/a.png").stat().st_size + (not large))
    assert upscale_command("in", "--output=out", model=tflite("luma"))[0] == 0
    assert open_engine(tflite("luma")).kind == ("b" if large else "a")


def test_a_manifest_tells_the_engines_of_its_jobs(tmp_path):
    manifest = Manifest(tmp_path)
    assert manifest.kinds() == {}
    manifest.folder.mkdir()
    for file, kinds in ((manifest.file, {"1": "a"}), (manifest.part(), {"2": "b"})):
        work = Work("x", " ".join(kinds), kinds, False, 95)
        append(file, Entry("".join(kinds), "/in", "1", "2", work, 1, 1, 0.5, "", None))
    assert manifest.kinds() == {"1": "a", "2": "b"}


LIBRARY = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from engine_cases import install_shifted, measured
from zoo.engines import choices, open_engine
from zoo.upscale.__main__ import main
install_shifted(setattr)
model, best = sys.argv.pop(1), sys.argv.pop(1)
measured(open_engine(model, 1), best, 1)
sys.exit(main())
"""


@pytest.mark.slow
def test_every_worker_of_a_library_keeps_to_its_engine(tflite, tmp_path):
    if not BEAM.exists():
        pytest.skip("no environment with Beam; make test-all makes it")
    for number in range(3):
        picture(tmp_path / f"in/{number}.png", seed=number)

    def run(best: str, output: str) -> dict[str, bytes]:
        model = str(tflite("luma"))
        arguments = [model, best, "in", f"--output={output}", f"--model={model}", "--runner=DirectRunner"]
        command = [str(BEAM), "-c", LIBRARY, str(Path(__file__).parent), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / output).glob("*.png")}

    begun = run("b", "out")
    (tmp_path / "out/1.png").unlink()
    assert run("a", "out") == begun
    # Control: a job that begins anew takes the faster one.
    assert run("a", "other")["1.png"] != begun["1.png"]
    works = [entry.work for entry in Manifest(tmp_path / "out").entries().values()]
    assert [[*work.kinds.values()] for work in works] == [["b"]] * 3
