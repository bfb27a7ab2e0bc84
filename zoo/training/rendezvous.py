"""All workers find each other before TensorFlow starts, which would wait for the missing ones without a limit."""

import contextlib
import json
import socket
import time

from zoo.errors import UsageError
from zoo.training.interruption import WorkerLost

SECONDS_TO_SPEAK = 5  # for one who has connected; a stranger says nothing or something else


def split_address(address: str) -> tuple[str, int]:
    """ "host:port" or "[IPv6]:port" as (host, port)."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def names(addresses: list[str], indices) -> str:
    """Names workers for a sentence."""
    return ", ".join(f"worker {index} ({addresses[index]})" for index in indices)


def gather(addresses: list[str], index: int, wait: float) -> None:
    """Returns when every worker has called it; the chief listens at its own address, which is free again afterwards.

    Args:
        addresses: of all workers, the chief's first.
        index: which of them this one is.
        wait: seconds.

    Raises:
        WorkerLost: if a worker has not come in time; on every worker that has.
        UsageError: if the chief's port is taken.
    """
    deadline = time.monotonic() + wait
    missing = _call(addresses, deadline) if index == 0 else _answer(addresses[0], index, deadline)
    if missing:
        raise WorkerLost(
            f"Expected {len(addresses)} workers within {wait:g} s. Received: this one, {index} ({addresses[index]}), "
            f"but no answer from {names(addresses, missing)}"
        )


def _call(addresses: list[str], deadline: float) -> list[int]:
    """The chief: collects the others, then tells each who is missing, which is nobody or the end."""
    port = split_address(addresses[0])[1]
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    present: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", port), family=family, dualstack_ipv6=both))
        except OSError as error:
            raise UsageError(f"Expected port {port} of this machine to be free. Received: {error.strerror}") from error
        while len(present) < len(addresses) - 1 and time.monotonic() < deadline:
            server.settimeout(max(deadline - time.monotonic(), 0.01))
            with contextlib.suppress(OSError, ValueError, TypeError):
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(SECONDS_TO_SPEAK)
                index = int(json.loads(connection.recv(100))["worker"])
                if 0 < index < len(addresses):
                    present[index] = connection
        missing = sorted(set(range(1, len(addresses))) - set(present))
        for connection in present.values():
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps({"missing": missing}).encode())
                connection.recv(1)  # they hang up first: then this address is free at once
    return missing


def _answer(chief: str, index: int, deadline: float) -> list[int]:
    """Another worker: waits for the chief, then for what it says."""
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            remaining = max(deadline - time.monotonic(), 0.01) + 1  # the chief's word may come at the last moment
            with socket.create_connection(split_address(chief), timeout=remaining) as connection:
                connection.sendall(json.dumps({"worker": index}).encode())
                return json.loads(connection.recv(10_000))["missing"]
        time.sleep(0.1)
    return [0]
