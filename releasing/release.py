"""Makes a release and tries it: `make release`, or `python -m releasing.release --output=dist`.

The folder then holds sdist and wheel, checked, installed in an empty environment and tried from another folder;
archives of the presets' TFLite files and of the shaders; SHA256SUMS; NOTES.md from the changelog; CITATION.cff and the
requirements. It uploads nothing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import zoo
from releasing import archives
from zoo.errors import UsageError, exit_on_usage_error
from zoo.program import quiet_tensorflow

ROOT = Path(__file__).parent.parent
# What a checkout on Python's path would lend to the environment.
ALONE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
# What is tried where only the release is: with the whole install, and with the light one too.
TRIED = """
import numpy as np
from PIL import Image
import zoo
assert zoo.__version__ == "{version}" and "{folder}" not in zoo.__file__
image = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
Image.fromarray(image).save("a.png")
"""
WHOLE = TRIED + "assert zoo.load('fsrcnn_s_x2')(np.zeros((1, 8, 9, 1), np.float32)).shape == (1, 16, 18, 1)\n"
COMMANDS = (["--version"], ["presets"], ["upscale", "a.png", "--output=b.png"], ["check", "m.tflite", "--rules_only"])
WHOLE_COMMANDS = (["export", "--model=fsrcnn_s_x2", "--sizes=24x32", "--gate=off", "--output=files"],)


def run(command: list[str], folder: Path, what: str) -> str:
    """A program's output.

    Raises:
        UsageError: it fails; the last lines say why.
    """
    done = subprocess.run(command, cwd=folder, env=ALONE, capture_output=True, text=True)
    if done.returncode:
        raise UsageError(f"Expected {what}. Received: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def packages(output: Path) -> tuple[Path, Path]:
    """Builds sdist and wheel of what git has, the wheel out of the sdist, and checks them: (sdist, wheel).

    Raises:
        UsageError: they cannot be built, lack something or hold something else.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        for name in run(["git", "ls-files"], ROOT, "a checkout of git").splitlines():
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, source / name)
        command = [sys.executable, "-m", "build", "--outdir", str(output)]
        run(command, source, "sdist and wheel to be built")
    (sdist,), (wheel,) = output.glob("*.tar.gz"), output.glob("*.whl")
    run(
        [sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)],
        output,
        "packages as an index takes",
    )
    with zipfile.ZipFile(wheel) as archive:
        check_contents(archive.namelist())
    with tarfile.open(sdist) as archive:
        missing = {"LICENSE", "README.md", "setup.py"} - {name.partition("/")[2] for name in archive.getnames()}
    if missing:
        raise UsageError(f"Expected {', '.join(sorted(missing))} in the sdist. Received: one without")
    return sdist, wheel


def check_contents(names: list[str]) -> None:
    """A wheel holds the packages `zoo` and `export`, each preset whole, and nothing else.

    Raises:
        UsageError: it does not.
    """
    tops = {name.partition("/")[0] for name in names}
    others = {top for top in tops - {"zoo", "export"} if not top.endswith(".dist-info")}
    if others or not {"zoo", "export"} <= tops:
        raise UsageError(f"Expected a wheel of the packages zoo and export. Received: {', '.join(sorted(tops))}")
    wanted = {"zoo/py.typed", "export/py.typed"}
    wanted |= {f"zoo/presets/{name}{end}" for name in zoo.list_presets() for end in (".json", ".tflite", ".weights.h5")}
    if missing := wanted - set(names):
        raise UsageError(f"Expected {', '.join(sorted(missing))} in the wheel. Received: one without")


def try_out(wheel: Path, light: bool) -> None:
    """Installs a wheel in an empty environment and uses it from another folder.

    Args:
        light: without TensorFlow, as requirements-light.txt has it.

    Raises:
        UsageError: something that is tried fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        work, programs = Path(folder) / "elsewhere", Path(folder) / "venv" / "bin"
        work.mkdir()
        python, pinned = str(programs / "python"), ["-c", str(ROOT / "constraints.txt")]
        run([sys.executable, "-m", "venv", str(programs.parent)], work, "an environment")
        if light:
            run([python, *PIP, *pinned, "-r", str(ROOT / "requirements-light.txt")], work, "the light requirements")
        run([python, *PIP, *(["--no-deps"] if light else pinned), str(wheel)], work, "the wheel to be installed")
        shutil.copy(zoo.registry.preset_file("fsrcnn_s_x2", ".tflite"), work / "m.tflite")
        script = (TRIED if light else WHOLE).format(version=zoo.__version__, folder=ROOT)
        run([python, "-c", script], work, "the packages to be imported")
        for arguments in COMMANDS if light else (*COMMANDS, *WHOLE_COMMANDS):
            run([str(programs / "zoo"), *arguments], work, f"`zoo {' '.join(arguments)}` to work")


@exit_on_usage_error
def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m releasing.release", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=ROOT / "dist", help="the folder, empty or not there; %(default)s"
    )
    parser.add_argument("--light", action="store_true", help="try the light install alone, which is sooner")
    flags = parser.parse_args(argv)
    output = flags.output.resolve()
    if output.exists() and any(output.iterdir()):
        raise UsageError(f"Expected an empty folder for a release. Received: {flags.output}, which is not")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (.+)$", citation, re.M)
    if cited is None or cited[1] != zoo.__version__:
        raise UsageError(f"Expected version {zoo.__version__} in CITATION.cff. Received: {cited and cited[1]}")
    text = archives.notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), zoo.__version__)
    output.mkdir(parents=True, exist_ok=True)
    sdist, wheel = packages(output)
    print(f"{sdist.name} and {wheel.name}: built, checked")
    for light in (True,) if flags.light else (True, False):
        try_out(wheel, light)
        print(
            f"installed in an empty environment{', without TensorFlow' if light else ''}, and tried from another folder"
        )
    quiet_tensorflow()
    start = f"subpixel-zoo-{zoo.__version__}"
    archives.write_zip(output / f"{start}-tflite.zip", archives.tflite_files())
    archives.write_zip(output / f"{start}-shaders.zip", archives.shaders())
    (output / "NOTES.md").write_text(text, encoding="utf-8")
    for name in ("CITATION.cff", "requirements-light.txt", "constraints.txt"):
        shutil.copy(ROOT / name, output)
    sums = archives.sums([path for path in output.iterdir() if path.suffix in (".gz", ".whl", ".zip")])
    (output / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(sums, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
