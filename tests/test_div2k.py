"""DIV2K by way of TFDS: the real builder on small archives of the same names and layout, and no network."""

import socket
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image
from test_sources import interrupt

from zoo import data
from zoo.data.tfds_div2k import archives
from zoo.errors import UsageError

tfds = pytest.importorskip("tensorflow_datasets")
SCALE = 3
COUNTS = {"train": 5, "valid": 2}


@pytest.fixture(scope="module")
def pictures():
    """HR pictures by split; those of the two splits differ."""
    rng = np.random.default_rng(0)
    sizes = [(30, 48), (42, 36), (33, 60), (36, 36), (48, 30)]
    return {
        split: [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes[:count]]
        for split, count in COUNTS.items()
    }


@pytest.fixture(scope="module")
def manual_dir(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    for split, originals in pictures.items():
        first = 1 if split == "train" else 801
        for suffix, part in (("", "HR"), (f"x{SCALE}", f"LR_bicubic_X{SCALE}")):
            inside = f"DIV2K_{split}_HR" if part == "HR" else f"DIV2K_{split}_LR_bicubic/X{SCALE}"
            with zipfile.ZipFile(folder / f"DIV2K_{split}_{part}.zip", "w") as archive:
                for number, hr in enumerate(originals, first):
                    file = folder / "picture.png"
                    Image.fromarray(hr if part == "HR" else data.imresize(hr, 1 / SCALE)).save(file)
                    archive.write(file, f"{inside}/{number:04d}{suffix}.png")
                    file.unlink()
    return folder


@pytest.fixture
def small_archives_are_known(monkeypatch, manual_dir):
    """TFDS checks every archive against its published hash; here against those of the small ones."""
    from tensorflow_datasets.core.download import checksums

    url = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
    known = {url + name: checksums.compute_url_info(manual_dir / name) for name in archives(SCALE)}
    known = {
        address: checksums.UrlInfo(size=info.size, checksum=info.checksum, filename=address.removeprefix(url))
        for address, info in known.items()
    }
    monkeypatch.setattr(tfds.core.DatasetBuilder, "url_infos", property(lambda self: known))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_pairs_come_from_the_archives(
    small_archives_are_known, no_network, pictures, manual_dir, tmp_path, monkeypatch
):
    train = data.div2k(SCALE, channels=3, data_dir=tmp_path, manual_dir=manual_dir)
    interrupt(monkeypatch, train, 2)  # leaves nothing behind
    found = {hr.tobytes(): (lr, hr) for _, lr, hr in train.pictures()}
    assert set(found) == {hr.tobytes() for hr in pictures["train"]} and len(train.places) == COUNTS["train"]
    for lr, hr in found.values():
        assert np.array_equal(lr, data.imresize(hr, 1 / SCALE))
    # Prepared once, it needs neither the archives nor a network.
    valid = data.div2k(SCALE, split="valid", channels=1, data_dir=tmp_path)
    assert [hr.shape[2] for _, _, hr in valid.pictures()] == [1] * COUNTS["valid"]
    data.check_disjoint(train, valid)
    lr, hr = next(iter(train.patches(4, 8, seed=0)))
    assert lr.shape == (4, 8, 8, 3) and hr.shape == (4, 24, 24, 3)
    assert [name for name, *_ in train.pictures()] == [
        name for name, *_ in data.div2k(SCALE, channels=3, data_dir=tmp_path).pictures()
    ]


def test_without_network_it_says_at_once_what_to_do(no_network, monkeypatch, tmp_path):
    def waits(*args, **kwargs):
        raise AssertionError("TFDS is asked, which tries again and again before it gives up")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", waits)
    with pytest.raises(UsageError) as error:
        data.div2k(4, data_dir=tmp_path)
    for word in ("DIV2K_train_HR.zip", "DIV2K_valid_LR_bicubic_X4.zip", "manual_dir", "no answer"):
        assert word in str(error.value)
    assert not list(tmp_path.rglob("*.*")), "nothing may be left behind"


def test_a_name_server_that_never_answers(monkeypatch, tmp_path):
    monkeypatch.setattr("zoo.data.tfds_div2k.SECONDS", 0.2)
    ends, gave_up = threading.Event(), []

    def wait(*args, **kwargs):
        ends.wait(60)
        gave_up.append(args)
        raise OSError("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    with pytest.raises(UsageError, match="no answer"):
        data.div2k(2, data_dir=tmp_path)
    assert not gave_up, "it has waited for the name server"
    ends.set()


def test_missing_and_damaged_archives(no_network, manual_dir, tmp_path):
    with pytest.raises(UsageError, match=r"Received: .*DIV2K_train_LR_x8.zip, DIV2K_valid_LR_x8.zip cannot be found"):
        data.div2k(8, data_dir=tmp_path, manual_dir=manual_dir)
    with pytest.raises(UsageError, match="as DIV2K's authors publish them"):
        data.div2k(SCALE, data_dir=tmp_path, manual_dir=manual_dir)


def test_the_archives_are_those_that_tfds_knows():
    for scale in (2, 3, 4, 8):
        builder = tfds.builder(f"div2k/bicubic_x{scale}")
        names = {address.rsplit("/", 1)[1] for address in builder.builder_config.download_urls.values()}
        assert names == set(archives(scale))


@pytest.mark.parametrize("options", [{"scale": 5}, {"scale": 3, "split": "test"}, {"scale": 3, "channels": 2}])
def test_what_it_refuses(options, tmp_path):
    with pytest.raises(UsageError, match="Expected"):
        data.div2k(**options, data_dir=tmp_path)
