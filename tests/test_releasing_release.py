"""A release: what it holds is whole, the same files give the same bytes, and what is missing is said."""

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

import zoo
from releasing import archives, release
from zoo.errors import UsageError

ROOT = Path(__file__).parent.parent


def names(*without: str, more: tuple[str, ...] = ()) -> list[str]:
    presets = [f"zoo/presets/{n}{end}" for n in zoo.list_presets() for end in (".json", ".tflite", ".weights.h5")]
    whole = [*presets, "zoo/py.typed", "export/py.typed", "zoo/__init__.py", "subpixel_zoo-0.1.0.dist-info/METADATA"]
    return [name for name in (*whole, *more) if name not in without]


def test_a_wheel_is_whole_and_holds_nothing_else():
    release.check_contents(names())
    with pytest.raises(UsageError, match="Expected zoo/presets/gecko_x2.tflite in the wheel"):
        release.check_contents(names("zoo/presets/gecko_x2.tflite"))
    with pytest.raises(UsageError, match="Expected a wheel of the packages zoo and export. Received: .*tests"):
        release.check_contents(names(more=("tests/test_docs.py",)))


def test_the_same_files_give_the_same_archive_and_sum(tmp_path):
    files = {"b.txt": b"two", "a.txt": b"one"}
    for name in ("first.zip", "second.zip"):
        archives.write_zip(tmp_path / name, files)
        files = dict(reversed(files.items()))
    first, second = (tmp_path / name for name in ("first.zip", "second.zip"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
    (tmp_path / "SHA256SUMS").write_text(archives.sums([second, first]))
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    # Control: one byte more.
    second.write_bytes(second.read_bytes() + b"x")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_the_archive_of_files_has_each_preset_its_card_and_its_terms():
    files = archives.tflite_files()
    for name in zoo.list_presets():
        assert hashlib.sha256(files[f"{name}.tflite"]).hexdigest() == zoo.card(name)["sha256"]["tflite"]
        assert f"{name}.json" in files
    terms = files["TERMS.txt"].decode()
    assert "gecko_x2: free pictures only" in terms and "fsrcnn_x3: research only" in terms
    assert zoo.card("gecko_x2")["credits"][0] in terms and b"Apache License" in files["LICENSE"]


def test_notes_are_the_versions_section_of_the_changelog():
    log = "# Changelog\n\n## [Unreleased]\n- soon\n\n## [1.1] - 2026-11-01\n\n### Added\n- new\n\n## [1.0]\n- old\n"
    assert archives.notes(log, "1.1") == "### Added\n- new\n" and archives.notes(log, "1.0") == "- old\n"
    assert archives.notes(log, "2.0") == "- soon\n"
    for empty in ("# Changelog\n", "## [Unreleased]\n\n## [1.0]\n- old\n"):
        with pytest.raises(UsageError, match=r"Expected a section \[2.0\] or \[Unreleased\]"):
            archives.notes(empty, "2.0")
    assert archives.notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), zoo.__version__)


def test_a_release_is_not_mixed_with_another_and_cites_its_version(tmp_path, monkeypatch, capsys):
    (tmp_path / "old.whl").write_text("old")
    assert release.main([f"--output={tmp_path}"]) == 2
    assert "Expected an empty folder for a release" in capsys.readouterr().err
    monkeypatch.setattr(zoo, "__version__", "0.2.0")
    assert release.main([f"--output={tmp_path / 'new'}"]) == 2
    assert "Expected version 0.2.0 in CITATION.cff. Received: 0.1.0" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_release_is_made_and_tried_without_tensorflow(tmp_path, capsys):
    assert release.main([f"--output={tmp_path}", "--light"]) == 0, capsys.readouterr().err
    version = zoo.__version__
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "CITATION.cff",
        "NOTES.md",
        "SHA256SUMS",
        "constraints.txt",
        "requirements-light.txt",
        f"subpixel-zoo-{version}-shaders.zip",
        f"subpixel-zoo-{version}-tflite.zip",
        f"subpixel_zoo-{version}-py3-none-any.whl",
        f"subpixel_zoo-{version}.tar.gz",
    ]
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    with zipfile.ZipFile(tmp_path / f"subpixel-zoo-{version}-shaders.zip") as archive:
        assert {"gecko_x2.glsl", "gecko_x2.wgsl", "TERMS.txt"} < set(archive.namelist())
    assert re.search("tried from another folder", capsys.readouterr().out)
