"""A batch that does not fit is refused before any memory is taken; a run holds its pictures once."""

import pytest
from memory_cases import in_a_process_of_its_own, most_memory

from zoo.data.sources import Place, Source, aligned
from zoo.errors import UsageError
from zoo.training import TrainConfig, memory


def test_the_bytes_are_those_of_every_layers_output():
    # ESPCN x2 in subpixel form: 64 and 32 maps of the LR size, and one of the HR size.
    config = TrainConfig(model="espcn", scale=2, batch=3, lr_size=10)
    assert memory.bytes_of_maps(config) == 4 * 3 * (64 + 32 + 4) * 10 * 10


def test_a_batch_is_refused_where_memory_ends(monkeypatch):
    config = TrainConfig(model="espcn", scale=2, batch=3, lr_size=10)
    needed = memory.bytes_of_maps(config)
    for free in (None, needed):
        monkeypatch.setattr(memory, "available_memory", lambda free=free: free)
        memory.check_memory(config)
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    with pytest.raises(UsageError, match="Received: --batch=3 patches of --lr_size=10, whose maps alone take 0.0 GB"):
        memory.check_memory(config)


class Zeros(Source):
    """One black picture of 1.6 GB that takes no memory until it is written: its pages are the system's one of zeros."""

    records = aligned(12_000 * 13_400, 10, "zeros")
    places = [Place("zeros", "zeros", 0, 12_000, 13_400)]
    hashes: dict[bytes, str] = {}


def a_run_of_zeros(workdir: str):
    """Trains on them; run by the test below."""
    from zoo.training.loop import train

    before = most_memory()
    config = TrainConfig(model="espcn", scale=3, steps=2, batch=2, lr_size=8, jit="off")
    train(config, workdir, source=Zeros("zeros", 3, 1, [], pixels=0))
    grown = most_memory() - before
    assert grown < 1e9, f"the run took {grown / 1e9:.1f} GB: a copy of the pictures among them"
    # Control: a copy is more than that.
    copy = Zeros.records.copy()
    assert most_memory() - before > 1e9, copy.nbytes


@pytest.mark.slow
def test_a_run_holds_its_pictures_once(tmp_path):
    in_a_process_of_its_own(f"test_training_memory.a_run_of_zeros({str(tmp_path / 'run')!r})")
