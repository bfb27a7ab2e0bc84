"""Batches drawn ahead are the same batches, one ahead and no more."""

import threading

import pytest

from zoo.training.input import drawn_ahead


def test_every_batch_comes_once_in_order_drawn_one_ahead():
    before = set(threading.enumerate())
    drawn, may_draw = [], threading.Semaphore(1)

    def source():
        for number in range(100):
            may_draw.acquire(timeout=10)
            drawn.append((number, threading.current_thread() is threading.main_thread()))
            yield number

    batches = drawn_ahead(source())
    for number in range(5):
        may_draw.release()
        assert next(batches) == number
        assert len(drawn) <= number + 2
    may_draw.release()
    batches.close()
    assert drawn == [(number, False) for number in range(6)]
    assert set(threading.enumerate()) <= before


def test_what_the_input_raises_is_raised_at_its_step():
    def source():
        yield 0
        raise ValueError("a damaged picture")

    batches = drawn_ahead(source())
    assert next(batches) == 0
    with pytest.raises(ValueError, match="a damaged picture"):
        next(batches)
