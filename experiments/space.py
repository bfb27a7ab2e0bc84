"""In which space should a network convolve? Equal multiplications and depth in HR space, in LR space and below it.

`python -m experiments.space` trains the grid and writes a record a run; stopped or killed, the same command goes on.
The order is that of importance. `--quick` takes minutes and shows the direction: LR space is ahead of HR space.
Expected, of the whole grid: see docs/space.md, which `python -m experiments.space_page` writes from the records.
"""

import argparse
import dataclasses
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from experiments import runs
from experiments.equal import REGIMES, SPACES
from experiments.runs import Corner, Setting
from zoo.backend import prefer_onednn
from zoo.errors import UsageError, exit_on_usage_error, one_of
from zoo.training.interruption import Interrupted

RESULTS = Path(__file__).parent / "results" / "space"
SCALES, BUDGETS, SEEDS = (3, 2, 4), (0.5, 2.0, 8.0), (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of the work that one process does.

    Attributes:
        name: for the list of what is not done.
        work: a function of module `runs` and its arguments.
        done: whether it is done, or nothing wants it any more.
        ready: whether the files are there that it needs.
    """

    name: str
    work: Callable[[], tuple]
    done: Callable[[], bool]
    ready: Callable[[], bool] = lambda: True


def corners(scales, budgets, regimes, spaces) -> list[Corner]:
    """The grid, the most important first; LR space stands in the regime `practice` alone, as both have the same there.

    What comes first is ×3 with the two smaller budgets, where the whole grid is wanted.
    """
    grid = [(scale, budget) for scale in scales for budget in budgets]
    grid.sort(key=lambda each: (each[0] != 3 or each[1] > 2, SCALES.index(each[0]), each[1]))
    return [
        Corner(space, regime, scale, budget)
        for scale, budget in grid
        for regime in REGIMES
        for space in SPACES
        if space in spaces and (regime in regimes or space == "lr") and (space, regime) != ("lr", "paper")
    ]


def units(setting: Setting, grid: list[Corner], seeds: tuple[int, ...], search_at: tuple, parts: str) -> list[Unit]:
    """The work in order: before a network's first corner the search of its learning rate."""
    found: list[Unit] = []
    begun = set()
    for corner in grid:
        at = dataclasses.replace(corner, scale=search_at[0], budget=search_at[1])
        if parts != "measure" and at not in begun:
            begun.add(at)
            found += searches(setting, at)
        folder = setting.workdir / str(corner)
        if parts != "measure":
            found.append(
                Unit(
                    f"{corner}, seeds {', '.join(map(str, seeds))}",
                    lambda corner=corner, at=at: (runs.train, setting, corner, seeds, runs.best_rate(setting, at)),
                    lambda folder=folder: runs.settled(folder, seeds),
                    lambda at=at: runs.searched(setting, at),
                )
            )
        if parts != "train":
            found += [
                Unit(
                    runs.record(setting, corner, seed).stem,
                    lambda corner=corner, seed=seed: (runs.measure, setting, corner, seed),
                    runs.record(setting, corner, seed).is_file,
                    lambda folder=folder: runs.settled(folder, seeds),
                )
                for seed in seeds
            ]
    return found


def searches(setting: Setting, corner: Corner) -> list[Unit]:
    """The rates of the search, and the lower one, which is done too where the lowest of the others is not the best."""

    def unit(rate: float, done: Callable[[], bool] | None = None, ready: Callable[[], bool] = lambda: True) -> Unit:
        path = runs.search_record(setting, corner, rate)
        return Unit(path.stem, lambda: (runs.search, setting, corner, rate), done or path.is_file, ready)

    lower = unit(
        runs.LOWER_RATE,
        lambda: runs.searched(setting, corner),
        lambda: runs.best_rate(setting, corner) is not None,
    )
    return [*map(unit, runs.LEARNING_RATES), lower]


def work_off(pending: list[Unit], jobs: int, deadline_s: float) -> list[str]:
    """Works off units in order, `jobs` at a time; returns the names of those that were not done, with the reason.

    Nothing starts that would not end before the deadline if it took as long as the longest one so far.
    """
    start, longest, failed = time.monotonic(), 0.0, []
    left = pending
    running: dict[Future, tuple[Unit, float]] = {}
    with processes(jobs) as pool:
        while True:
            # A search that has ended may have made the lower rate unnecessary.
            left = [unit for unit in left if not unit.done()]
            while len(running) < jobs and time.monotonic() - start + longest < deadline_s:
                unit = next((each for each in left if each.ready()), None)
                if unit is None:
                    break
                left.remove(unit)
                function, *arguments = unit.work()
                running[pool.submit(function, *arguments)] = (unit, time.monotonic())
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                unit, began = running.pop(future)
                longest = max(longest, time.monotonic() - began)
                error = future.exception()
                if isinstance(error, Interrupted):
                    return [str(error), *(each.name for each in left)]
                if error is not None:
                    failed.append(f"{unit.name}: {error}")
                print(f"{time.monotonic() - start:6.0f} s  {unit.name}{' FAILED' if error else ''}", flush=True)
    return [*failed, *(unit.name for unit in left)]


class _Here:
    """A pool of one: the work is done where it is submitted, as signals only reach a process' main thread."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def processes(jobs: int):
    """A pool of so many processes, each on cores of its own; one alone is this one."""
    if jobs == 1:
        return _Here()
    # Not forked: TensorFlow and JAX do not survive it.
    context = multiprocessing.get_context("spawn")
    left = context.SimpleQueue()
    for share in shares(jobs):
        left.put(share)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(left,))


def shares(jobs: int) -> list[set[int]]:
    """The cores of each of several processes: on cores of its own each is faster than all are on all of them."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [set(cores[number::jobs]) for number in range(jobs)]


def _begin(left) -> None:
    logging.disable(logging.INFO)
    share = left.get()
    # None where there are more processes than cores, or where the system has no such thing.
    if share:
        os.sched_setaffinity(0, share)


def _numbers(text: str, kind: type) -> tuple:
    try:
        return tuple(kind(each) for each in text.split(","))
    except ValueError:
        raise UsageError(f"Expected numbers joined with commas. Received: {text!r}") from None


def _names(kind: str, text: str, valid: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one_of(kind, each, valid) for each in text.split(","))


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(prog="python -m experiments.space", description=__doc__.splitlines()[0])
    made.add_argument("--scales", default=",".join(map(str, SCALES)))
    made.add_argument("--budgets", default=",".join(f"{each:g}" for each in BUDGETS), help="GMAC for a 720p output")
    made.add_argument("--regimes", default=",".join(REGIMES))
    made.add_argument("--spaces", default=",".join(SPACES))
    made.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    made.add_argument("--steps", type=int, default=4000)
    made.add_argument(
        "--search_steps", type=int, default=1000, help="steps of each try in the search of learning rates"
    )
    made.add_argument(
        "--search_at", default="{},{:g}".format(*runs.SEARCH_AT), help="scale,budget at which learning rates are tried"
    )
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--lr_size", type=int, default=48, help="side of a patch in LR pixels, a multiple of 4")
    made.add_argument("--engine", default="tensorflow", choices=("tensorflow", "device"))
    made.add_argument("--together", action="store_true", help="the seeds as one computation; engine=device")
    made.add_argument("--data", default="sample", help="what to train on, as train.py takes it")
    made.add_argument("--tuning", default="sample", help="pictures that the learning rates are chosen by")
    made.add_argument("--held_out", default="sample", help="pictures that nothing is chosen by")
    made.add_argument("--sets", default="", help="folders of test sets, joined with commas")
    made.add_argument("--output", type=Path, default=RESULTS, help="folder of the records, a JSON file a run")
    made.add_argument("--workdir", type=Path, default=Path("runs/space"), help="folder of the trained networks")
    made.add_argument("--parts", default="all", choices=("all", "train", "measure"))
    made.add_argument("--jobs", type=int, default=1, help="processes at once")
    made.add_argument("--deadline_s", type=float, default=float("inf"), help="seconds after which nothing more starts")
    made.add_argument("--quick", action="store_true", help="two spaces, ×3, the smallest budget, one seed, 300 steps")
    return made


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command; returns 1 where something was not done."""
    flags = parser().parse_args(arguments)
    prefer_onednn()
    if flags.quick:
        flags.scales, flags.budgets, flags.seeds, flags.spaces = "3", "0.5", "0", "lr,hr_bicubic,below_x2"
        flags.regimes, flags.search_at, flags.steps, flags.search_steps = "practice", "3,0.5", 300, 100
        flags.batch = 8
    if flags.lr_size % 4 or flags.jobs < 1:
        raise UsageError(
            "Expected lr_size to be a multiple of 4 and jobs to be at least 1. "
            f"Received: lr_size={flags.lr_size}, jobs={flags.jobs}"
        )
    scales, budgets = _numbers(flags.scales, int), _numbers(flags.budgets, float)
    for scale in scales:
        one_of("scale", scale, SCALES)
    grid = corners(
        scales, budgets, _names("regime", flags.regimes, REGIMES), _names("space", flags.spaces, SPACES)
    )  # fmt: skip
    chosen = {field.name for field in dataclasses.fields(Setting)} - {"sets"}
    sets = tuple(each for each in flags.sets.split(",") if each)
    setting = Setting(sets=sets, **{name: getattr(flags, name) for name in chosen})
    _check_records(setting)
    for corner in [each for each in grid if not each.options()]:
        print(f"{corner}: no such network has as many multiplications as the others; left out")
        grid.remove(corner)
    if flags.engine == "device":
        # One compilation a network: the other seeds, and a command that goes on, find it on the disk.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((flags.workdir / "compiled").resolve()))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    search_at = _numbers(flags.search_at, float)
    if len(search_at) != 2:
        raise UsageError(f"Expected search_at as scale,budget. Received: {flags.search_at!r}")
    search_at = (int(search_at[0]), search_at[1])
    work = units(setting, grid, _numbers(flags.seeds, int), search_at, flags.parts)
    if flags.parts != "measure":
        for scale in sorted({corner.scale for corner in grid} | {search_at[0]}):
            runs.prepared(setting, scale)
    missing = work_off(work, flags.jobs, flags.deadline_s)
    for name in missing:
        print(f"not done: {name}")
    return int(bool(missing))


def _check_records(setting: Setting) -> None:
    """Records of other trainings are not comparable: they want a folder of their own."""
    for path in sorted(setting.output.glob("*.json")):
        found = runs.read(path)
        wanted = setting.search_steps if path.name.startswith("search_") else setting.steps
        if found["steps"] != wanted:
            raise UsageError(
                f"Expected records of {wanted} steps in {setting.output}, or another folder as output. "
                f"Received: {path.name} of {found['steps']} steps"
            )


if __name__ == "__main__":
    sys.exit(main())
