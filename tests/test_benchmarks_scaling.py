"""The model behind docs/scaling.md, and the page: what the figures say."""

import pytest

from benchmarks import scaling, scaling_page
from zoo import registry

COMPUTE = {"slope": 2e-3, "offset": 4e-3}


def test_a_ring_message_by_message():
    # Every worker passes a share of the vector on, N - 1 times to add and N - 1 times to tell.
    for workers in (2, 3, 5):
        size, bandwidth, latency, seconds = 6000, 1e6, 1e-4, 0.0
        for _ in range(2):
            for _ in range(workers - 1):
                seconds += latency + size / workers / bandwidth
        assert scaling.reduction(workers, size, bandwidth, latency) == pytest.approx(seconds)
    assert scaling.reduction(1, 6000, 1e6, 1e-4) == 0


def test_where_it_stops_paying():
    # Without a network's cost: 36 ms alone, 20 ms with 2, 12 ms with 4, 8 ms with 8, 6 ms with 16.
    plan = scaling.forecast(16, 0, COMPUTE, 1e9, 0.0)
    assert plan["workers"] == [1, 2, 4, 8, 16]
    assert plan["seconds"] == pytest.approx([0.036, 0.020, 0.012, 0.008, 0.006])
    assert plan["fastest"] == 16 and plan["pays"] == 8
    slow = scaling.forecast(16, 0, COMPUTE, 1e9, 5e-3)
    assert slow["seconds"][1] == pytest.approx(0.030) and slow["fastest"] == 2 and slow["pays"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.list_presets())
def test_the_bytes_of_a_step_are_those_of_the_vector(name):
    import tensorflow as tf

    from zoo.training.start import build_model
    from zoo.training.step import make_total

    card = registry.card(name)
    config = scaling.settings(card, 2)
    model = build_model(config)
    shape = (2, 8, 8, card["channels"])
    hr = tf.zeros((2, 8 * card["scale"], 8 * card["scale"], card["channels"]))
    total = make_total(model, config, 0, tf.distribute.get_strategy())((tf.zeros(shape), hr), 0.0)
    assert total.dtype == tf.float32 and 4 * total.shape[0] == scaling.bytes_per_step(card["parameters"])


def test_the_page_is_what_the_figures_say():
    assert scaling_page.main(["--check"]) == 0
