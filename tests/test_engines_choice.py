"""The engine that was the fastest when it was measured: kept, and taken again."""

import json
import logging
import subprocess
import sys

import pytest
from engine_cases import Shifted, install

from zoo import machine
from zoo.engines import choices, kinds, measuring, opening
from zoo.engines.choices import Choice
from zoo.engines.engine import Unfit
from zoo.engines.kinds import Kind
from zoo.engines.tflite import TFLiteEngine

# What another size takes.
READY = {"b": 2.0}


@pytest.fixture
def three(monkeypatch):
    """Three kinds beside TFLite, one of them wrong, and the seconds that they take; returns those, to be changed."""

    def absent(engine):
        raise ImportError("no module named d")

    made = {
        "a": Kind(lambda engine: Shifted(engine, "a"), cells=True),
        "b": Kind(lambda engine: Shifted(engine, "b")),
        "wrong": Kind(lambda engine: Shifted(engine, "wrong", 1e-2)),
        "d": Kind(absent),
        "TFLite": Kind(lambda engine: engine),
    }
    install(monkeypatch.setattr, made, ["a", "TFLite"])
    seconds = {"a": 0.2, "b": 0.1, "TFLite": 0.3}
    counts = []

    def times(engines):
        counts.append([*engines])
        return {name: measuring.Time(seconds[name], READY.get(name, 0)) for name in engines}

    monkeypatch.setattr(measuring, "times", times)
    return seconds, counts


def test_a_disturbed_measurement_is_mended_by_the_next_processes(cache, three, tflite, monkeypatch):
    """Each of three processes measures once, the least time of each kind counts, and there it ends."""
    seconds, counts = three
    path = tflite("luma")
    found = []
    for disturbed in ({"b": 0.5}, {"b": 0.1, "a": 0.6}, {}, {"a": 0.01}):
        monkeypatch.setattr(choices, "KNOWN", {})
        monkeypatch.setattr(choices, "OWN", set())
        seconds.update(disturbed)
        found.append((opening.open_engine(path, measure=True).kind, opening.open_engine(path, measure=True).kind))
    assert found == [("a", "a"), ("b", "b"), ("b", "b"), ("b", "b")] and len(counts) == choices.ENOUGH == 3
    (record,) = cache.iterdir()
    stored = json.loads(record.read_text())
    assert stored["seconds"] == {"a": 0.2, "b": 0.1, "TFLite": 0.3} and stored["measurements"] == 3
    # Who only looks takes what is known so far.
    assert opening.open_engine(path).kind == "b"


def test_it_is_measured_once_kept_and_taken_again(cache, three, tflite, monkeypatch):
    seconds, counts = three
    path = tflite("luma")
    assert opening.open_engine(path).kind == "a" and not cache.exists()
    assert opening.open_engine(path, measure=True).kind == "b"
    assert counts == [["a", "b", "TFLite"]]
    (record,) = cache.iterdir()
    stored = json.loads(record.read_text())
    assert stored["seconds"] == seconds and stored["of"]["processor"] == machine.processor_model()
    assert stored["refused"] == {"wrong": "another result than TFLite's", "d": "not installed (no module named d)"}
    for known in (choices.KNOWN, {}):
        monkeypatch.setattr(choices, "KNOWN", known)
        assert opening.open_engine(path).kind == opening.open_engine(path, measure=True).kind == "b"
    assert len(counts) == 1
    # Where it has to get ready for each picture, another one is ahead.
    assert opening.open_engine(path, sizes=True).kind == "a"
    # Without cells the next one in time, not the next of the guess.
    seconds.update(a=0.05, TFLite=0.06)
    engine = TFLiteEngine(path.read_bytes(), "luma")
    assert [*opening.measured(engine).order()] == ["a", "TFLite", "b"]
    assert (
        opening.open_engine(path).kind == "a"
        and opening.fastest(engine, opening.Choosing(cells=False)).kind == "TFLite"
    )


@pytest.mark.parametrize("name", ["luma", "luma3"])
def test_who_is_wrong_inside_its_margin_only_is_refused(tflite, monkeypatch, name):
    """Pictures go on mirrored: what is inside a window's margin is what people see."""

    class Inside(Shifted):
        def run_part(self, lr_image, rows, columns, ensemble=False):
            return super().run_part(lr_image, rows, columns, ensemble) + self.shift * (rows.start > 0)

        def run(self, lr_image):
            return self.original.run(lr_image)

    made = {f"{shift}": Kind(lambda engine, shift=shift: Inside(engine, "inside", shift)) for shift in (0.0, 1e-2)}
    install(monkeypatch.setattr, made, [])
    file = TFLiteEngine(tflite(name).read_bytes(), name)
    assert kinds.open_as("0.0", file).kind == "inside"
    with pytest.raises(Unfit, match="another result than TFLite's"):
        kinds.open_as("0.01", file)


def test_what_is_too_slow_to_be_measured_gets_the_guess(cache, three, tflite, monkeypatch):
    monkeypatch.setattr(measuring, "times", lambda engines: {})
    assert opening.open_engine(tflite("luma"), measure=True).kind == "a" and not cache.exists()


def test_it_holds_for_this_network_processor_threads_and_versions(cache, three, tflite, monkeypatch):
    opening.open_engine(tflite("luma"), 1, measure=True)
    assert opening.open_engine(tflite("luma"), 1).kind == "b"
    assert opening.open_engine(tflite("luma"), 2).kind == opening.open_engine(tflite("luma3"), 1).kind == "a"
    for name, other in (("processor_model", lambda: "another"), ("versions", lambda packages: {"ncnn": "9"})):
        with monkeypatch.context() as patch:
            patch.setattr(machine, name, other)
            assert opening.open_engine(tflite("luma"), 1).kind == "a"
    assert opening.open_engine(tflite("luma"), 1).kind == "b"


def test_nothing_is_measured_while_others_are_at_work(cache, three, tflite, monkeypatch):
    monkeypatch.setattr(machine, "taken", lambda: 0.9)
    assert opening.open_engine(tflite("luma"), measure=True).kind == "a" and not three[1]
    monkeypatch.setattr(machine, "taken", lambda: 0.1)
    assert opening.open_engine(tflite("luma"), measure=True).kind == "b"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"{}", b'{"of": 1}', "seconds: {}", "seconds: 3", 'seconds: {"b": "x"}', 'seconds: {"b": -1}'],
)
def test_a_damaged_record_is_as_none(cache, three, tflite, monkeypatch, content, shown_log):
    path = tflite("luma")
    opening.open_engine(path, measure=True)
    (record,) = cache.iterdir()
    if isinstance(content, str):
        stored = json.loads(record.read_text()) | {"seconds": json.loads(content.removeprefix("seconds: "))}
        content = json.dumps(stored).encode()
    record.write_bytes(content)
    monkeypatch.setattr(choices, "KNOWN", {})
    assert opening.open_engine(path).kind == "a"
    assert opening.open_engine(path, measure=True).kind == "b" and len(three[1]) == 2
    assert json.loads(record.read_text())["measurements"] == 1


def test_a_cache_that_cannot_be_written_or_read(three, tflite, tmp_path, monkeypatch, caplog, shown_log):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", "/proc/1/zoo"):
        monkeypatch.setenv("ZOO_CACHE", str(folder))
        monkeypatch.setattr(choices, "KNOWN", {})
        with caplog.at_level(logging.INFO, "zoo.engines"):
            assert opening.open_engine(tflite("luma"), measure=True).kind == "b"
        assert "for this process only" in caplog.text
        # In this process it is known.
        assert opening.open_engine(tflite("luma")).kind == "b"
    assert len(three[1]) == 2 and (tmp_path / "file").read_text() == "mine"


def test_a_user_without_a_home_folder(tflite, monkeypatch, shown_log):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("ZOO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(choices.Path, "home", nowhere)
    monkeypatch.setattr(choices, "KNOWN", {})
    key = choices.of("network", 1)
    assert choices.read(key) is None
    choices.keep(key, Choice({"tflite": 1.0}, {"tflite": 0.0}, {}))
    assert choices.read(key).order() == ["tflite"]


def test_two_processes_at_once(cache):
    """Each finds a whole record, its own or the other's, whenever it looks."""
    program = (
        "import sys; from zoo.engines import choices; key = choices.of('1' * 64, 1)\n"
        "for turn in range(1, 60):\n"
        "    choices.keep(key, choices.Choice({sys.argv[1] * 9999: turn}, {sys.argv[1] * 9999: 0}, {}, ''))\n"
        "    choices.KNOWN.clear()\n"
        "    assert [*choices.read(key).seconds][0][0] in 'ab'"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, name], stderr=subprocess.PIPE) for name in "ab"]
    assert [process.communicate(timeout=60)[1] for process in running] == [b"", b""]
    assert [process.returncode for process in running] == [0, 0]
    assert len([*cache.iterdir()]) == 1


def test_work_that_goes_on_keeps_its_engine(cache, three, tflite):
    path = tflite("luma")
    begun = opening.open_engine(path, measure=True)
    assert [*begun.kinds().values()] == ["b"]
    three[0].update(a=0.01)
    opening.measured(TFLiteEngine(path.read_bytes(), "luma"))
    assert opening.open_engine(path).kind == "a" and opening.open_engine(path, kinds=begun.kinds()).kind == "b"
    # What is no longer there, or computes something else now, is replaced; other networks are not concerned.
    for gone in ("d", "wrong", "never heard of"):
        assert opening.open_engine(path, kinds=dict.fromkeys(begun.kinds(), gone)).kind == "a"
    assert opening.open_engine(tflite("luma3"), kinds=begun.kinds()).kind == "a"


def test_who_was_not_asked_for_another_size_is_not_ready_at_once():
    first = choices.Choice({"near": 1.0, "far": 1.3}, {"near": 4.0}, {})
    assert first.order(sizes=True) == ["near", "far"]
    # Control: one that was asked and is ready at once is ahead.
    assert choices.Choice(first.seconds, {"near": 4.0, "far": 0.0}, {}).order(sizes=True) == ["far", "near"]
    later = choices.Choice({"near": 1.1, "far": 1.2}, {"far": 2.0, "near": 5.0}, {})
    assert later.and_before(first).ready == {"near": 4.0, "far": 2.0} == first.and_before(later).ready


def test_a_record_names_the_system_and_the_kinds():
    key = choices.of("0" * 64, 3)
    assert key["threads"] == 3 and key["kinds"] == sorted(kinds.KINDS) and "zoo" in key["versions"]
    assert Choice({"x": 0.2, "y": 0.1}, {"y": 0.9}, {}).order() == ["y", "x"]
    assert Choice({"x": 0.2, "y": 0.1}, {"x": 0.0, "y": 0.9}, {}).order(sizes=True) == ["x", "y"]
    assert Choice({"x": 0.2, "y": 0.1}, {"x": 0.0, "y": 0.7}, {}).order(sizes=True) == ["y", "x"]
