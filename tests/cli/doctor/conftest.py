"""A deployment of embedded services, whose settings a test replaces by faulty ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundlift.cli.doctor.deployment import check_all
from soundlift.cli.doctor.finding import Finding
from soundlift.common.db.migrations import migrate
from tests.factories.accounts import SECRET

Examine = Callable[..., list[Finding]]


@pytest.fixture
def examine(tmp_path: Path, empty_database: Path) -> Examine:
    """Return a function that checks a deployment with the given settings."""
    (tmp_path / "soundlift.db").write_bytes(empty_database.read_bytes())
    migrate(f"sqlite:///{tmp_path}/soundlift.db")  # which switches it to a write-ahead log

    def findings(seconds: float = 20, **variables: str) -> list[Finding]:
        defaults = {"SOUNDLIFT_DATA": str(tmp_path), "JWT_SECRET": SECRET, "SECRETS_FOLDER": str(tmp_path / "secrets")}
        return list(check_all({**defaults, **variables}, seconds=seconds))

    return findings


def of(findings: list[Finding], part: str) -> list[tuple[str, str, str]]:
    """Return the findings about a part, each as status, detail and advice."""
    return [(one.status.value, one.detail, one.advice) for one in findings if one.part == part]


def run_doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "soundlift.cli", "doctor", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
