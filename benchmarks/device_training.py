"""Training steps per second on an accelerator: `engine=device` against hand-written PyTorch. ×3, LR 32, L1, Adam.

PyTorch comes in two ways: the usual one, a DataLoader's workers cut the patches and the compiled network is trained in
a Python loop; and the strongest one known, pictures in the GPU's memory too and the whole step in one CUDA graph.
Without a GPU it shows that it works and measures nothing of interest. Run it with KERAS_BACKEND=jax.
"""

import contextlib
import functools
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.timing import paired, summarise
from benchmarks.training import Child, serve, torch_espcn, torch_fsrcnn
from zoo.machine import available_threads

SCALE, LR_SIZE = 3, 32
BATCHES = (16, 128)
OURS, GRAPH, LOADER = "zoo engine=device", "PyTorch, CUDA graph", "PyTorch, DataLoader"


def ours(network: str, batch: int, source, folder: Path) -> Callable[[int], None]:
    """The project's engine, all steps in one call."""
    from zoo.training.config import TrainConfig
    from zoo.training.device import Seed, Trainer
    from zoo.training.snapshots import Snapshots

    config = TrainConfig(model=network, scale=SCALE, batch=batch, lr_size=LR_SIZE, start="random", engine="device")
    trainer = Trainer([Seed(config, folder, Snapshots(folder))], source, source)
    return trainer.advance


def _torch_parts(network: str):
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    model = {"espcn": torch_espcn, "fsrcnn": torch_fsrcnn}[network]().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, capturable=device.type == "cuda")
    return torch, device, model, optimizer


def pytorch_graph(network: str, batch: int, source, folder: Path) -> Callable[[int], None]:
    """All pictures in one tensor on the GPU, patches gathered there, the step replayed as one CUDA graph."""
    torch, device, model, optimizer = _torch_parts(network)
    pictures = [hr[..., 0] for _, _, hr in source.pictures()]
    side = SCALE * LR_SIZE
    height, width = (min(p.shape[axis] for p in pictures) // SCALE * SCALE for axis in (0, 1))
    hr_all = torch.from_numpy(np.stack([p[:height, :width] for p in pictures])).to(device)
    lr_all = torch.from_numpy(np.stack([lr[: height // SCALE, : width // SCALE, 0] for _, lr, _ in source.pictures()]))
    lr_all = lr_all.to(device)
    compiled = torch.compile(model) if device.type == "cuda" else model
    rows, columns = (torch.arange(n, device=device) for n in (LR_SIZE, side))

    def cut(images, picture, y, x, taps):
        return images[picture[:, None, None], (y[:, None] + taps)[:, :, None], (x[:, None] + taps)[:, None, :]]

    def step() -> None:
        picture = torch.randint(len(pictures), (batch,), device=device)
        y = torch.randint(height // SCALE - LR_SIZE + 1, (batch,), device=device)
        x = torch.randint(width // SCALE - LR_SIZE + 1, (batch,), device=device)
        flips = torch.rand(batch, device=device) < 0.5
        lr, hr = cut(lr_all, picture, y, x, rows), cut(hr_all, picture, SCALE * y, SCALE * x, columns)
        lr, hr = (torch.where(flips[:, None, None], each.flip(2), each)[:, None].float() / 255 for each in (lr, hr))
        optimizer.zero_grad(set_to_none=False)
        torch.nn.functional.l1_loss(compiled(lr), hr).backward()
        optimizer.step()

    if device.type != "cuda":
        return lambda count: [step() for _ in range(count)]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def steps(count: int) -> None:
        for _ in range(count):
            graph.replay()
        torch.cuda.synchronize()

    return steps


def pytorch_loader(network: str, batch: int, source, folder: Path) -> Callable[[int], None]:
    """What a PyTorch user writes: a data set of random crops, a DataLoader with workers, a loop."""
    torch, device, model, optimizer = _torch_parts(network)
    pictures = [(lr, hr) for _, lr, hr in source.pictures()]

    class Crops(torch.utils.data.IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            random = np.random.default_rng(info.id if info else 0)
            while True:
                lr, hr = pictures[random.integers(len(pictures))]
                y, x = (int(random.integers(n - LR_SIZE + 1)) for n in lr.shape[:2])
                turns, flip = int(random.integers(4)), bool(random.integers(2))
                cuts = []
                for image, times in ((lr, 1), (hr, SCALE)):
                    rows, columns = (slice(times * start, times * (start + LR_SIZE)) for start in (y, x))
                    patch = np.rot90(image[rows, columns], turns)
                    patch = patch[:, ::-1] if flip else patch
                    cuts.append(torch.from_numpy(patch.transpose(2, 0, 1).copy()))
                yield tuple(cuts)

    workers = min(8, available_threads()) if device.type == "cuda" else 0
    loader = torch.utils.data.DataLoader(
        Crops(),
        batch,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        **({"prefetch_factor": 8} if workers else {}),
    )
    batches = iter(loader)
    compiled = torch.compile(model) if device.type == "cuda" else model

    def steps(count: int) -> None:
        for _ in range(count):
            lr, hr = (
                each.to(device, non_blocking=True).float().div_(255).contiguous(memory_format=torch.channels_last)
                for each in next(batches)
            )
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.l1_loss(compiled(lr), hr)
            loss.backward()
            optimizer.step()
        loss.item()

    return steps


LOOPS: dict[str, Callable] = {OURS: ours, GRAPH: pytorch_graph, LOADER: pytorch_loader}


def contest(network: str, batch: int, steps: int, rounds: int) -> dict:
    """All loops on one network and batch, each in a process of its own, made ready together and then timed in turn."""
    with contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(
                contextlib.closing(Child("benchmarks.device_training", f"{network}:{batch}:{steps}:{name}"))
            )
            for name in LOOPS
        }
        missing = {name: lacks for name, child in children.items() if (lacks := child.missing())}
        jobs = {name: functools.partial(child.run, steps) for name, child in children.items() if name not in missing}
        times = paired(jobs, rounds=rounds, warmup=1, pause=0.1)
    rows = {name: {"steps_per_second": steps / row["median"], **row} for name, row in summarise(times, OURS).items()}
    return {"network": network, "batch": batch, "loops": rows, "missing": missing}


def main(arguments: list[str] | None = None) -> None:
    """The command `KERAS_BACKEND=jax python -m benchmarks.device_training`."""
    parser = record.parser("device_training", __doc__)
    parser.add_argument("--child", help="for the command's own processes: network:batch:steps:loop")
    flags = parser.parse_args(arguments)
    if flags.child:
        import zoo.data

        network, batch, steps, loop = flags.child.split(":", 3)
        serve(lambda folder: LOOPS[loop](network, int(batch), zoo.data.sample(SCALE), folder), first=int(steps))
        return
    written = record.start("device_training")
    written["device"] = subprocess.run(
        [sys.executable, "-c", "import jax; print(jax.devices()[0].device_kind)"], capture_output=True, text=True
    ).stdout.strip()
    steps, rounds, batches = (1, 2, (2,)) if flags.quick else (500, 5, BATCHES)
    written["results"] = []
    for network, batch in itertools.product(("espcn", "fsrcnn"), batches):
        written["results"].append(contest(network, batch, steps, rounds))
        values = [
            (f"{each['network']}, batch {each['batch']}, {name}", row["steps_per_second"])
            for each in written["results"]
            for name, row in each["loops"].items()
        ]
        mine = [label for label, _ in values if label.endswith(OURS)]
        written["chart"] = record.chart(f"Training steps per second, ×{SCALE}", values, "/s", mine)
        # After each case: time on an accelerator may end before the last one.
        record.finish(written, flags.json)
    record.table(
        f"Training ×{SCALE}, LR {LR_SIZE}, on {written['device']}",
        ["network, batch and loop", "steps/s"],
        [[label, f"{value:.1f}"] for label, value in values],
    )


if __name__ == "__main__":
    main()
