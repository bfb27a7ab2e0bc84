"""Workers killed at random steps: how soon the others stop, and whether the restarted run ends with the same bits.

`python -m benchmarks.worker_kills --json=FILE`: real processes on 127.0.0.1. One run is killed again and again, each
time another worker at another step, and started again; at the end its checkpoint is compared with that of a run that
nobody disturbed.
"""

import contextlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import record
from zoo.program import quiet_tensorflow
from zoo.training.interruption import LOST

TRAIN = Path(__file__).parent.parent / "train.py"
SMALL = [
    "--model=fsrcnn_s", "--scale=2", "--lr_size=12", "--batch=24", "--warmup=5", "--checkpoint_every=10",
    "--validate_every=10", "--log_every=1", "--noexport", "--jit=off",
]  # fmt: skip
SECONDS_PER_PROCESS = 300
SECONDS_TO_STOP = 30


class Launch:
    """Some workers of one run.

    Attributes:
        processes: one a worker, the chief first.
    """

    def __init__(self, processes: list[subprocess.Popen], outputs: list[Path]):
        self.processes, self.outputs = processes, outputs
        self.deadline = time.monotonic() + SECONDS_PER_PROCESS

    def codes(self) -> list[int]:
        """Waits for all of them; returns their exit codes."""
        return [process.wait(max(self.deadline - time.monotonic(), 0)) for process in self.processes]

    def output(self, index: int) -> str:
        return self.outputs[index].read_text()

    def wait_for(self, workdir: Path, step: int) -> None:
        """Returns when the log has reached a step.

        Raises:
            RuntimeError: if a worker ends before.
        """
        log = workdir / "log.jsonl"
        while not (log.exists() and f'{{"step": {step},' in log.read_text()):
            for index, process in enumerate(self.processes):
                if process.poll() is not None or time.monotonic() > self.deadline:
                    raise RuntimeError(f"Worker {index} did not reach step {step}: {self.output(index)[-2000:]}")
            time.sleep(0.002)


def addresses(count: int) -> str:
    """Returns `count` addresses of this machine whose ports are free, as --cluster takes them."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)


@contextlib.contextmanager
def launch(commands: Sequence[Sequence[str]]) -> Iterator[Launch]:
    """Starts one process a command; whatever happens, none of them is left behind."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        outputs = [Path(folder) / f"worker{index}.txt" for index in range(len(commands))]
        processes = []
        try:
            for command, path in zip(commands, outputs):
                file = stack.enter_context(path.open("wb"))
                processes.append(subprocess.Popen([sys.executable, *command], stdout=file, stderr=subprocess.STDOUT))
            yield Launch(processes, outputs)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def workers(workdir: Path, count: int, flags: Sequence[str]):
    """Starts `train.py` with so many workers."""
    cluster = addresses(count)
    return launch(
        [
            [
                str(TRAIN),
                "--strategy=multi_worker",
                f"--cluster={cluster}",
                f"--task={task}",
                f"--workdir={workdir}",
                *flags,
            ]
            for task in range(count)
        ]
    )


def kill(workdir: Path, count: int, flags: Sequence[str], step: int, victim: int) -> dict:
    """Starts a run, kills one of its workers at a step, and reports how the others ended."""
    with workers(workdir, count, flags) as launched:
        launched.wait_for(workdir, step)
        time.sleep(random.uniform(0, 0.02))
        killed = time.monotonic()
        launched.processes[victim].send_signal(signal.SIGKILL)
        codes = launched.codes()
        seconds = time.monotonic() - killed
        others = [index for index in range(count) if index != victim]
        last_lines = [launched.output(index).strip().splitlines()[-1] for index in others]
        return {
            "step": step,
            "victim": victim,
            "seconds": seconds,
            "codes": [codes[index] for index in others],
            "sentences": last_lines,
            "tracebacks": sum("Traceback" in launched.output(index) for index in others),
        }


def stopped_well(killed: dict) -> bool:
    """Whether the others stopped in time, each with the exit code of a lost worker and one sentence."""
    return (
        killed["seconds"] <= SECONDS_TO_STOP
        and all(code == LOST for code in killed["codes"])
        and all(line.startswith("error: Expected all") for line in killed["sentences"])
        and not killed["tracebacks"]
    )


def finish(workdir: Path, count: int, flags: Sequence[str]) -> None:
    """Starts a run and waits for its end.

    Raises:
        RuntimeError: if a worker ends with an error.
    """
    with workers(workdir, count, flags) as launched:
        for index, code in enumerate(launched.codes()):
            # So few steps may come to nothing, which the chief says.
            if code and "Worse than bicubic" not in launched.output(index):
                raise RuntimeError(f"Worker {index} ended with {code}: {launched.output(index)[-2000:]}")


def state(workdir: Path) -> dict[str, np.ndarray]:
    """All that the last checkpoint holds, by name: weights, average, optimizer."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(workdir / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("_", "save_counter"))]
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def same_bits(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two checkpoints hold the same names and, for each, the same bytes."""
    return first.keys() == second.keys() and all(first[name].tobytes() == second[name].tobytes() for name in first)


def main(arguments: list[str] | None = None) -> int:
    """The command `python -m benchmarks.worker_kills`; returns 1 where a worker did not stop well or a bit differs."""
    parser = record.parser("worker_kills", __doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None, help="of the random steps and workers")
    flags = parser.parse_args(arguments)
    quiet_tensorflow(3)
    written, kills, count = record.start("worker_kills"), 2 if flags.quick else flags.kills, flags.workers
    random.seed(flags.seed)
    every = 20
    run = [*SMALL, f"--steps={every * (kills + 1)}"]
    written["workers"], written["kills"] = count, []
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        finish(whole, count, run)
        for index in range(kills):
            step = random.randint(every * index + 1, every * (index + 1))
            killed = kill(broken, count, run, step, random.randrange(count))
            written["kills"].append({**killed, "stopped_well": stopped_well(killed)})
            print(
                f"step {step}, worker {killed['victim']}: {killed['seconds']:.1f} s, {killed['sentences'][0]}",
                flush=True,
            )
        finish(broken, count, run)
        written["same_bits"] = same_bits(state(whole), state(broken))
    record.table(
        f"{count} workers, {kills} kills; then the same bits: {written['same_bits']}",
        ["killed at step", "worker", "others stopped after, s", "exit codes", "in order"],
        [
            [str(k["step"]), str(k["victim"]), f"{k['seconds']:.1f}", str(k["codes"]), str(k["stopped_well"])]
            for k in written["kills"]
        ],
    )
    record.finish(written, flags.json)
    return int(not (written["same_bits"] and all(each["stopped_well"] for each in written["kills"])))


if __name__ == "__main__":
    sys.exit(main())
