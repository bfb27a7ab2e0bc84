"""Several devices and machines: who takes part, who writes, what all agree on, and what happens when one is lost."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import threading
import time

import numpy as np
import tensorflow as tf

from zoo.errors import UsageError, one_of
from zoo.training.interruption import WorkerLost, leave
from zoo.training.rendezvous import gather, names, split_address

STRATEGIES = ("mirrored", "multi_worker")
# Other errors (a full disk, a wrong shape) are this worker's own.
SIGNS_OF_LOSS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)
SECONDS_TO_START = 120  # once all are there
# A worker that does not answer so many knocks in a row is lost: within 30 s, and not for one lost packet.
KNOCKS, SECONDS_BETWEEN_KNOCKS, SECONDS_PER_KNOCK = 3, 3, 3


def open_strategy(name: str, cluster: str = "", task: int | None = None, wait: int = 300) -> tf.distribute.Strategy:
    """Opens what `train` runs under; call `prepare_engine` before, as this starts TensorFlow.

    Args:
        name: "mirrored", the devices of this machine; "multi_worker", those of all machines of the cluster.
        cluster: for "multi_worker": addresses "host:port,host:port,…", the same on every machine; the first is the
            chief's. Empty: what the environment variable `TF_CONFIG` says.
        task: which of them is this process, from 0.
        wait: seconds within which all workers have to come.

    Raises:
        UsageError: if the cluster cannot be understood.
        WorkerLost: if a worker has not come in time.
    """
    one_of("strategy", name, STRATEGIES)
    if name == "mirrored":
        if cluster or task is not None:
            raise UsageError("Expected cluster and task with strategy=multi_worker only. Received: strategy=mirrored")
        return tf.distribute.MirroredStrategy()
    addresses, index = read_cluster(cluster, task)
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})

    gather(addresses, index, wait)
    # A worker that is lost just now leaves TensorFlow waiting, where no exception and no thread of ours gets through.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS_TO_START)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise WorkerLost(
            f"Expected {len(addresses)} workers that train together. Received: no answer from "
            f"{_silent(addresses, index)}. Start all of them again"
        ) from error
    finally:
        signal.alarm(0)


def read_cluster(cluster: str, task: int | None) -> tuple[list[str], int]:
    """Returns the workers' addresses and the place of this process among them, from the flags or from `TF_CONFIG`.

    Raises:
        UsageError: naming what is wrong.
    """
    if cluster:
        addresses, source = [part.strip() for part in cluster.split(",")], "cluster"
        if task is None:
            raise UsageError("Expected task, which of the cluster's workers this one is, from 0. Received none.")
    else:
        source = "TF_CONFIG"
        if task is not None:
            raise UsageError(f"Expected cluster=host:port,host:port,… with task. Received: task={task} alone")
        if not os.environ.get("TF_CONFIG"):
            raise UsageError("Expected cluster=host:port,… and task, or TF_CONFIG in the environment. Received none.")
        try:
            described = json.loads(os.environ["TF_CONFIG"])
            jobs, own = described["cluster"], described["task"]
            addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
            task = int(own["index"]) + (len(jobs.get("chief", [])) if own["type"] == "worker" else 0)
            known = set(jobs) <= {"chief", "worker"} and own["type"] in jobs
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise UsageError(
                'Expected TF_CONFIG as {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", '
                f'"index": 0}}}}. Received: {os.environ["TF_CONFIG"]}'
            )
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise UsageError(f"Expected {source} with addresses host:port. Received: {address!r}")
    if len(set(addresses)) < len(addresses):
        raise UsageError(f"Expected {source} with an address of its own for each worker. Received: {addresses}")
    if task is None or not 0 <= task < len(addresses):
        raise UsageError(f"Expected task from 0 to {len(addresses) - 1}. Received: {task}")
    return addresses, task


class Workers:
    """All processes that train one network together; one, where the strategy knows only this machine.

    Args:
        strategy: a synchronous `tf.distribute.Strategy`.

    Attributes:
        index: the place of this process, from 0.
        count: how many there are.
        chief: whether this is the one that reads and writes the workdir and validates.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.addresses, self.index = [], 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            jobs = resolver.cluster_spec().as_dict()
            chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
            self.addresses = [*chiefs, *workers]
            self.index = (resolver.task_id or 0) + (len(chiefs) if resolver.task_type == "worker" else 0)
        self.count = max(len(self.addresses), 1)
        self._leaving = threading.Event()
        self.chief = self.index == 0

    @contextlib.contextmanager
    def together(self):
        """Within it, the loss of another worker ends this one, with exit code LOST where it is busy elsewhere.

        Raises:
            WorkerLost: instead of TensorFlow's error.
        """
        if self.count == 1:
            yield
            return
        threading.Thread(target=self._knock, daemon=True).start()
        try:
            yield
        except SIGNS_OF_LOSS as error:
            raise WorkerLost(self._sentence(_silent(self.addresses, self.index))) from error
        finally:
            self._leaving.set()

    def _knock(self) -> None:
        """Ends the process when another one is gone while this one is not in a step, as the chief who validates."""
        unanswered = dict.fromkeys(self.addresses, 0)
        while not self._leaving.wait(SECONDS_BETWEEN_KNOCKS):
            for address in unanswered:
                unanswered[address] = 0 if _answers(address) else unanswered[address] + 1
            if max(unanswered.values()) >= KNOCKS and not self._leaving.is_set():
                gone = [i for i, address in enumerate(self.addresses) if unanswered[address]]
                leave(self._sentence(names(self.addresses, gone)))

    def _sentence(self, gone: str) -> str:
        return (
            f"Expected all {self.count} workers to go on. Received: no answer from {gone}; this one, {self.index}, "
            "stops too. Start all of them again: they go on from the last checkpoint"
        )

    def share(self, variables: list) -> None:
        """Gives every worker the chief's values, to the last bit."""
        if self.count == 1:
            return

        @tf.function
        def total(values):
            def own():
                # -0.0 is what leaves every number, and the sign of zero, as it is.
                nothing = tf.zeros_like(values) if values.dtype.is_integer else -tf.zeros_like(values)
                replica = tf.distribute.get_replica_context().replica_id_in_sync_group
                return tf.where(tf.equal(replica, 0), values, nothing)

            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(own), axis=None)

        for kind in sorted({variable.dtype for variable in variables}, key=str):
            alike = [variable for variable in variables if variable.dtype == kind]
            values = total(tf.concat([tf.reshape(variable, [-1]) for variable in alike], axis=0))
            parts = tf.split(values, [variable.shape.num_elements() for variable in alike])
            for variable, part in zip(alike, parts):
                variable.assign(tf.reshape(part, variable.shape))

    def check_alike(self, *facts) -> None:
        """Makes sure that `facts`, whose `repr` is compared, are the same on every worker.

        Raises:
            UsageError: on every worker, naming those that differ from the chief.
        """
        if self.count == 1:
            return
        digest = int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:7], "little")
        per_worker = self.strategy.num_replicas_in_sync // self.count

        @tf.function
        def gathered():
            def own():
                first = tf.distribute.get_replica_context().replica_id_in_sync_group % per_worker == 0
                return tf.one_hot(self.index, self.count, tf.cast(first, tf.int64) * digest, 0, dtype=tf.int64)

            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(own), axis=None)

        digests = gathered().numpy()
        others = np.flatnonzero(digests != digests[0])
        if len(others):
            self.leave_together()
            raise UsageError(
                "Expected the same flags and the same pictures in the same order on every worker. "
                f"Received: others than worker 0's on {names(self.addresses, others)}"
            )

    def leave_together(self) -> None:
        """Returns when every worker has called it; then each may end without the others taking it for lost."""
        if self.count == 1:
            return
        self.check_alike()
        self._leaving.set()
        # Whoever is through this one knows that all others are through the first; they may miss it.
        with contextlib.suppress(*SIGNS_OF_LOSS):
            self.check_alike()
            time.sleep(0.5)


def _silent(addresses: list[str], index: int) -> str:
    """Names the other workers that do not answer."""
    gone = [i for i, address in enumerate(addresses) if i != index and not _answers(address)]
    return names(addresses, gone) if gone else "some of the others"


def _answers(address: str) -> bool:
    try:
        socket.create_connection(split_address(address), timeout=SECONDS_PER_KNOCK).close()
        return True
    except OSError:
        return False
