"""The manifest of a library: links in the output are not followed, damaged lines are one sentence."""

import contextlib
import dataclasses
import json
import os
import resource

import pytest

from zoo.errors import UsageError
from zoo.upscale.manifest import Entry, Manifest, Work, append, sha256

WORK = Work("fsrcnn_x2", "0" * 64, {"0" * 64: "TFLite"}, False, 95)
ENTRY = Entry("a.png", "/in/a.png", "1" * 64, "2" * 64, WORK, 10, 20, 0.5, "", None)


@pytest.fixture
def precious(tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "file").write_text("mine")
    yield folder
    assert (folder / "file").read_text() == "mine" and os.listdir(folder) == ["file"]


@pytest.mark.parametrize("name", ["lock", "stop", "list.jsonl"])
def test_links_in_its_folder_are_not_followed(tmp_path, precious, name):
    manifest = Manifest(tmp_path / "out")
    manifest.folder.mkdir(parents=True)
    (manifest.folder / name).symlink_to(precious / ("file" if name != "stop" else "new"))
    with manifest.job({}):
        (manifest.stop).unlink(missing_ok=True)
        (manifest.stop).symlink_to(precious / "new")
        manifest.ask_to_stop()
    assert not manifest.folder.exists()


def test_a_link_in_its_place_is_refused(tmp_path, precious):
    manifest = Manifest(tmp_path / "out")
    manifest.output.mkdir()
    manifest.folder.symlink_to(precious)
    with pytest.raises(UsageError, match="Received: a link"), manifest.job({}):
        pass


@pytest.mark.parametrize(
    "line", [b"{\xff}\n", b"[1]\n", b"null\n", b'{"target": 3}\n', b"{}\n", b"text\n", b'{"work": {}}\n', b"5\n"]
)
def test_damaged_lines_are_one_sentence(tmp_path, line):
    manifest = Manifest(tmp_path)
    append(manifest.file, ENTRY)
    manifest.file.write_bytes(manifest.file.read_bytes() + line)
    with pytest.raises(UsageError, match="Expected a manifest in .*manifest.jsonl. Received: the line"):
        manifest.entries()
    # What was listed when a job was killed is listed anew.
    manifest.folder.mkdir()
    manifest.list.write_bytes(json.dumps(["/in/a.png", "a.png", None]).encode() + b"\n" + line)
    assert manifest.listed() <= {"a.png"}


@pytest.mark.parametrize("name", ["target", "source", "note", "error"])
def test_texts_that_are_none_are_damage(tmp_path, name):
    manifest = Manifest(tmp_path)
    append(manifest.file, dataclasses.replace(ENTRY, **{name: 3}))
    with pytest.raises(UsageError, match="Expected a manifest in"):
        manifest.entries()


def test_a_large_file_is_read_in_pieces(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(400 << 20)  # sparse: no room is taken
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sha256(path) and sha256(tmp_path / "absent") is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_line_that_is_being_written_is_left_for_later(tmp_path, monkeypatch):
    manifest = Manifest(tmp_path)
    manifest.folder.mkdir()
    part = manifest.part()
    append(part, ENTRY)
    line = part.read_text(encoding="utf-8")
    other = line.replace("a.png", "b.png")
    # What a reader gets of a file that grows while it is read: the end of the file within a line, then its rest.
    monkeypatch.setattr(type(part), "open", lambda *_, **__: contextlib.nullcontext(iter([line, other[:9], other[9:]])))
    assert manifest.written() == {"a.png": ENTRY}
    # Control: whole, it is an entry.
    monkeypatch.setattr(type(part), "open", lambda *_, **__: contextlib.nullcontext(iter([line, other])))
    assert sorted(manifest.written()) == ["a.png", "b.png"]
