"""How long engines take, by a clock of the test's own: in turns, on what they take, and no longer than a second."""

import numpy as np
import pytest

from zoo.engines import measuring
from zoo.engines.engine import Engine


class Clock:
    """A clock that goes on only while an engine computes."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def __call__(self) -> float:
        return self.now


class Timed(Engine):
    """An engine that takes, run after run, the seconds that are given; the last ones again and again.

    A window smaller than that of the measurement takes none, unless `slow` gives the seconds a px.
    """

    def __init__(self, name: str, clock: Clock, *seconds: float, slow: float = 0.0, size=None):
        super().__init__(name, 2, 1, 0, size=size, kind=name)
        self.clock, self.seconds, self.slow = clock, [*seconds], slow

    def run(self, lr_image: np.ndarray) -> np.ndarray:
        if self.slow:
            self.clock.now += self.slow * lr_image.size
        elif lr_image.shape[:2] == measuring.SIZE:
            self.clock.order.append(self.name)
            self.clock.now += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        return np.zeros((2 * lr_image.shape[0], 2 * lr_image.shape[1], 1), np.float32)


def timed(**seconds: tuple[float, ...]) -> tuple[dict[str, float], list[str]]:
    clock = Clock()
    engines = {name: Timed(name, clock, *each) for name, each in seconds.items()}
    return {name: time.run for name, time in measuring.times(engines, clock=clock, pause=0).items()}, clock.order


def test_the_fastest_is_found_whatever_getting_ready_takes():
    times, order = timed(a=(0.01, 0.045), b=(0.5, 0.042, 0.04, 0.06), c=(0.01, 0.2))
    assert times == pytest.approx({"a": 0.045, "b": 0.04, "c": 0.2})
    # All get ready, then take turns that turn round; who is far behind is asked once.
    assert order[:10] == ["a", "b", "c", "a", "b", "c", "b", "a", "a", "b"] and order.count("c") == 2


def test_a_window_is_run_as_that_of_a_picture_whose_margin_is_not_kept():
    parts = []

    class Seen(Engine):
        def run_part(self, lr_image, rows, columns, ensemble=False):
            parts.append((lr_image.shape[:2], (rows.start, rows.stop), (columns.start, columns.stop)))

        def run(self, lr_image):
            return np.zeros((2 * lr_image.shape[0], 2 * lr_image.shape[1], 1), np.float32)

    height, width = measuring.SIZE
    measuring.times({"a": Seen("a", 2, 1, 5)}, pause=0)
    assert parts[:-1] == 2 * [((height + 10, width + 10), (5, height + 5), (5, width + 5))] and len(parts) == 3
    # One size is taken as it is.
    for engine in (Seen("fixed", 2, 1, 5, size=(20, 30)), Seen("x", 2, 1, None, "why")):
        parts.clear()
        measuring.times({"b": engine}, pause=0)
        assert {begins for _, (begins, _), _ in parts} == {0}


def test_who_ran_before_has_time_to_come_to_rest(monkeypatch):
    """Its threads spin on for a while: nobody is timed beside them."""
    clock = Clock()
    monkeypatch.setattr(measuring.time, "sleep", lambda seconds: clock.order.append(seconds))
    measuring.times({name: Timed(name, clock, 0.2) for name in "ab"}, clock=clock, pause=0.01)
    assert clock.order == ["a", "b", 0.01, "a", 0.01, "b", 0.01, "b", 0.01, "a", 0.01, 0.01]


def test_it_ends_after_about_a_second():
    times, order = timed(a=(0.1, 0.1), b=(0.1, 0.11))
    assert sum(0.1 if name == "a" else 0.11 for name in order) <= 1 + 2 * 0.11
    # Networks that take long are asked once each; one alone, too.
    times, order = timed(a=(3.0, 2.0), b=(3.0, 2.1))
    assert times == pytest.approx({"a": 2.0, "b": 2.1}) and order == ["a", "b", "a", "b"]
    assert timed(a=(0.1,))[1] == ["a", "a"]


@pytest.mark.parametrize(
    ("window", "size", "known"),
    [(0.19, None, True), (1.9, None, True), (2.1, None, False), (0.19, (200, 640), True), (0.21, (200, 640), False)],
)
def test_networks_that_take_long_are_measured_on_less_or_not_at_all(window, size, known):
    clock = Clock()
    engine = Timed("slow", clock, slow=window / np.prod(measuring.SIZE), size=size)
    times = measuring.times({"slow": engine}, clock=clock, pause=0)
    share = 1 if window < 0.2 else np.prod(measuring.SMALL) / np.prod(measuring.SIZE)
    assert [time.run for time in times.values()] == pytest.approx([window * share] * known)
    # Eight runs of what a run may take.
    assert clock.now <= 8 * measuring.RUN


def test_what_getting_ready_for_another_size_takes():
    clock = Clock()

    class Sized(Timed):
        def run(self, lr_image):
            clock.now += 0.3 * (lr_image.shape[0] == measuring.SIZE[0] - 1)
            return super().run(lr_image)

    times = measuring.times({"a": Sized("a", clock, 0.1), "far": Sized("far", clock, 0.2)}, clock=clock, pause=0)
    # Who is far behind is not asked.
    assert times["a"] == pytest.approx((0.1, 0.2))
    assert times["far"].run == pytest.approx(0.2) and times["far"].ready is None


def test_a_network_of_a_step_is_measured_on_what_it_takes():
    clock = Clock()

    class Halving(Timed):
        def run(self, lr_image):
            assert not any(side % 4 for side in lr_image.shape[:2]), lr_image.shape
            return super().run(lr_image)

    engine = Halving("strided", clock, 0.01)
    Engine.__init__(engine, "strided", 2, 1, 7, step=4, kind="strided")
    assert measuring.times({"strided": engine}, clock=clock, pause=0)["strided"].ready is not None
