"""What ends a run early: Ctrl-C and SIGTERM, between two steps with everything saved, and the loss of a worker."""

import os
import signal
import sys
import threading

LOST = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong with the command, run it again


class Interrupted(Exception):
    """The run was asked to stop; it has been saved and can go on."""


class WorkerLost(Exception):
    """Another worker has stopped; this one can only stop too."""


def leave(sentence: str) -> None:
    """Ends the process at once because of a lost worker, from any thread; all that a run writes is whole at any moment.

    TensorFlow's own way out may wait for the lost one.
    """
    print(f"error: {sentence}", file=sys.stderr, flush=True)
    os._exit(LOST)


class Interruption:
    """Turns the first Ctrl-C or SIGTERM into a wish that the loop asks about; a second one stops at once.

    Attributes:
        asked: whether the run should stop.
    """

    def __init__(self):
        self.asked = False
        self.previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(number, self.previous[number])
