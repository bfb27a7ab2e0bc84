"""A batch that does not fit is refused before any memory is taken."""

import pytest

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
