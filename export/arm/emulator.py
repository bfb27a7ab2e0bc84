"""QEMU's user mode with an ARM64 Python and LiteRT: where it lies, how it gets there, and what it runs.

QEMU 10 or newer: 7.2 crashes inside XNNPACK. Debian's trixie has it, and an ARM64 Python; what is fetched from there is
unpacked into a folder and never installed, whatever Debian this machine runs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.files import user_cache
from zoo.program import this_python

# A phone's core of 2018, with dot products and half precision; and all that the emulator knows: i8mm, bf16, SVE.
CPUS = ("cortex-a76", "max")
_SUITE = "trixie"
_GUEST = ("python3", "libstdc++6")
_WHEELS = ("ai-edge-litert", "ml-dtypes", "numpy", "flatbuffers")
_OPTIONAL = ("ncnn",)
_PLATFORMS = ("manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
LATE = "did not end in time"
MISSING = "Not run on ARM64: no emulator; on Debian `python -m export.arm --install` fetches one."


def folder() -> Path:
    """Where the emulator lies: the folder in ZOO_ARM64, or one in the user's cache."""
    return Path(os.environ.get("ZOO_ARM64") or user_cache() / "arm64").absolute()


def installed() -> bool:
    """Whether the emulator is there."""
    return (folder() / "complete").is_file()


def install(place: Path | None = None) -> Path:
    """Fetches the emulator and what runs in it, about 130 MB, and unpacks it; returns the folder.

    Args:
        place: the folder, replaced as a whole; default `folder()`.
    Raises:
        UsageError: no Debian, something cannot be fetched, or the folder holds something else.
    """
    place = place or folder()
    ours = not place.exists() or (place / "complete").is_file()
    if not ours and not (place.is_dir() and not any(place.iterdir())):
        raise UsageError(f"Expected an empty folder, or the emulator's, in ZOO_ARM64. Received: {str(place)!r}")
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UsageError("Expected Debian's apt-get and dpkg-deb to fetch the emulator with. Received: neither of them")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arm64-", dir=place.parent) as work:
        new = Path(work) / "new"
        host, root = new / "host", new / "root"
        host.mkdir(parents=True)
        root.mkdir()
        for package in _fetch_packages(Path(work)):
            _call("dpkg-deb", "--extract", str(package), str(host if "_amd64" in package.name else root))
        # Packages of a Debian whose /bin and /lib are links, which the installer makes.
        for name in ("bin", "lib"):
            if not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        for wheel in _fetch_wheels(Path(work), _python(root)):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(new / "wheels")
        (new / "complete").write_text("")
        if place.exists():
            shutil.rmtree(place)
        new.rename(place)
    return place


def python(cpu: str | None) -> tuple[list[str], dict[str, str]]:
    """The command of a Python that finds this project, and its environment: an emulated one, or with None this one."""
    if cpu is None:
        return this_python()
    root, project = folder() / "root", Path(__file__).resolve().parents[2]
    command = [str(folder() / "host/usr/bin/qemu-aarch64"), "-cpu", cpu, "-L", str(root), str(_python(root))]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder() / "wheels"), str(project)))}


def run(jobs: list[dict[str, Any]], cpu: str | None, timeout: float = 600.0) -> list[dict[str, Any]]:
    """Runs files in a child process and returns what each gave.

    Args:
        jobs: `file`, `input` (an .npz of the inputs in order), `output` (an .npz to be written), `half`.
        cpu: the emulated one out of `CPUS`; None runs them on this machine.
        timeout: seconds.
    Returns:
        For each job `{"machine": …}`, or `{"error": …}`, a sentence; jobs behind a crash, or not ended in time, have
        that one's.
    """
    command, environment = python(cpu)
    try:
        done = subprocess.run(
            [*command, "-m", "export.arm.guest"],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=timeout,
        )
        answers, log = done.stdout, done.stderr.splitlines()
    except subprocess.TimeoutExpired as error:
        # Bytes, whatever was asked for.
        answers, log = (error.stdout or b"").decode(), [LATE]
    # The last line may be half of one.
    results = [json.loads(line) for line in answers.splitlines() if line.startswith("{") and line.endswith("}")]
    ended = {"error": log[-1] if log else "ended without a word"}
    return results + [ended] * (len(jobs) - len(results))


def _fetch_packages(work: Path) -> list[Path]:
    """The packages of the guest with all that they need, and the emulator's own for this machine."""
    (work / "lists/partial").mkdir(parents=True)
    (work / "cache/archives/partial").mkdir(parents=True)
    (work / "status").write_text("")
    source = work / "suite.sources"
    source.write_text(
        f"Types: deb\nURIs: {_mirror()}\nSuites: {_SUITE}\nComponents: main\nArchitectures: amd64 arm64\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    options = {
        "Dir::Etc::sourcelist": source,
        "Dir::Etc::sourceparts": work / "none",
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    given = [f"-o{name}={value}" for name, value in options.items()] + ["-oAPT::Architectures::=amd64"]
    _call("apt-get", "-q", *given, "update")
    _call("apt-get", "-q", *given, "install", "--download-only", "-y", "--no-install-recommends", *_GUEST)
    _call("apt-get", "-q", *given, "download", "qemu-user:amd64", cwd=work)
    return [*sorted((work / "cache/archives").glob("*.deb")), *work.glob("qemu-user_*.deb")]


def _mirror() -> str:
    """The Debian mirror that this machine's own lists name."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    words = [word for file in files if file.is_file() for word in file.read_text(encoding="utf-8").split()]
    return next((word for word in words if word.rstrip("/").endswith("/debian")), "http://deb.debian.org/debian")


def _fetch_wheels(work: Path, python: Path) -> list[Path]:
    """The wheels of the versions that are installed here, for the guest's Python."""
    there = [name for name in _OPTIONAL if find_spec(name)]
    wanted = [f"{name}=={metadata.version(name)}" for name in (*_WHEELS, *there)]
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    version = python.name.removeprefix("python")
    _call(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms),
        *("--python-version", version, "--dest", str(work / "wheels"), *wanted),
    )
    return list((work / "wheels").glob("*.whl"))


def _python(root: Path) -> Path:
    return next(path for path in (root / "usr/bin").glob("python3.*") if path.name.count(".") == 1)


def _call(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=cwd)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise UsageError(f"Expected {command[0]} to fetch the emulator. Received: {reason}")
