"""How a training step shortens with the number of workers: `python -m benchmarks.scaling --json=FILE`.

Measured here: the step of each preset's network at several batches, and the reduction between two processes. A model
fitted to both says the step time on a stated network; two processes with one thread each check it. The page
docs/scaling.md is written from the figures by `python -m benchmarks.scaling_page`.
"""

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.timing import linear_fit, paired
from benchmarks.worker_kills import addresses, launch

LR_SIZE, BATCH, LARGE_BATCH = 32, 16, 256
SHARES = (2, 8, 32)  # patches a worker has, measured
FLOATS = (5_000, 50_000, 500_000)  # of the vectors whose reduction is measured
NETWORKS = {  # bytes per second, seconds from one machine to the next
    "1 Gbit/s, 100 µs": (125e6, 100e-6),
    "10 Gbit/s, 50 µs": (1.25e9, 50e-6),
    "100 Gbit/s, 10 µs": (12.5e9, 10e-6),
}
WORKERS = (1, 2, 4, 8, 16, 32, 64)
STEPS_OF_DRIFT = (1, 20, 50, 100, 200)
PAYS = 0.5  # share of the ideal speed-up below which another machine is better used otherwise


def bytes_per_step(parameters: int) -> int:
    """What a step adds up over the workers: the gradient, the loss, the wish to stop; float32."""
    return 4 * (parameters + 2)


def reduction(workers: int, size: int, bandwidth: float, latency: float) -> float:
    """Seconds of a ring all-reduce: 2·(N - 1) messages one after the other, each of a share of the vector.

    Args:
        workers: N.
        size: bytes of the vector.
        bandwidth: bytes per second between two neighbours.
        latency: seconds per message, the software's part included.

    References:
        Patarasuk, Yuan: Bandwidth optimal all-reduce algorithms for clusters of workstations (2009), section 3.
    """
    return 2 * (workers - 1) * (latency + size / workers / bandwidth)


def step_time(workers: int, batch: int, size: int, compute: dict, bandwidth: float, latency: float) -> float:
    """Seconds of a step: the worker's share of the batch, then the reduction; nothing overlaps, as in the loop."""
    return compute["slope"] * batch / workers + compute["offset"] + reduction(workers, size, bandwidth, latency)


def forecast(batch: int, size: int, compute: dict, bandwidth: float, latency: float) -> dict:
    """The step time by workers, the fastest number of them, and the largest that still pays.

    Returns:
        `workers`, `seconds`, `fastest` (number of workers), `pays` (largest number with at least PAYS of the ideal).
    """
    counts = [count for count in WORKERS if batch % count == 0]
    times = [step_time(count, batch, size, compute, bandwidth, latency) for count in counts]
    paying = [count for count, seconds in zip(counts, times) if times[0] / seconds >= PAYS * count]
    return {"workers": counts, "seconds": times, "fastest": counts[int(np.argmin(times))], "pays": max(paying)}


def settings(card: dict, batch: int, threads: int = 0):
    """The configuration that trains a preset's network."""
    from zoo.training import TrainConfig

    options = [f"{name}={value}" for name, value in card["options"].items() if name not in ("channels", "upsampler")]
    return TrainConfig(
        model=card["model"], scale=card["scale"], channels=card["channels"], model_options=",".join(options),
        batch=batch, lr_size=LR_SIZE, threads=threads, start="random",
    )  # fmt: skip


def stepper(card: dict, batch: int, strategy, threads: int = 0) -> Callable[[int], None]:
    """A function that takes so many steps, as `train.py` does."""
    import zoo.data
    from zoo.training.input import open_batches
    from zoo.training.loop import set_up
    from zoo.training.workers import Workers

    config = settings(card, batch, threads)
    source = zoo.data.sample(card["scale"], channels=card["channels"])
    with tempfile.TemporaryDirectory() as folder:
        run = set_up(config, Path(folder), source, source, Workers(strategy))
    batches = open_batches(strategy, source, config, 0)

    batch = next(batches)

    def steps(count: int) -> None:
        nonlocal batch
        for _ in range(count):
            batch, (loss, *_) = run.step(batch, batches, np.float32(0))
        float(loss)

    return steps


def child(task: int, cluster: str, names: str, steps: int, rounds: int) -> None:
    """One process with one thread: prints the seconds of its steps alone or, with another, of the shared steps."""
    import tensorflow as tf

    import zoo
    from zoo.training import TrainConfig
    from zoo.training.loop import prepare_engine
    from zoo.training.workers import open_strategy

    prepare_engine(TrainConfig(threads=1))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    strategy = open_strategy("multi_worker", cluster, task, 120) if cluster else tf.distribute.get_strategy()
    jobs = {}
    for name in names.split(","):
        # Alone, half the batch too: what one of two workers computes.
        for batch in (BATCH,) if cluster else (BATCH // 4, BATCH // 2, BATCH):
            jobs[f"{name} {batch}"] = stepper(zoo.card(name), batch, strategy, threads=1)
    if cluster:

        @tf.function
        def reduced(values):
            return strategy.reduce("SUM", strategy.run(lambda: values), axis=None)

        for size in FLOATS:
            vector = tf.zeros([size])
            jobs[str(size)] = lambda count, vector=vector: [reduced(vector).numpy() for _ in range(count)]
    for job in jobs.values():
        job(2)
    times = paired({name: lambda job=job: job(steps) for name, job in jobs.items()}, rounds, warmup=1, pause=0)
    print(json.dumps({name: float(np.median(values)) / steps for name, values in times.items()}))


def children(count: int, names: Sequence[str], steps: int, rounds: int) -> dict[str, float]:
    """Runs `child` in so many processes; returns what the first printed: name of a job → seconds per step."""
    cluster = addresses(count) if count > 1 else ""
    program = "import sys; from benchmarks.scaling import child; a = sys.argv; "
    program += "child(int(a[1]), a[2], a[3], int(a[4]), int(a[5]))"
    tail = [cluster, ",".join(names), str(steps), str(rounds)]
    with launch([["-c", program, str(task), *tail] for task in range(count)]) as launched:
        codes = launched.codes()
        if any(codes):
            raise RuntimeError(launched.output(0)[-3000:])
        return json.loads(launched.output(0).strip().splitlines()[-1])


def drift(after: Sequence[int]) -> None:
    """Prints how far a step's gradient, and the weights after so many steps, are apart on one device and on two."""
    import tensorflow as tf

    import zoo.data
    from zoo.training import TrainConfig
    from zoo.training.input import open_batches
    from zoo.training.loop import prepare_engine, set_up
    from zoo.training.step import make_total
    from zoo.training.workers import Workers

    prepare_engine(TrainConfig())
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    strategies = (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    source, gradients, weights = zoo.data.sample(2), {}, {}
    for loss, strategy in itertools.product(("mse", "l1"), strategies):
        config = TrainConfig(model="fsrcnn_s", scale=2, lr_size=12, batch=24, loss=loss, warmup=0, schedule="constant")
        prepare_engine(config)  # the same random weights
        with tempfile.TemporaryDirectory() as folder:
            run = set_up(config, Path(folder), source, source, Workers(strategy))
        batches, history = open_batches(strategy, source, config, 0), []
        total = tf.function(make_total(run.model, config, 0, strategy))
        gradients.setdefault(loss, []).append(
            total(next(open_batches(strategy, source, config, 0)), tf.constant(0.0)).numpy()
        )
        batch = next(batches)
        for step in range(1, max(after) + 1):
            batch, _ = run.step(batch, batches)
            if step in after:
                history.append(run.model.get_weights())
        weights.setdefault(loss, []).append(history)
    result = {}
    for loss, (one, two) in weights.items():
        first, second = gradients[loss]
        result[loss] = {"gradient": float(np.linalg.norm(second - first) / np.linalg.norm(first))}
        for step, ours, theirs in zip(after, one, two):
            result[loss][str(step)] = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs))
    print(json.dumps({"drift": result}))


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m benchmarks.scaling`."""
    flags = record.parser("scaling", __doc__).parse_args(arguments)
    written = record.start("scaling")
    import tensorflow as tf

    import zoo

    steps, rounds = (2, 2) if flags.quick else (8, 7)
    names = zoo.list_presets()[:1] if flags.quick else zoo.list_presets()
    begun = time.monotonic()
    strategy = tf.distribute.get_strategy()
    jobs = {(name, share): stepper(zoo.card(name), share, strategy) for name in names for share in SHARES}
    for job in jobs.values():
        job(2)
    times = paired({key: lambda job=job: job(steps) for key, job in jobs.items()}, rounds, warmup=1)
    seconds = {key: float(np.median(values)) / steps for key, values in times.items()}
    alone, pair = (children(count, names, steps, rounds) for count in (1, 2))

    program = f"from benchmarks.scaling import drift; drift({(20, 50) if flags.quick else STEPS_OF_DRIFT})"
    with launch([["-c", program]]) as launched:
        if any(launched.codes()):
            raise RuntimeError(launched.output(0)[-3000:])
        written |= json.loads(launched.output(0).strip().splitlines()[-1])

    # Two workers: 2 messages of half the vector each, so latency and bandwidth follow from a line.
    line = linear_fit([4 * size for size in FLOATS], [pair[str(size)] for size in FLOATS])
    loopback = {"latency": max(line["offset"] / 2, 0.0), "bandwidth": 1 / line["slope"], "residual": line["residual"]}
    written |= {
        "lr_size": LR_SIZE, "batch": BATCH, "large_batch": LARGE_BATCH, "pays": PAYS, "loopback": loopback,
        "most": max(WORKERS),
        "reduction": {str(4 * size): pair[str(size)] for size in FLOATS}, "presets": [],
    }  # fmt: skip
    for name in names:
        card = zoo.card(name)
        size = bytes_per_step(card["parameters"])
        compute = linear_fit(SHARES, [seconds[name, share] for share in SHARES])
        one_thread = linear_fit(*zip(*[(b, alone[f"{name} {b}"]) for b in (BATCH // 4, BATCH // 2, BATCH)]))
        measured = {str(share): seconds[name, share] for share in SHARES}
        predicted = step_time(2, BATCH, size, one_thread, loopback["bandwidth"], loopback["latency"])
        plans = {
            network: {
                str(batch): forecast(batch, size, compute, bandwidth, latency + loopback["latency"])
                for batch in (BATCH, LARGE_BATCH)
            }
            for network, (bandwidth, latency) in NETWORKS.items()
        }
        check = {"one": alone[f"{name} {BATCH}"], "two": pair[f"{name} {BATCH}"], "two_predicted": predicted}
        written["presets"].append(
            {"name": name, "bytes": size, "compute": compute, "measured": measured, "check": check, "plans": plans}
        )
    written["seconds"] = time.monotonic() - begun
    record.table(
        "Two processes with one thread each against one",
        ["preset", "one, ms", "two, ms", "two by the model, ms"],
        [
            [each["name"], *(f"{1e3 * each['check'][key]:.1f}" for key in ("one", "two", "two_predicted"))]
            for each in written["presets"]
        ],
    )
    written["chart"] = chart(written["presets"])
    record.finish(written, flags.json)


def chart(presets: list[dict], network: str = "10 Gbit/s, 50 µs") -> dict:
    """How many times faster each preset's step is by the model, over workers."""
    plans = {each["name"]: each["plans"][network][str(LARGE_BATCH)] for each in presets}
    found = {
        name: [[count, plan["seconds"][0] / seconds] for count, seconds in zip(plan["workers"], plan["seconds"])]
        for name, plan in plans.items()
    }
    title = f"How many times faster a step is by the model: batch {LARGE_BATCH}, {network}"
    return {"title": title, "across": "workers", "up": "times as fast as one worker", "curves": found}


if __name__ == "__main__":
    sys.exit(main())
