"""The documentation is true: its Python runs, its links lead somewhere, its commands exist."""

import doctest
import importlib
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "WORKSPACE.md", "CHANGELOG.md")] + sorted((ROOT / "docs").glob("*.md"))
PAGES.append(ROOT / "examples" / "android" / "README.md")
ids = [page.relative_to(ROOT).as_posix() for page in PAGES]
ROOMS = ("zoo", "export", "releasing", "benchmarks", "experiments")


def python_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_exist(page):
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"python -m ([\w.]+)", text):
        if module.split(".")[0] in ROOMS and not module.endswith("NAME"):
            assert importlib.util.find_spec(module), module
    for target in re.findall(r"`?make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), target


EXAMPLES = [
    path
    for room in ("zoo", "export", "releasing")
    for path in sorted((ROOT / room).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


# They train, or convert.
DEAR = [ROOT / name for name in ("zoo/training/__init__.py", "export/write.py")]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow if path in DEAR else ()) for path in EXAMPLES],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_examples_of_docstrings(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed


# What is called from outside: the names of `__all__`.
PUBLIC = ("color", "complexity", "data", "engines", "evaluate", "identities", "layers", "metrics", "models", "rewrite")
PUBLIC = ("zoo", *(f"zoo.{room}" for room in (*PUBLIC, "training", "upscale")), "export")


@pytest.mark.parametrize("room", PUBLIC)
def test_a_public_function_has_an_example(room):
    module = importlib.import_module(room)
    functions = [each for name in module.__all__ if inspect.isfunction(each := getattr(module, name))]
    assert functions
    assert [each.__name__ for each in functions if ">>> " not in (each.__doc__ or "")] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


# Commands that no test runs as they stand here, each with what is there instead. Never run at all: the first three.
NOT_RUN = {
    r"zoo train .*--data=div2k": "the real DIV2K; tests/test_div2k.py has a small one of the same layout",
    r"zoo prepare --data=div2k": "the real DIV2K; tests of zoo.data.prepare have another source",
    r".*FlinkRunner": "needs a cluster",
    r"zoo train .*--strategy=multi_worker|TF_CONFIG=": "needs several machines; tests start workers",
    r"zoo train --data=DIR": "needs a prepared folder; its tests make one",
    r"zoo upscale .*--runner=DirectRunner|\. .venv-beam": "needs .venv-beam; its own tests run there",
    r"zoo train --engine=device": "needs JAX; tests/test_training_device.py runs it in .venv-jax",
    r"make |bash .ci/run|pip install |npm ": "sets an environment up, or starts these tests",
    r"python -m benchmarks.": "measures for minutes; tests run their parts",
    r"zoo plots checkerboard": "trains eight networks; tests/test_plots.py draws them after three steps each",
    r"jupyter ": "tests/test_notebook.py",
    r"python -m export.arm .*--json|python -m releasing.arm_table": "for minutes, and writes a page; has its own tests",
    r"zoo check FILE.tflite": "a name to fill in; the README's is run",
}
# Flags that make what is run here small; the last of two flags alike counts.
SMALL = {
    r"zoo train": "--steps=2 --batch=2 --lr_size=12 --noexport --jit=off",
    r"zoo export": "--sizes=24x32 --gate=off",
}
FOLDERS = {"photos": 2, "my_pictures": 3, "my_valid": 1, "Set5/HR": 2, "Set14/HR": 1, "BSD100/HR": 1}


def commands_of(page: Path) -> list[str]:
    """Lines set in as code that start a program, without their comments."""
    lines = re.findall(
        r"^    +(.*)$", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M), re.M
    )
    programs = r"(python|zoo|make|bash|pip|npm|jupyter|\.|[A-Z_]+=\S*) "
    return [re.split(r"\s+#\s", line)[0].strip() for line in lines if re.match(programs, line)]


def reason_not_to_run(command: str) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, command)), None)


def test_commands_are_found_and_what_is_not_run_has_a_reason():
    found = [command for page in PAGES for command in commands_of(page)]
    assert "zoo rewrite decoder.keras fast.keras" in found and "make test" in found
    for command in ("zoo upscale photos --output=large", "zoo train --data=my_pictures --workdir=runs/mine"):
        assert reason_not_to_run(command) is None
    assert reason_not_to_run("zoo train --model=fsrcnn --data=div2k --workdir=x")


def other_names(text: str) -> list[str]:
    """Commands that have a word of `zoo` and are called otherwise."""
    from zoo.command import WORDS

    modules = [re.escape(module.removesuffix(".__main__")) for module, _ in WORDS.values()]
    return re.findall(rf"python train\.py|python -m (?:{'|'.join(modules)})(?![\w.])", text)


def test_a_command_has_one_name():
    # What was typed when a time was taken stays.
    measured = re.compile(r"^\| `python -m .*\| [\d.]+ \|$", re.M)
    sources = [path for room in ("zoo", "export") for path in sorted((ROOT / room).rglob("*.py"))]
    web = [ROOT / "web" / "README.md", *sorted((ROOT / "web").glob("*.js"))]
    for page in (*PAGES, *sorted((ROOT / "docs" / "api").glob("*.md")), *web, *sources):
        # What the program was started by is its name there.
        if page.name not in ("CHANGELOG.md", "program.py"):
            text = page.read_text(encoding="utf-8").replace('else "python train.py"', "")
            assert other_names(measured.sub("", text)) == [], page.name
    assert other_names("`python -m zoo.rewrite`, python train.py --x and python -m export.check") != []
    assert other_names("python -m export.arm --install; python -m zoo.rewriting") == []


def test_the_zoo_command_of_the_pages_exists():
    from zoo.command import WORDS

    for page in PAGES:
        for command in commands_of(page):
            if command.startswith("zoo "):
                assert command.split()[1] in WORDS, command


def test_the_tables_of_upscaling_are_what_was_measured():
    from benchmarks import upscale_page

    text = upscale_page.PAGE.read_text(encoding="utf-8")
    assert upscale_page.page(text) == text
    # Control: another figure makes another page.
    assert upscale_page.page(text.replace(" dB | gain, dB |", " dB | gained |")) == text
    record = json.loads((upscale_page.RESULTS / "ensemble.json").read_text(encoding="utf-8"))
    record["rows"][0]["gain"] += 0.02
    assert upscale_page.ensemble(record) not in text


def prepare(folder: Path) -> None:
    """What the pages take for given: folders of pictures, a film, a TFLite and an ONNX file with deconvolutions."""
    import numpy as np
    from PIL import Image

    for name, count in FOLDERS.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = np.random.default_rng(len(name) + index).integers(0, 256, (48, 66, 3), np.uint8)
            Image.fromarray(picture).resize((132, 96)).save(folder / name / f"{index}.png")
    for name in ("docs/plots", "docs/figures"):
        (folder / name).mkdir(parents=True)
    from benchmarks.video import write_clip

    write_clip(folder / "film.mp4", frames=2)
    from tflite_cases import convert, transposed

    (folder / "model.tflite").write_bytes(convert(transposed))
    import onnx
    from rewrite_onnx_cases import deconvolution

    onnx.save(deconvolution(strides=[2, 2], pads=[1, 1, 1, 1]), str(folder / "model.onnx"))


RUN = [page for page in PAGES if python_of(page) or any(reason_not_to_run(each) is None for each in commands_of(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_page_works_from_its_first_line_to_its_last(page, tmp_path):
    """Its Python first, then its commands in their order, in a folder with what a reader has."""
    pytest.importorskip("av", reason="a film needs PyAV")
    prepare(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    runs = [[sys.executable, "-c", python_of(page)]] if python_of(page) else []
    if page == ROOT / "README.md":
        runs[0][2] += '\ndecoder.save("decoder.keras")\n'
    for command in commands_of(page):
        if reason_not_to_run(command) is None:
            small = next((flags for pattern, flags in SMALL.items() if re.match(pattern, command)), "")
            program, *rest = shlex.split(f"{command} {small}")
            start = ["-m", "zoo.command"] if program == "zoo" else []
            runs.append([sys.executable, *start, *rest])
    for run in runs:
        # The export's files have the size that the page names, not the small one.
        run = [word.replace("360x640", "24x32") if "check" in run else word for word in run]
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
        # Two steps on noise are no better than bicubic, which is said.
        short = done.returncode == 1 and "Worse than bicubic" in done.stdout
        assert done.returncode == 0 or short, (run, done.stderr[-2000:])


def test_the_reference_is_what_the_docstrings_say(tmp_path, monkeypatch, capsys):
    """Where it is not: `python -m releasing.api`."""
    from releasing import api

    assert api.main(["--check"]) == 0, capsys.readouterr().err
    # Control: another docstring, and a page of a room that is gone.
    monkeypatch.setattr(importlib.import_module("zoo").load, "__doc__", "Another sentence.")
    assert api.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "zoo.md is not what the command writes",
        "python -m releasing.api writes it anew",
    ]
    monkeypatch.setattr(api, "FOLDER", tmp_path)
    (tmp_path / "zoo.gone.md").write_text("")
    assert api.main([]) == 0 and (tmp_path / "README.md").is_file()
    assert not (tmp_path / "zoo.gone.md").exists() and "Another sentence." in (tmp_path / "zoo.md").read_text()


def test_a_page_of_the_reference_names_everything_public():
    from releasing import api

    for room in api.ROOMS:
        text = api.page(room)
        for name in importlib.import_module(room).__all__:
            assert re.search(rf"^## {name}$|`{name}`|{room}.{name}`", text, re.M), (room, name)
