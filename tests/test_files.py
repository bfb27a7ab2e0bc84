"""Files and folders that appear whole or not at all."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from zoo.files import sweep, whole_file, write_json


def test_an_interrupted_write_leaves_nothing_that_looks_whole(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.tflite") as unfinished:
        unfinished.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]
    assert (tmp_path / "a.tflite").read_bytes() == b"before"


def test_a_killed_write_leaves_no_file_that_looks_whole(tmp_path):
    program = (
        "import os, signal; from zoo.files import whole_file\n"
        f"with whole_file({str(tmp_path / 'a.tflite')!r}) as path:\n"
        "    path.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -9
    assert not list(tmp_path.glob("*.tflite")) and not (tmp_path / "a.tflite").exists()


def test_a_whole_folder_takes_the_place_of_an_old_one(tmp_path):
    for name, content in itertools.product(("folder", "old"), ("old", "new")):
        with whole_file(tmp_path / name) as unfinished:
            unfinished.mkdir()
            (unfinished / content).write_text(content, encoding="utf-8")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["folder", "folder/new", "old", "old/new"]


def test_sweeping_takes_only_what_was_left_of_these_files(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "deep/a.png") as unfinished:
        unfinished.write_bytes(b"half")
        # The name that `whole_file` really uses.
        hidden = unfinished.parent
        left = hidden.rename(hidden.with_name(hidden.name.replace(str(os.getpid()), "123")))
        raise KeyboardInterrupt
    for name in (".b.png.7.tmp", "a.png", ".a.png.tmp"):
        (tmp_path / "deep" / name).touch()
    sweep([tmp_path / "deep/a.png", tmp_path / "absent/a.png"])
    assert left.name.startswith(".a.png.123-")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [".a.png.tmp", ".b.png.7.tmp", "a.png"]


def test_two_processes_of_one_number_write_beside_each_other(tmp_path):
    with whole_file(tmp_path / "a.txt") as one, whole_file(tmp_path / "a.txt") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one" and len(list(tmp_path.iterdir())) == 1


def test_what_may_still_be_written_is_not_swept(tmp_path):
    left = tmp_path / ".a.png.123-0.tmp"
    left.mkdir()
    sweep([tmp_path / "a.png"], age=60)
    assert left.exists()
    os.utime(left, (0, 0))
    sweep([tmp_path / "a.png"], age=60)
    assert not left.exists()


def test_what_cannot_be_json_leaves_the_file_before(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"Ä": [1, 2.5]})
    with pytest.raises(TypeError):
        write_json(tmp_path / "deep" / "a.json", {"b": object()})
    assert json.loads((tmp_path / "deep" / "a.json").read_text(encoding="utf-8")) == {"Ä": [1, 2.5]}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_json_has_no_infinity(tmp_path):
    write_json(tmp_path / "a.json", {"a": float("inf"), "b": [float("nan"), 1.5, (2,)]})
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, 1.5, [2]],
    }
