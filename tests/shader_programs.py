"""The passes of a shader as whole programs, for a compiler that knows no player: Khronos' `glslangValidator`."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# What a player puts before a pass: OpenGL ES 3.1 as on phones, and Vulkan's GLSL.
VERSIONS = {
    "es": "#version 310 es\nprecision highp float;\nprecision highp int;\n",
    "vulkan": "#version 450\n",
}


def missing() -> str | None:
    """What is not installed, or None."""
    return None if shutil.which("glslangValidator") else "glslangValidator"


def programs(text: str, version: str) -> list[str]:
    """Each pass of a shader as a program of its own.

    Args:
        text: of a file as `export.shaders.mpv` writes it.
        version: one of `VERSIONS`.
    """
    found = []
    for part in re.split(r"^(?=//!HOOK )", text, flags=re.MULTILINE)[1:]:
        bound = re.findall(r"^//!BIND (\w+)$", part, re.MULTILINE)
        columns, rows = re.findall(r"^//!COMPUTE \d+ \d+ (\d+) (\d+)$", part, re.MULTILINE)[0]
        lines = [VERSIONS[version], f"layout(local_size_x = {columns}, local_size_y = {rows}) in;"]
        lines.append("layout(rgba16f, binding = 0) uniform writeonly highp image2D out_image;")
        for place, name in enumerate(bound, 1):
            lines.append(f"layout(binding = {place}) uniform highp sampler2D {name}_raw;")
            lines += [f"#define {name}_size vec2(640.0, 360.0)", f"#define {name}_mul 1.0"]
        found.append("\n".join([*lines, part, "void main() { hook(); }", ""]))
    return found


def errors(text: str, version: str) -> list[str]:
    """What the compiler says against the passes; arguments as for `programs`."""
    found = []
    with tempfile.TemporaryDirectory(prefix="shader-") as folder:
        path = Path(folder) / "pass.comp"
        for program in programs(text, version):
            path.write_text(program, encoding="utf-8")
            command = ["glslangValidator", *(["-V"] if version == "vulkan" else []), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            found += [line for line in done.stdout.splitlines() if "ERROR" in line] if done.returncode else []
    return found
