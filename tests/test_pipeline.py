"""The batches: aligned, turned, reproducible, and shared out among workers without change."""

import numpy as np
import pytest
from memory_cases import in_a_process_of_its_own, most_memory

from zoo import data
from zoo.data.sources import Picture, Source
from zoo.errors import UsageError

SIZES = ((40, 61), (52, 33), (30, 30))  # LR, so that rows and columns cannot be mistaken for each other


def coordinates(scale, channels, sizes=SIZES) -> Source:
    """Pictures whose every pixel says where it is: modulo 256, HR row·7 + column·3 + picture·50 + channel·11."""

    def reader(index, height, width):
        def read():
            hr = np.add.outer(np.arange(height * scale) * 7, np.arange(width * scale) * 3) + index * 50
            hr = (hr[..., None] + np.arange(3) * 11) % 256
            return hr.astype(np.uint8) if channels == 3 else hr[..., 0].astype(np.uint8), None

        return read

    pictures = [Picture(f"p{k}", f"p{k}", reader(k, h, w)) for k, (h, w) in enumerate(sizes)]
    return Source("coordinates", scale, channels, pictures, sum(h * w for h, w in sizes) * scale**2)


def orientations(image):
    """The eight, told apart from the pipeline's own code: turns by rot90, and their mirror images."""
    return [np.rot90(view, turns) for view in (image, image[:, ::-1]) for turns in range(4)]


def batches(dataset, count):
    return [(lr.numpy(), hr.numpy()) for lr, hr in dataset.take(count)]


def eight_bits(image):
    levels = np.round(image.astype(np.float64) * 255)
    assert np.abs(image - levels / 255).max() < 1e-6
    return levels.astype(np.uint8)


def origins(pictures, lr, hr, scale):
    """Every (picture, row, column, orientation) at which this LR and this HR patch lie in the pictures, both."""
    found = []
    size = lr.shape[0]
    for name, lr_image, hr_image in pictures:
        rows, columns = lr_image.shape[0] - size + 1, lr_image.shape[1] - size + 1
        if min(rows, columns) < 1:
            continue
        for number, view in enumerate(orientations(lr)):
            turned = orientations(hr)[number]
            for row, column in np.argwhere((lr_image[:rows, :columns] == view[0, 0]).all(axis=2)):
                lr_place = lr_image[row : row + size, column : column + size]
                hr_place = hr_image[row * scale : (row + size) * scale, column * scale : (column + size) * scale]
                if np.array_equal(lr_place, view) and np.array_equal(hr_place, turned):
                    found.append((name, int(row), int(column), number))
    return found


@pytest.mark.parametrize("scale, channels", [(2, 1), (3, 3)])
def test_every_patch_is_a_turned_aligned_crop(scale, channels):
    source = coordinates(scale, channels)
    pictures = list(source.pictures())
    seen = set()
    for lr, hr in batches(source.patches(batch=6, lr_size=9, seed=5), 6):
        assert lr.shape == (6, 9, 9, channels) and hr.shape == (6, 9 * scale, 9 * scale, channels)
        assert lr.dtype == hr.dtype == np.float32 and lr.min() >= 0 and hr.max() <= 1
        for one_lr, one_hr in zip(eight_bits(lr), eight_bits(hr)):
            found = origins(pictures, one_lr, one_hr, scale)
            assert found, "not a crop of any picture, or LR and HR were cut or turned differently"
            seen |= {(name, number) for name, _, _, number in found}
            # Control: the HR patch of another orientation, or one HR pixel further, does not belong to this LR patch.
            assert not origins(pictures, one_lr, one_hr[::-1], scale)
            assert not origins(pictures, one_lr, np.roll(one_hr, 1, axis=1), scale)
    assert {name for name, _ in seen} == {"p0", "p1", "p2"} and {number for _, number in seen} == set(range(8))


def test_without_augmentation_nothing_is_turned():
    source = coordinates(2, 1)
    pictures = list(source.pictures())
    for lr, hr in batches(source.patches(batch=4, lr_size=9, seed=5, augment=False), 2):
        for one_lr, one_hr in zip(eight_bits(lr), eight_bits(hr)):
            assert 0 in {number for *_, number in origins(pictures, one_lr, one_hr, 2)}


def test_a_batch_is_a_function_of_seed_and_step():
    first = batches(coordinates(3, 1).patches(4, 8, seed=1), 6)
    again = batches(coordinates(3, 1).patches(4, 8, seed=1, start_step=3), 3)
    for (lr, hr), (lr_again, hr_again) in zip(first[3:], again):
        assert np.array_equal(lr, lr_again) and np.array_equal(hr, hr_again)
    other = batches(coordinates(3, 1).patches(4, 8, seed=2), 6)
    assert all(not np.array_equal(mine[1], theirs[1]) for mine, theirs in zip(first, other))
    assert all(not np.array_equal(first[0][1], later[1]) for later in first[1:])


def test_shards_are_the_rows_of_the_whole_batch():
    whole = batches(coordinates(2, 3).patches(6, 8, seed=4), 2)
    parts = [batches(coordinates(2, 3).patches(6, 8, seed=4, shard=(index, 3)), 2) for index in range(3)]
    for step, (lr, hr) in enumerate(whole):
        assert np.array_equal(lr, np.concatenate([part[step][0] for part in parts]))
        assert np.array_equal(hr, np.concatenate([part[step][1] for part in parts]))
    with pytest.raises(UsageError, match="divides the batch"):
        coordinates(2, 3).patches(6, 8, seed=4, shard=(0, 4))
    with pytest.raises(UsageError, match="divides the batch"):
        coordinates(2, 3).patches(6, 8, seed=4, shard=(3, 3))


@pytest.mark.slow
def test_every_patch_is_equally_likely():
    """Pictures of 32x40 and 40x64 LR pixels, patches of 32: 9 and 297 places; each corner pixel is its own number."""

    def reader(offset, height, width):
        def read():
            lr = (offset + np.arange(height * width)).reshape(height, width)
            lr = np.stack([lr // 256, lr % 256, lr * 0], -1).astype(np.uint8)
            return lr.repeat(2, axis=0).repeat(2, axis=1), lr

        return read

    shapes = ((32, 40), (40, 64))
    pictures = [Picture(f"{h}", f"{h}", reader(9000 * k, h, w)) for k, (h, w) in enumerate(shapes)]
    source = Source("numbers", 2, 3, pictures, pixels=100_000)
    corners = np.concatenate(
        [
            eight_bits(lr)[:, 0, 0].astype(int) @ [256, 1, 0]
            for lr, _ in batches(source.patches(306, 32, 0, augment=False), 60)
        ]
    )
    expected = {y * 40 + x for y in range(1) for x in range(9)} | {
        9000 + y * 64 + x for y in range(9) for x in range(33)
    }
    counts = {corner: int((corners == corner).sum()) for corner in expected}
    assert sum(counts.values()) == len(corners) == 60 * 306, "a corner that no patch can have"
    # 60 of each are expected; the chi-square statistic of 305 degrees of freedom stays below 400 but once in 5000.
    assert sum((count - 60) ** 2 / 60 for count in counts.values()) < 400


def test_flat_regions_are_left_out_on_request():
    def read():
        hr = np.full((120, 80), 90, np.uint8)
        hr[60:] = np.random.default_rng(0).integers(0, 256, (60, 80))
        return hr, None

    def source():
        return Source("half flat", 2, 1, [Picture("a", "a", read)], pixels=120 * 80)

    def detail(lr):
        levels = lr.astype(np.float64) * 255
        across, down = (np.abs(np.diff(levels, axis=axis)).sum(axis=(1, 2, 3)) for axis in (2, 1))
        return (across + down) / (2 * 16 * 15)

    kept = np.concatenate([detail(lr) for lr, _ in batches(source().patches(32, 16, 0, min_detail=10.0), 4)])
    assert kept.min() >= 10.0 - 1e-3
    everything = np.concatenate([detail(lr) for lr, _ in batches(source().patches(32, 16, 0), 4)])
    assert everything.min() == 0
    with pytest.raises(UsageError, match="min_detail"):
        source().patches(32, 16, 0, min_detail=300.0)


def test_what_it_refuses():
    source = coordinates(2, 1)
    with pytest.raises(UsageError, match="at least 106x106 pixels"):
        source.patches(4, 53, seed=0)
    for wrong in ({"batch": 0}, {"lr_size": 0}, {"start_step": -1}, {"batch": 2.5}):
        with pytest.raises(UsageError, match="Expected " + next(iter(wrong))):
            source.patches(**({"batch": 2, "lr_size": 8, "seed": 0} | wrong))


def test_small_pictures_are_never_cut():
    source = coordinates(2, 1)
    pictures = {name: (lr, hr) for name, lr, hr in source.pictures()}
    lr_size = 31
    for lr, hr in batches(source.patches(4, lr_size, seed=0), 3):
        for one_lr, one_hr in zip(eight_bits(lr), eight_bits(hr)):
            places = origins([(name, *pair) for name, pair in pictures.items()], one_lr, one_hr, 2)
            assert places and "p2" not in {name for name, *_ in places}


def test_keras_trains_on_it():
    """The dataset is what `model.fit` takes: endless, with static shapes."""
    import keras
    import tensorflow as tf

    dataset = data.sample(2).patches(batch=2, lr_size=8, seed=0)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.element_spec[0].shape == (2, 8, 8, 1) and dataset.element_spec[1].shape == (2, 16, 16, 1)
    model = keras.Sequential([keras.layers.UpSampling2D(2), keras.layers.Conv2D(1, 3, padding="same")])
    model.compile("sgd", "mae")
    history = model.fit(dataset, steps_per_epoch=3, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def many_pictures():
    """Batches of more than 4 GB of pictures, of which no copy is made; run by the test below."""
    import tensorflow as tf

    from zoo.data.sources import Place, aligned

    class Large(Source):
        records = aligned(500_000_000, 10, "large")  # pages that nobody writes are zero and take no memory
        places = [Place("first", "first", 0, 40, 40), Place("last", "last", 500_000_000 - 1600, 40, 40)]

    # As every training run does: tf.data then rewrites the graph of each dataset, and copies the tensors in it.
    tf.config.experimental.enable_op_determinism()
    source = Large("large", 3, 1, [], pixels=0)
    source.records[-1600:] = np.arange(16000).reshape(1600, 10) % 251
    before = most_memory()
    patches = [eight_bits(lr) for lr, _ in batches(source.patches(8, 16, seed=0, augment=False), 4)]
    assert most_memory() - before < 1e9, "the pictures were copied"
    corners = [patch[0, 0, 0] for batch in patches for patch in batch if patch.any()]
    assert 5 < len(corners) < 27
    for patch in (patch for batch in patches for patch in batch if patch.any()):
        row_step, column_step = (int(patch[1, 0, 0]) - int(patch[0, 0, 0])) % 251, 10
        assert row_step == 400 % 251 and (int(patch[0, 1, 0]) - int(patch[0, 0, 0])) % 251 == column_step


@pytest.mark.slow
def test_more_than_four_gigabytes():
    """All of DIV2K in RGB is 8 GB: the pictures must be no constant of the graph, and no index may be 32 bits wide."""
    in_a_process_of_its_own("test_pipeline.many_pictures()")


@pytest.mark.slow
def test_the_benchmark_compares_like_with_like(tmp_path):
    """Every way of `benchmarks.pipeline` makes aligned batches of the same pictures."""
    from benchmarks.input_ways import Ways
    from benchmarks.pipeline import write_pictures

    pairs = write_pictures(tmp_path, 2)
    source = data.from_folder(tmp_path, 3)
    pictures = list(source.pictures())
    ways = {"zoo.data": lambda: source.patches(2, 12, seed=0), **Ways(pairs, 3, 2, 12, tmp_path).all()}
    assert len(ways) == 12
    for name, make in ways.items():
        ((lr, hr),) = batches(make(), 1)
        assert lr.shape == (2, 12, 12, 1) and hr.shape == (2, 36, 36, 1), name
        found = [origins(pictures, eight_bits(one_lr), eight_bits(one_hr), 3) for one_lr, one_hr in zip(lr, hr)]
        assert all(found), name
