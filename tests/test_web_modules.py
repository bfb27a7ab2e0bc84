"""The page's modules by themselves, in Node.js: `npm test` in web/."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parent.parent / "web"
NODE = shutil.which("node")


@pytest.mark.skipif(not NODE, reason="the page's modules need Node.js: apt-get install nodejs")
def test_the_modules_pass_their_own_tests():
    files = sorted(WEB.glob("tests/*.test.js"))
    done = subprocess.run([NODE, "--test", *files], cwd=WEB, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    # Control: none of them was passed over.
    (passed,) = re.findall(r"^. pass (\d+)$", done.stdout, re.M)
    assert int(passed) >= sum(file.read_text(encoding="utf-8").count("\ntest(") for file in files) > 20
