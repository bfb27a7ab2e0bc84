"""One family of damaged inputs in a process of its own: `python tests/fuzz_cases.py FAMILY COUNT FOLDER`.

Before each input its number is printed: whoever waits knows which one a dead process was at. What is no sentence,
takes longer than `SECONDS` or leaves a half-written file ends the process with an exit code of 1.
"""

import dataclasses
import json
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from memory_cases import most_memory

from zoo.errors import UsageError
from zoo.program import quiet_tensorflow

quiet_tensorflow(3)
SECONDS = 30
# What `zoo.upscale.files.sentence` makes of an error that nobody expected.
_UNEXPECTED = re.compile(r"^(?!UsageError)[A-Z]\w*(Error|Exception|Warning): ")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A file cut off, with some bits or bytes changed, a piece doubled, taken out, or filled with noise."""
    changed = bytearray(content)
    kind, place = rng.integers(0, 7), int(rng.integers(0, len(content)))
    length = int(rng.integers(1, min(64, len(content)) + 1))
    if kind == 0:
        return content[:place]
    if kind == 1:
        for at in rng.integers(0, len(content), rng.integers(1, 9)):
            changed[at] ^= 1 << int(rng.integers(0, 8))
    elif kind == 2:
        # Most that decides lies at the front.
        changed[int(rng.integers(0, min(200, len(content))))] = int(rng.integers(0, 256))
    elif kind == 3:
        changed[place : place + length] = changed[place : place + length] * 2
    elif kind == 4:
        del changed[place : place + length]
    elif kind == 5:
        changed[place : place + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    else:
        changed[place : place + 4] = b"\xff\xff\xff\xff"
    return bytes(changed)


Try = Callable[[bytes], None]


def _pictures(folder: Path) -> tuple[list[tuple[str, bytes]], Callable[[str, bytes], None]]:
    from PIL import Image
    from upscale_cases import files, photo

    from zoo.engines import open_engine
    from zoo.upscale.files import Options, upscale_file
    from zoo.upscale.targets import Job

    seeds, engine = [], open_engine(files(folder)("nearest"), 1)
    base = Image.fromarray(photo(13, 18))
    deep = Image.fromarray(photo(13, 18, 1, np.uint16)[..., 0])
    for suffix in ("png", "jpg", "webp", "tif", "bmp", "gif"):
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
            try:
                path = folder / f"seed.{suffix}"
                options = {"exif": base.getexif()} if suffix in ("jpg", "png") else {}
                (deep if mode == "I;16" else base.convert(mode)).save(path, **options)
                seeds.append((suffix, path.read_bytes()))
            except (OSError, KeyError, ValueError):
                continue

    def attempt(suffix: str, content: bytes) -> None:
        source, target = folder / f"in.{suffix}", folder / "out" / f"out.{'png' if suffix == 'gif' else suffix}"
        source.write_bytes(content)
        row = upscale_file(Job(source, target), engine, Options(max_megapixels=30))
        if row.state == "failed":
            if _UNEXPECTED.match(row.note):
                raise AssertionError(row.note)
            assert not target.exists()
        else:
            with Image.open(target) as image:
                image.load()
            target.unlink()

    return seeds, attempt


def _videos(folder: Path):
    from upscale_cases import files
    from video_cases import clip

    from zoo.engines import open_engine
    from zoo.upscale.targets import Job
    from zoo.upscale.video import VideoOptions, upscale_video

    engine = open_engine(files(folder)("nearest"), 1)
    seeds = []
    for suffix, form, codec in (
        ("mp4", "yuv420p", "libx264"),
        ("mkv", "yuvj420p", "mjpeg"),
        ("mkv", "yuv420p", "libx264"),
    ):
        path = clip(folder / f"seed.{suffix}", form, 4, (32, 24), codec, sound=suffix == "mp4")
        seeds.append((suffix, path.read_bytes()))

    def attempt(suffix: str, content: bytes) -> None:
        source, target = folder / f"in.{suffix}", folder / "out" / "out.mkv"
        source.write_bytes(content)
        target.parent.mkdir(exist_ok=True)
        row = upscale_video(Job(source, target), engine, VideoOptions(max_megapixels=4))
        # FFmpeg's own kinds of errors are its sentences.
        assert row.state == "written" or not target.exists()
        if row.state == "failed" and _UNEXPECTED.match(row.note) and "avcodec" not in row.note:
            assert row.note.split(":")[0] in ("ArgumentError", "PatchWelcomeError", "EOFError", "ExternalError"), (
                row.note
            )
        target.unlink(missing_ok=True)

    return seeds, attempt


def _tflite(folder: Path):
    from zoo import registry
    from zoo.engines import open_engine

    def attempt(suffix: str, content: bytes) -> None:
        path = folder / "in.tflite"
        path.write_bytes(content)
        open_engine(str(path), 1)

    return [("tflite", registry.preset_file("fsrcnn_s_x2", ".tflite").read_bytes())], attempt


def _onnx(folder: Path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from zoo.rewrite.__main__ import main

    kernel = numpy_helper.from_array(np.random.default_rng(0).normal(0, 1, (4, 3, 4, 4)).astype(np.float32), "w")
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            (("x", [1, 4, 8, 10]), ("y", [1, 3, 16, 20]))]  # fmt: skip
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [kernel])
    seed = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(seed)

    def attempt(suffix: str, content: bytes) -> None:
        source, target = folder / "in.onnx", folder / "out.onnx"
        source.write_bytes(content)
        if main([str(source), str(target)]) == 2:
            assert not target.exists()
        target.unlink(missing_ok=True)

    return [("onnx", seed.SerializeToString())], attempt


def _keras(folder: Path):
    import zoo
    from zoo import registry

    zoo.create_model("fsrcnn_s", scale=2).save(folder / "seed.keras")

    def attempt(suffix: str, content: bytes) -> None:
        (folder / "in.keras").write_bytes(content)
        registry.open_model(str(folder / "in.keras"))

    return [("keras", (folder / "seed.keras").read_bytes())], attempt


def _weights(folder: Path):
    import zoo
    from zoo.training import TrainConfig
    from zoo.training.start import load_trained

    zoo.create_model("fsrcnn_s", scale=2, upsampler="subpixel").save_weights(folder / "seed.weights.h5")
    config = TrainConfig(model="fsrcnn_s", scale=2, weights=str(folder / "in.weights.h5"))

    def attempt(suffix: str, content: bytes) -> None:
        (folder / "in.weights.h5").write_bytes(content)
        load_trained(config)

    return [("h5", (folder / "seed.weights.h5").read_bytes())], attempt


def _records(folder: Path):
    from upscale_cases import picture

    from zoo import data
    from zoo.data.records import INDEX, RECORDS, RecordsOnDisk, write_records

    for number in range(3):
        picture(folder / "pictures" / f"{number}.png", seed=number)
    write_records(data.from_folder(folder / "pictures", 2), folder / "seed")
    whole = {name: (folder / "seed" / name).read_bytes() for name in (INDEX, RECORDS)}

    def attempt(name: str, content: bytes) -> None:
        for each, kept in whole.items():
            (folder / "seed" / each).write_bytes(content if each == name else kept)
        try:
            RecordsOnDisk(folder / "seed", 2).records  # noqa: B018 - compares every byte
        except UsageError:
            write_records(data.from_folder(folder / "pictures", 2), folder / "seed")
            assert {name: (folder / "seed" / name).read_bytes() for name in whole} == whole

    return [*whole.items()], attempt


def _manifests(folder: Path):
    from test_upscale_manifest import ENTRY

    from zoo.upscale.manifest import Manifest, append

    manifest = Manifest(folder / "manifests")
    manifest.folder.mkdir(parents=True)
    for number in range(3):
        append(manifest.file, dataclasses.replace(ENTRY, target=f"{number}.png"))
    listed = "".join(json.dumps([f"/in/{n}.png", f"{n}.png", None]) + "\n" for n in range(3)).encode()

    def attempt(name: str, content: bytes) -> None:
        (manifest.list if name == "list" else manifest.file).write_bytes(content)
        manifest.listed()
        manifest.entries()

    return [("manifest", manifest.file.read_bytes()), ("list", listed)], attempt


def _configurations(folder: Path):
    from zoo.training import TrainConfig

    path = folder / "config.json"
    TrainConfig().save(path)

    def attempt(suffix: str, content: bytes) -> None:
        path.write_bytes(content)
        TrainConfig.load(path)

    return [("json", path.read_bytes())], attempt


def _workdirs(folder: Path):
    from zoo.files import sha256, write_json
    from zoo.training.progress import read_log
    from zoo.training.results import best
    from zoo.training.workdir import note_environment

    (folder / "best.weights.h5").write_bytes(b"weights")
    write_json(folder / "best.json", {"step": 3, "psnr": 30.5, "sha256": sha256(folder / "best.weights.h5")})
    write_json(folder / "environment.json", {"threads": 2})
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": step, "loss": 0.5}) + "\n" for step in range(5)))
    whole = {name: (folder / name).read_bytes() for name in ("best.json", "environment.json", "log.jsonl")}

    def attempt(name: str, content: bytes) -> None:
        for each, kept in whole.items():
            (folder / each).write_bytes(content if each == name else kept)
        best(folder)
        note_environment(folder, {"threads": 2})
        assert all(isinstance(record["step"], int) for record in read_log(folder))

    return [*whole.items()], attempt


FAMILIES = {
    "pictures": _pictures,
    "videos": _videos,
    "tflite": _tflite,
    "onnx": _onnx,
    "keras": _keras,
    "weights": _weights,
    "records": _records,
    "manifests": _manifests,
    "configurations": _configurations,
    "workdirs": _workdirs,
}


def _late(*_) -> None:
    raise TimeoutError(f"not done after {SECONDS} s")


def _inputs(seeds: list[tuple[str, bytes]], count: int) -> Iterator[tuple[int, str, bytes]]:
    for number in range(count):
        name, content = seeds[number % len(seeds)]
        yield number, name, damaged(content, np.random.default_rng([20, number]))


def main(family: str, count: str, folder: str) -> int:
    seeds, attempt = FAMILIES[family](Path(folder))
    signal.signal(signal.SIGALRM, _late)
    failures = 0
    for number, name, content in _inputs(seeds, int(count)):
        print("at", number, flush=True)
        signal.alarm(SECONDS)
        try:
            attempt(name, content)
        except UsageError:
            pass
        except Exception:
            failures += 1
            (Path(folder) / f"failed_{number}").write_bytes(content)
            print(f"FAILED {family} {number} ({name})", traceback.format_exc(), flush=True)
        finally:
            signal.alarm(0)
        left = [str(path) for path in Path(folder).rglob(".*.tmp")]
        if left:
            failures += 1
            print(f"FAILED {family} {number} ({name}): half-written {left}", flush=True)
    print(f"\npeak {most_memory() >> 10} kB", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
