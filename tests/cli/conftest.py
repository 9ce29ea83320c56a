"""The command, run as a user or a script runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import stack

__all__ = ["stack"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def servers() -> dict[str, str]:
    return {}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the command in this test's folder, with a data folder in it."""
    (tmp_path / "data").mkdir(exist_ok=True)

    def soundlift(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "soundlift.cli", *arguments],
            input=stdin,
            env={**os.environ, "SOUNDLIFT_DATA": str(tmp_path / "data"), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=90,
            check=False,
        )

    return soundlift
