"""What is printed: no name steers a terminal, every command prints everywhere, closed streams cost no work."""

import os
import subprocess
import sys

import pytest
from upscale_cases import picture

ESCAPES = "\x1b]0;mine\x07\u202egpj"


def test_names_do_not_steer_the_terminal(upscale_command, tmp_path):
    picture(tmp_path / "in" / f"{ESCAPES}.png")
    (tmp_path / "in" / f"{ESCAPES}b.png").write_text("no picture")
    code, out, errors = upscale_command("in", "--output=out")
    assert code == 2 and "\x1b" not in out + errors and "\u202e" not in out + errors and "\\x1b]0;mine" in out
    code, out, errors = upscale_command(f"in/{ESCAPES}b.png", "--output=other/")
    assert code == 2 and "\x1b" not in errors and "\u202e" not in errors and "\\x1b]0;mine\\x07" in errors


def run(folder, shell, **environment):
    code = "from zoo.upscale.__main__ import main; import sys; sys.exit(main())"
    command = f'"{sys.executable}" -c "{code}" in --output=out --model=fsrcnn_s_x2 {shell}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path, shell):
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    done = run(tmp_path, shell)
    assert done.returncode == 0, done
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "cp1252:strict"])
def test_every_name_is_printed_in_every_encoding(tmp_path, encoding):
    picture(tmp_path / "in" / "größe→×.png")
    (tmp_path / "in" / "größe→×b.png").write_text("no picture")
    os.rename(os.fsencode(tmp_path / "in" / "größe→×b.png"), os.fsencode(tmp_path / "in") + b"/\xff\xfe.png")
    done = run(tmp_path, "", PYTHONIOENCODING=encoding)
    assert done.returncode == 2 and b"Traceback" not in done.stderr and b"1 written, 1 failed" in done.stdout, done
