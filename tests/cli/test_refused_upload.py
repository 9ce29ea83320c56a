"""The command shows why the server refuses an upload, even if it does so long before the file has been sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from devservers.local_stack import Stack
from soundlift.cli.exit_codes import ExitCode
from tests.cli.conftest import Run
from tests.factories.accounts import PASSWORD
from tests.factories.jobs import MP4
from tests.pipeline.conftest import EMAIL

pytestmark = pytest.mark.servers

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def servers() -> dict[str, str]:
    return {"MAX_STORED_BYTES": str(MEGABYTE)}


def test_an_upload_over_the_quota_is_refused_with_the_reason(run: Run, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "large.mp4").write_bytes(MP4 + bytes(20 * MEGABYTE))
    ended = run("convert", "large.mp4", SOUNDLIFT_URL=stack.url, SOUNDLIFT_EMAIL=EMAIL, SOUNDLIFT_PASSWORD=PASSWORD)
    assert ended.returncode == ExitCode.REFUSED
    assert ended.stderr == f"soundlift: A video may have at most {MEGABYTE} bytes.\n"
