"""Prepared data: the same batches as from the pictures, a preparation that goes on after a kill, bytes that changed."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.data.records import INDEX, JOURNAL, RECORDS, RecordsOnDisk, write_records
from zoo.errors import UsageError
from zoo.files import alone
from zoo.training import TrainConfig
from zoo.training.input import open_source

RNG = np.random.default_rng(0)
LIMIT = 120


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Seven pictures of odd, different sizes, one of them grey; and one file that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(7):
        shape = (61 + 5 * number, 97 - 4 * number) + ((3,) if number else ())
        Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes((folder / "3.png").read_bytes()[:2000])
    (folder / "no picture.png").write_bytes(b"text")
    return folder


@pytest.fixture(scope="module", params=[(3, 1), (2, 3)], ids=["luma x3", "RGB x2"])
def prepared(request, pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    scale, channels = request.param
    write_records(data.from_folder(pictures, scale, channels), folder)
    return folder, scale, channels


def equal_batches(first, second, **options):
    pairs = zip(first.patches(6, 9, seed=5, **options).take(3), second.patches(6, 9, seed=5, **options).take(3))
    return all(np.array_equal(a, b) for one, other in pairs for a, b in zip(one, other))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"start_step": 4, "shard": (1, 3)}, {"min_detail": 20.0}], ids=str)
def test_the_batches_are_those_of_the_pictures(prepared, pictures, options):
    folder, scale, channels = prepared
    source = data.from_folder(pictures, scale, channels)
    assert equal_batches(RecordsOnDisk(folder, scale, channels), source, **options)
    if not options:  # Control: other pictures do not pass.
        assert not equal_batches(RecordsOnDisk(folder, scale, channels), data.sample(scale, channels))


def test_pictures_hashes_and_skipped_files_are_those_of_the_folder(prepared, pictures):
    folder, scale, channels = prepared
    source, on_disk = data.from_folder(pictures, scale, channels), RecordsOnDisk(folder, scale, channels)
    assert on_disk.places == source.places and on_disk.hashes == source.hashes and on_disk.name == source.name
    assert sorted(on_disk.skipped) == sorted(source.skipped) and len(source.skipped) == 2
    for first, second in zip(on_disk.pictures(), source.pictures(), strict=True):
        assert first[0] == second[0] and all(np.array_equal(a, b) for a, b in zip(first[1:], second[1:]))
    with pytest.raises(UsageError, match="no picture of the validation set"):
        data.check_disjoint(on_disk, source)


def test_training_opens_it_by_its_folder(prepared):
    folder, scale, channels = prepared
    config = TrainConfig(data=str(folder), scale=scale, channels=channels)
    assert isinstance(open_source(config, "train"), RecordsOnDisk)
    assert open_source(config, "valid").name == "sample/heldout"
    with pytest.raises(UsageError, match=f"prepared for scale 4 and 3.*prepared for scale {scale} and {channels}"):
        data.by_name(str(folder), 4, 3)


@pytest.mark.parametrize("name", ["graphics,{prepared}", "{pictures}, {prepared}", "{prepared},sample,{pictures}"])
def test_prepared_data_is_not_joined_with_other(prepared, pictures, name):
    folder, scale, channels = prepared
    name = name.format(prepared=folder, pictures=pictures)
    with pytest.raises(UsageError, match=rf"Expected prepared data by itself.* prepare .*{folder.name} is prepared"):
        data.by_name(name, scale, channels)
    # Control: what may be joined is there whole.
    both = data.by_name(f"sample,{pictures}", scale, channels)
    assert len(both.places) == 8 + len(RecordsOnDisk(folder, scale, channels).places)


def test_only_ranges_that_are_used_become_memory_of_the_process(prepared):
    folder, scale, channels = prepared
    records = RecordsOnDisk(folder, scale, channels).records
    assert isinstance(records, np.memmap) and records.ctypes.data % 64 == 0


@pytest.mark.parametrize("place", [0, 12345, -1])
def test_a_flipped_byte_is_found_and_named(prepared, tmp_path, place):
    folder, scale, channels = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = bytearray((tmp_path / RECORDS).read_bytes())
    content[place] ^= 1
    (tmp_path / RECORDS).write_bytes(content)
    name = {0: "0", 12345: "1" if channels == 1 else "0", -1: "6"}[place]
    with pytest.raises(UsageError, match=rf"as it was prepared. Received: other bytes in {name}; prepare it again"):
        next(RecordsOnDisk(tmp_path, scale, channels).pictures())


def test_an_interrupted_load_leaves_nothing_to_the_next(prepared, monkeypatch):
    folder, scale, channels = prepared
    source, whole = RecordsOnDisk(folder, scale, channels), RecordsOnDisk(folder, scale, channels)

    def stops(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(np, "memmap", stops)
        source.records  # noqa: B018 - reads
    assert source.places == whole.places and len(source.places) == 7 and source.hashes == whole.hashes


def test_a_changed_index_and_a_cut_file_are_found(prepared, tmp_path):
    folder, scale, channels = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    index = (tmp_path / INDEX).read_text()
    (tmp_path / INDEX).write_text(index.replace('"height": ', '"height": 1', 1))
    with pytest.raises(UsageError, match="a file that has changed"):
        RecordsOnDisk(tmp_path, scale, channels)
    (tmp_path / INDEX).write_text(index)
    with open(tmp_path / RECORDS, "r+b") as file:
        file.truncate(5000)
    with pytest.raises(UsageError, match=r"Expected \d+ bytes in .* Received: 5000"):
        next(RecordsOnDisk(tmp_path, scale, channels).pictures())


class Killed(Exception):
    """Stands for a SIGKILL."""


def die_on_the_way(source, folder):
    """A preparation that is killed within its fifth picture."""

    def stop(done):
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        write_records(source, folder, stop)


@pytest.mark.parametrize("torn", [False, True], ids=["between pictures", "within a line"])
def test_a_preparation_goes_on_and_ends_with_the_same_bytes(prepared, pictures, tmp_path, torn):
    folder, scale, channels = prepared
    die_on_the_way(data.from_folder(pictures, scale, channels), tmp_path)
    assert not (tmp_path / INDEX).exists()
    with pytest.raises(UsageError, match="whose preparation has ended"):
        data.by_name(str(tmp_path), scale, channels)
    if torn:
        with open(tmp_path / JOURNAL, "r+b") as journal:
            journal.truncate((tmp_path / JOURNAL).stat().st_size - 7)
    reported = []
    write_records(data.from_folder(pictures, scale, channels), tmp_path, reported.append)
    assert reported[0] == (4 if torn else 5)  # what was done is not done again
    for name in (RECORDS, INDEX):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, RECORDS]


def test_other_pictures_than_those_begun_with_are_refused(prepared, pictures, tmp_path):
    _, scale, channels = prepared

    def stop(done):
        raise Killed

    copy = tmp_path / "pictures"
    shutil.copytree(pictures, copy)
    with pytest.raises(Killed):
        write_records(data.from_folder(copy, scale, channels), tmp_path / "out", stop)
    shutil.copy(copy / "1.png", copy / "-1.png")
    with pytest.raises(UsageError, match=r"that were there before. Received: .*-1.png"):
        write_records(data.from_folder(copy, scale, channels), tmp_path / "out")
    with pytest.raises(UsageError, match="Expected a new folder, or one for"):
        write_records(data.from_folder(copy, 4, channels), tmp_path / "out")


def test_a_finished_folder_is_for_the_pictures_that_it_was_prepared_from(pictures, tmp_path):
    scale, channels, whole, copy = 3, 1, tmp_path / "whole", tmp_path / "pictures"
    shutil.copytree(pictures, copy)
    index = write_records(data.from_folder(copy, scale, channels), whole)
    before = (whole / INDEX).read_bytes()
    assert write_records(data.from_folder(copy, scale, channels), whole)["pictures"] == index["pictures"]
    shutil.copy(copy / "1.png", copy / "new.png")
    with pytest.raises(UsageError, match=r"or another folder. Received: new ones, 1 in number, as .*new.png"):
        write_records(data.from_folder(copy, scale, channels), whole)
    for name in ("new", "1", "2"):
        (copy / f"{name}.png").unlink()
    with pytest.raises(UsageError, match=r"Received: others, which are not there now, 2 in number, as .*1.png"):
        write_records(data.from_folder(copy, scale, channels), whole)
    assert (whole / INDEX).read_bytes() == before


@pytest.mark.slow
def test_the_command_survives_a_kill(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(RNG.integers(0, 256, (401, 299), dtype=np.uint8)).save(folder / f"{number:02}.png")
    command = [sys.executable, "-m", "zoo.data.prepare", f"--data={folder}", "--scale=2", "--output"]
    with subprocess.Popen([*command, tmp_path / "out"], stderr=subprocess.PIPE) as process:
        journal, deadline = tmp_path / "out" / JOURNAL, time.monotonic() + LIMIT
        while not (journal.exists() and journal.read_bytes().count(b"\n") > 5) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGKILL and journal.exists()
    for output in ("out", "whole"):
        done = subprocess.run([*command, tmp_path / output], capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        assert "40 pictures, 6.0 MB" in done.stdout
    assert (tmp_path / "out" / RECORDS).read_bytes() == (tmp_path / "whole" / RECORDS).read_bytes()
    assert len(json.loads((tmp_path / "out" / INDEX).read_text())["pictures"]) == 40


def test_the_command_refuses_in_one_sentence(tmp_path, capsys):
    from zoo.data.prepare import main

    assert main([f"--data={tmp_path}", "--scale=2", f"--output={tmp_path / 'out'}"]) == 2
    assert capsys.readouterr().err.startswith("error: Expected a folder with pictures")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [RECORDS, INDEX])
@pytest.mark.parametrize("damage", ["flipped", "half", "list"])
def test_the_same_command_makes_damaged_data_anew(prepared, pictures, tmp_path, name, damage):
    folder, scale, channels = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = (tmp_path / name).read_bytes()
    changed = {
        "flipped": content[:1000] + bytes([content[1000] ^ 1]) + content[1001:],
        "half": content[: len(content) // 2],
        "list": b"[1]",
    }[damage]
    (tmp_path / name).write_bytes(changed)
    write_records(data.from_folder(pictures, scale, channels), tmp_path)
    for each in (RECORDS, INDEX):
        assert (tmp_path / each).read_bytes() == (folder / each).read_bytes()


@pytest.mark.parametrize("name", [RECORDS, JOURNAL])
@pytest.mark.parametrize("damage", ["flipped", "half", "garbage"])
def test_a_damaged_unfinished_preparation_keeps_what_is_whole(prepared, pictures, tmp_path, name, damage):
    folder, scale, channels = prepared
    die_on_the_way(data.from_folder(pictures, scale, channels), tmp_path)
    content = (tmp_path / name).read_bytes()
    place = 2 * len(content) // 3
    changed = {
        "flipped": content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :],
        "half": content[: len(content) // 2],
        "garbage": bytes(range(256)) * 9,
    }[damage]
    (tmp_path / name).write_bytes(changed)
    write_records(data.from_folder(pictures, scale, channels), tmp_path)
    for each in (RECORDS, INDEX):
        assert (tmp_path / each).read_bytes() == (folder / each).read_bytes()


def test_two_preparations_at_once_are_refused(prepared, pictures, tmp_path):
    _, scale, channels = prepared
    with alone(tmp_path, "preparation"), pytest.raises(UsageError, match="Expected one preparation at a time"):
        write_records(data.from_folder(pictures, scale, channels), tmp_path)
    write_records(data.from_folder(pictures, scale, channels), tmp_path)
