"""Files and folders that appear whole or not at all."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from zoo.errors import UsageError
from zoo.files import (
    alone,
    existing_file,
    existing_folder,
    file_to_write,
    in_place_of,
    sweep,
    whole_file,
    write_json,
)


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


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert existing_file(tmp_path / "file") == tmp_path / "file" and existing_folder(str(tmp_path)) == tmp_path
    for name, what in (("", "a folder"), ("pipe", "no regular file"), ("gone", "which is not there"),
                       ("dangling", "which is not there")):  # fmt: skip
        with pytest.raises(UsageError) as refused:
            existing_file(tmp_path / name, "a video")
        assert str(refused.value) == f"Expected a video. Received: {str(tmp_path / name)!r}, {what}"
    for name, what in (("file", "which is no folder"), ("gone", "which is not there")):
        with pytest.raises(UsageError, match=f"^Expected a folder. Received: '.*{name}', {what}$"):
            existing_folder(tmp_path / name)


def test_a_file_takes_no_folders_place(tmp_path):
    """As `--json=results` would, where the results so far lie in the folder `results`."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="Expected a file's name to write to. Received: '.*results', a folder"):
        write_json(tmp_path / "results", {})
    assert [path.name for path in tmp_path.rglob("*")] == ["results", "mine.txt"]
    for path, words in ((tmp_path / "results", "a folder"), (tmp_path / "gone" / "x", "which is not there")):
        with pytest.raises(UsageError, match=words):
            file_to_write(path)
    assert file_to_write(tmp_path / "x") == tmp_path / "x"


def test_what_is_replaced_is_said(tmp_path):
    assert in_place_of(tmp_path / "gone") == ""
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("mine")
    assert in_place_of(tmp_path / "empty") == ""
    assert in_place_of(tmp_path / "full") == in_place_of(tmp_path) == ", in place of what was there"


def test_an_empty_name_is_no_folder():
    """As in `--data=,`: the folder that one stands in was not meant."""
    with pytest.raises(UsageError, match="^Expected a folder. Received: '', which is not there$"):
        existing_folder("")


@pytest.mark.parametrize("anew", [False, True])
def test_a_folder_that_its_holder_removes_meanwhile_is_not_held(tmp_path, monkeypatch, anew):
    fcntl = pytest.importorskip("fcntl", reason="folders are not locked on Windows")
    folder, flock = tmp_path / "parts", fcntl.flock
    folder.mkdir()

    def as_it_ended(handle, how):
        folder.rename(tmp_path / "gone")
        if anew:
            folder.mkdir()
        flock(handle, how)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", as_it_ended)
        with pytest.raises(UsageError, match="Received: a second one, as the first ended"), alone(folder, "video"):
            pytest.fail("held what is gone")
    folder.mkdir(exist_ok=True)
    with alone(folder, "video"), pytest.raises(UsageError, match="a second one$"), alone(folder, "video"):
        pytest.fail("held twice")
