"""What other libraries would report about this machine: switched off as soon as `zoo` is imported, before they are.

- OpenVINO (the extra `fast`): when it is imported, `openvino_telemetry` writes an id into `~/intel` and sends events to
  Google Analytics. Its own stub takes that package's place.
- onnxruntime (`onnx`): when it is imported, it writes an id into `~/.cache/Microsoft`, and it sends events to Microsoft
  (its Privacy.md). `ORT_DISABLE_TELEMETRY` is its own switch.
- Apache Beam (`beam`): its DirectRunner first fetches another runner from GitHub; `zoo.upscale.runners` does not.
- TensorFlow Datasets: asks Google's storage before it fetches a data set; `zoo.data.tfds_div2k` tells it not to.

Keras and matplotlib write settings and a list of fonts into the home folder and send nothing; neither do TensorFlow,
LiteRT, ncnn, and the page's `@litertjs/core` and `playwright-core`.
"""

import os
import sys
from typing import Any


def switch_off() -> None:
    """Makes OpenVINO and onnxruntime send nothing and keep no id; what the process has imported already stays as it is.

    Who wants to report sets `ORT_DISABLE_TELEMETRY=0`, or imports `openvino_telemetry` before `zoo`.
    """
    # With None, importing it is an ImportError, and OpenVINO then uses a stub of its own.
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
