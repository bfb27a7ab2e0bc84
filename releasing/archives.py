"""What a release holds beside the packages: archives of the presets' files and shaders, their sums, its notes."""

import hashlib
import re
import tempfile
import zipfile
from pathlib import Path

from zoo.errors import UsageError
from zoo.registry import PRESETS, card, list_presets, preset_file

ROOT = Path(__file__).parent.parent
# The earliest time that a zip can hold: the same files give the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Writes name → content, sorted by name; the same files give the same archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, files[name])


def terms() -> bytes:
    """Under which terms each preset's weights come, and whom to credit."""
    lines = ["The code is under Apache-2.0 (LICENSE). The weights of the presets:", ""]
    for name in list_presets():
        lines.append(f"{name}: {card(name)['redistribution']}")
        lines += [f"    {credit}" for credit in card(name).get("credits", ())]
    return "\n".join([*lines, ""]).encode()


def tflite_files() -> dict[str, bytes]:
    """The presets' TFLite files, which take any size, and their cards."""
    files = {f"{name}.tflite": preset_file(name, ".tflite").read_bytes() for name in list_presets()}
    files |= {f"{name}.json": (PRESETS / f"{name}.json").read_bytes() for name in list_presets()}
    return files | {"LICENSE": (ROOT / "LICENSE").read_bytes(), "TERMS.txt": terms()}


def shaders() -> dict[str, bytes]:
    """Of each preset that shaders can compute: one for mpv and libplacebo, and the same passes for WebGPU."""
    from export.shaders.mpv import write_shader
    from export.shaders.wgsl import write_wgsl
    from releasing.shaders import fitting

    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in fitting(list_presets()).items():
            for write, suffix in ((write_shader, "glsl"), (write_wgsl, "wgsl")):
                path = Path(folder) / f"{name}.{suffix}"
                write(model, path)
                files[path.name] = path.read_bytes()
    return files | {"LICENSE": (ROOT / "LICENSE").read_bytes(), "TERMS.txt": terms()}


def sums(paths: list[Path]) -> str:
    """SHA-256 of files, as `sha256sum --check` takes them."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(paths))


def notes(changelog: str, version: str) -> str:
    """A version's section of the changelog; what is not released yet where the version has none.

    Raises:
        UsageError: neither is there.

    Example:
        >>> notes("# Changelog\\n\\n## [1.1]\\n- new\\n\\n## [1.0]\\n- old\\n", "1.0")
        '- old\\n'
    """
    sections = dict(re.findall(r"^## \[([^\]]+)\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.M | re.S))
    text = sections.get(version) or sections.get("Unreleased")
    if not text or not text.strip():
        raise UsageError(f"Expected a section [{version}] or [Unreleased] in CHANGELOG.md. Received: neither")
    return text.strip() + "\n"
