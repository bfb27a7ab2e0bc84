"""Fixtures that every room's tests share."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder with the public test sets (`eval/Set5/HR` …), named by ZOO_REFERENCE_DATA; they cannot be shipped."""
    folder = os.environ.get("ZOO_REFERENCE_DATA")
    if not folder:
        pytest.skip("ZOO_REFERENCE_DATA is not set: the public test sets cannot be shipped")
    path = Path(folder).resolve()
    if not (path / "eval").is_dir():
        pytest.fail(f"Expected a folder with eval/Set5/HR in ZOO_REFERENCE_DATA. Received: {folder!r}")
    return path
