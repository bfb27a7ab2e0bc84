"""How workers find each other: all come, one does not, strangers knock, the port is taken."""

import contextlib
import socket
import threading
import time

import pytest

from benchmarks.worker_kills import addresses
from zoo.errors import UsageError
from zoo.training.interruption import WorkerLost
from zoo.training.rendezvous import gather, split_address


def call(places, cluster, wait, before=lambda index: None):
    """Runs `gather` for each place in a thread; returns what each of them raised, by place."""
    raised = {}

    def run(index):
        before(index)
        try:
            gather(cluster, index, wait)
            raised[index] = None
        except (WorkerLost, UsageError) as error:
            raised[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def test_all_come_in_any_order_and_the_address_is_free_again():
    cluster = addresses(4).split(",")
    raised = call(range(4), cluster, 20, before=lambda index: time.sleep(0.1 * (index * 3 % 4)))
    assert raised == dict.fromkeys(range(4))
    with socket.create_server(split_address(cluster[0])):
        pass


def test_one_that_does_not_come_is_named_to_all():
    cluster = addresses(4).split(",")
    raised = call([0, 1, 3], cluster, 1.5)
    for index in (0, 1, 3):
        assert isinstance(raised[index], WorkerLost)
        sentence = (
            f"Expected 4 workers within 1.5 s. Received: this one, {index} ({cluster[index]}), but no answer from "
        )
        assert str(raised[index]) == f"{sentence}worker 2 ({cluster[2]})"


def test_without_the_chief_it_is_the_chief_that_is_missing():
    cluster = addresses(3).split(",")
    raised = call([1, 2], cluster, 1)
    assert all(str(error).endswith(f"no answer from worker 0 ({cluster[0]})") for error in raised.values())


def test_strangers_do_not_count():
    cluster = addresses(2).split(",")

    def knock():
        deadline = time.monotonic() + 5
        for words in (b"GET / HTTP/1.0\r\n\r\n", b'{"worker": 9}', b"[]", b""):
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(split_address(cluster[0])) as stranger:
                    stranger.sendall(words)
                    break
                time.sleep(0.02)

    stranger = threading.Thread(target=knock)
    stranger.start()
    raised = call([0, 1], cluster, 20, before=lambda index: time.sleep(index))
    stranger.join(10)
    assert raised == {0: None, 1: None}


def test_a_port_that_is_taken():
    cluster = addresses(2).split(",")
    with (
        socket.create_server(split_address(cluster[0])),
        pytest.raises(UsageError, match="Expected port .* to be free"),
    ):
        gather(cluster, 0, 1)
