"""What a figure was measured on: this machine's processor, the threads that this process may use, versions."""

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path

# Of a process in a container, as it sees it.
_CGROUP = Path("/sys/fs/cgroup")


def available_threads() -> int:
    """The processors that this process may use; in a container as many as it has the time of."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = map(int, _CGROUP.joinpath("cpu.max").read_text(encoding="utf-8").split())
        found = min(found, max(1, -(-quota // period)))
    return found


def available_memory() -> int | None:
    """The bytes that this process may still take, swap left out; in a container its own; None where nobody tells."""
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):
        limit, taken = (int(_CGROUP.joinpath(name).read_text()) for name in ("memory.max", "memory.current"))
        found.append(limit - taken + _read_of_files())
    return min(found, default=None)


def _read_of_files() -> int:
    """The bytes of a container's files in memory: they count as taken until something else needs the place."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = _CGROUP.joinpath("memory.stat").read_text(encoding="utf-8").splitlines()
        counted = dict(line.split() for line in lines)
        return int(counted["active_file"]) + int(counted["inactive_file"])
    return 0


def processor() -> str:
    """The processor's name as the system has it: "Intel(R) Xeon(R) Processor"."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def processor_model() -> str:
    """The processor's name with family, model and stepping: clouds give several kinds one name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    told = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    words = [f"{name} {told[name].strip()}" for name in ("cpu family", "model", "stepping") if name in told]
    return ", ".join([processor(), *words])


def taken(seconds: float = 0.1) -> float:
    """The share of all processors' time that is taken while this process waits: 1 where others use all of it.

    0 where the system does not tell.
    """
    before = _ticks()
    time.sleep(seconds)
    used, idle = (after - earlier for after, earlier in zip(_ticks(), before))
    return used / (used + idle) if used + idle > 0 else 0.0


def _ticks() -> tuple[int, int]:
    """The processors' time since the start of the system, used and idle."""
    try:
        line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
        numbers = [int(word) for word in line.split()[1:9]]
        idle = numbers[3] + numbers[4]
    except (OSError, ValueError, IndexError):
        return 0, 0
    return sum(numbers) - idle, idle


def system() -> str:
    """Operating system and architecture: "Linux x86_64"."""
    return f"{platform.system()} {platform.machine()}"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Package → version, of those that are installed.

    One that was installed under another name, as `tensorflow-cpu` is, is asked itself if it has been imported.
    """
    # Not for every command: it comes with the library for e-mail.
    from importlib import metadata

    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if hasattr(sys.modules.get(package), "__version__"):
                found[package] = sys.modules[package].__version__
    return found
