"""What a figure was measured on."""

import os
import platform
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from zoo import machine


def test_the_threads_are_those_of_the_process():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from zoo import machine; print(machine.available_threads())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) == 1
    # Control: without that, all that this process has.
    assert machine.available_threads() == len(os.sched_getaffinity(0))


def test_the_processor_has_a_name_even_where_the_system_keeps_it_elsewhere(monkeypatch):
    assert machine.processor()
    told = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz: fast\nmodel name\t: Another"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: told)
    assert machine.processor() == "Some CPU @ 2 GHz: fast"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "CPU part\t: 0xd0c")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert machine.processor() == "aarch64"


def test_kinds_of_processors_with_one_name_are_told_apart(monkeypatch):
    told = "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n\ncpu family\t: 1\nmodel\t\t: 3"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: told)
    assert machine.processor_model() == "AMD EPYC, cpu family 25, model 17, stepping 1"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "")
    assert machine.processor_model() == machine.processor()


@pytest.mark.parametrize(
    ("after", "share"),
    [
        ("cpu  9 0 3 40 8 0 0 0 7 0", 0.0),
        ("cpu  19 0 3 44 8 2 0 4 7 0", 0.8),
        ("cpu", 0.0),
        ("", 0.0),
        ("intr 5 x", 0.0),
    ],
)
def test_what_others_take_of_the_processors(monkeypatch, after, share):
    """Columns: user, nice, system, idle, waiting for disks, two interrupts, stolen; guests are counted in user."""
    told = ["cpu  9 0 3 40 8 0 0 0 7 0\ncpu0 1 1 1 1", f"{after}\ncpu0 1 1 1 1"]
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: told.pop(0))
    assert machine.taken(0) == pytest.approx(share)


@pytest.mark.parametrize(
    ("told", "share"), [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("150000 100000", 2)]
)
def test_a_container_has_as_many_threads_as_it_has_time_for(monkeypatch, told, share):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(Path, "read_text", lambda self, **_: {"/sys/fs/cgroup/cpu.max": f"{told}\n"}[str(self)])
    assert machine.available_threads() == share


def test_versions_are_of_what_is_installed(monkeypatch):
    assert machine.versions(["numpy", "no-such-package"]) == {"numpy": np.__version__}
    monkeypatch.setitem(sys.modules, "numpy", types.SimpleNamespace(__version__="9"))
    # The package's own word counts only where nothing of its name is installed, as with tensorflow-cpu.
    assert machine.versions(["numpy"]) == {"numpy": metadata.version("numpy")}
    monkeypatch.setitem(sys.modules, "renamed", types.SimpleNamespace(__version__="3.1"))
    assert machine.versions(["renamed"]) == {"renamed": "3.1"}


def test_the_memory_that_is_free_is_the_systems_or_the_containers(monkeypatch):
    assert 0 < machine.available_memory() < 1 << 50 or not Path("/proc/meminfo").exists()
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   4096 kB\n"}
    monkeypatch.setattr(Path, "read_text", lambda self, **_: files.get(str(self), "max\n"))
    assert machine.available_memory() == 4 << 20
    files |= {"/sys/fs/cgroup/memory.max": "3000000\n", "/sys/fs/cgroup/memory.current": "1000000\n"}
    assert machine.available_memory() == 2_000_000
    # What was read of files is given back.
    files["/sys/fs/cgroup/memory.stat"] = "anon 7\nactive_file 300000\ninactive_file 200000\n"
    assert machine.available_memory() == 2_500_000
    files.clear()
    assert machine.available_memory() is None
