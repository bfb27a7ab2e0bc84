"""The inside of the emulator: a list of files, run by LiteRT, outputs written; the same on this machine's own CPU.

Needs NumPy and ai-edge-litert only. Standard input has the jobs, a line of standard output answers each.
"""

import json
import platform
import sys

import numpy as np
from ai_edge_litert.cpu_options import CpuOptions
from ai_edge_litert.options import Options

from export.runner import FORCE_FP16, Xnnpack, compiled


def main() -> None:
    """Jobs: `file`, `input`, `output`, `half` (compute in half precision where the CPU can)."""
    for job in json.load(sys.stdin):
        try:
            with np.load(job["input"]) as arrays:
                images = [arrays[name] for name in arrays.files]
            engine = Xnnpack(job["file"], 1, images)
            outputs = engine.run()
            if job["half"]:
                options = Options(cpu_options=CpuOptions(num_threads=1, xnnpack_flags=FORCE_FP16))
                _, (outputs,) = compiled(job["file"], options, engine, [images], outputs)
            np.savez(job["output"], *engine.to_real(outputs))
            answer = {"machine": platform.machine()}
        except Exception as error:  # whatever a file does, the others are run
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
